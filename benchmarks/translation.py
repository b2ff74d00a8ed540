"""How fast a model translates, and whether it still says the same: our command against stock fairseq-generate.

    python -m benchmarks.translation [DATA --path CKPT --source-lang XX] [--json FILE] [--repeats 5] [--threads 2]

Without arguments the command uses the files that recipes/quickstart.sh has made. The adapted checkpoint is exported.
Then the test set is translated with beam 5, in turns in one process: by fairseq-generate with the exported plain
checkpoint on binarised text in its own batches, and by meta-nmt-translate on text, with torch and with CTranslate2 in
float32 and in int8. Times are of whole runs of the commands' bodies, loading the model included: medians of repeats.

Then follow rows of agreement with the unfolded checkpoint, which translates through meta-nmt-generate. They count the
best hypotheses that fairseq with the folded checkpoint, and CTranslate2, have in common with it. Further rows compare
CTranslate2 with it by BLEU.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import meta_nmt.plugin  # noqa: F401  before fairseq, which it keeps from setting up logging

# isort: split
import sentencepiece
import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq_cli import generate as fairseq_generate
from sacrebleu.metrics import BLEU

from benchmarks.measure import Row, in_turns, rounded, speeds, table
from data_prep.base.command_line import run_command
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.workers import cores
from data_prep.packs import binarise
from meta_nmt.bleu_tokeniser import bleu_tokeniser
from meta_nmt.cli import command, generate, translate
from meta_nmt.translation.export import export
from meta_nmt.translation.translator_folder import TranslatorFolder

QUICKSTART = Path("outputs/quickstart")
CHECKPOINT = QUICKSTART / "adapted/qbx-fomaml-emb_enc-4800-s1/checkpoint_best.pt"
SEARCH = ["--beam", "5", "--max-len-a", "1.5", "--max-len-b", "10"]
WHOLE = ["--required-batch-size-multiple", "1"]  # otherwise fairseq leaves out the last sentences
# no reading process: reading takes little time beside the search, and the end of such a process can delay the next
# timed run by 5 s
WORKERS = ["--num-workers", "0"]
HYPOTHESIS = re.compile(r"^H-(\d+)\t\S+\t(.*)$", re.MULTILINE)


def row(name: str, ours: float, peer: float, unit: str) -> Row:
    """A row of agreement: one count each, so without a spread."""
    return Row(name, rounded(ours), rounded(peer), rounded(ours / peer) if peer else 0.0, unit)


class Bench:
    """The exported models and the test set in a scratch folder."""

    def __init__(self, args: Namespace, work: Path) -> None:
        self.args, self.work, self.pair = args, work, f"{args.source_lang}-{args.target_lang}"
        data = DataFolder(args.data, args.target_lang)
        self.source, references = data.text(args.source_lang).sides(args.subset)
        if not self.source.is_file():
            raise InputError(f"{self.source}: must be the test set, but is missing")
        self.references = references.read_text("utf-8").splitlines()
        for quantization in ("float32", "int8"):
            export(
                args.data, args.path, args.source_lang, work / quantization,
                target_lang=args.target_lang, quantization=quantization,
            )  # fmt: skip
        self.model = TranslatorFolder(work / "float32")
        sides = {args.source_lang: self.source, args.target_lang: references}
        for lang, path in sides.items():  # a data folder for plain fairseq
            shutil.copy(self.model.dictionary(lang), work)
            binarise.binarise(path, data.pack(lang), work / f"test.{self.pair}.{lang}")
        self.decoder = sentencepiece.SentencePieceProcessor(model_file=str(self.model.target_pieces))

    def detokenised(self, pieces: Sequence[str]) -> list[str]:
        return [" ".join(self.decoder.decode_pieces(line.split(" ")).split()) for line in pieces]

    def fairseq(self) -> list[str]:
        """Translate by fairseq-generate with the plain checkpoint; returns the best hypotheses in order, as text."""
        argv = [str(self.work), "--path", str(self.model.torch_model), "--source-lang", self.args.source_lang,
                "--target-lang", self.args.target_lang, "--no-progress-bar", *SEARCH, *WHOLE, *WORKERS]  # fmt: skip
        args = options.parse_args_and_arch(options.get_generation_parser(), input_args=argv)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            fairseq_generate.main(convert_namespace_to_omegaconf(args))
        hypotheses = {int(match[1]): match[2] for match in HYPOTHESIS.finditer(out.getvalue())}
        return self.detokenised([hypotheses[i] for i in range(len(self.references))])

    def ours(self, quantization: str, backend: str) -> list[str]:
        """Translate the text by meta-nmt-translate; returns the lines."""
        argv = ["--model", str(self.work / quantization), "--backend", backend, "--input", str(self.source)]
        threads = ["--threads", str(self.args.threads)]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            translate.translate(translate.parse_args([*argv, *threads]))
        return out.getvalue().splitlines()

    def unfolded(self) -> list[str]:
        """Translate with the adapted checkpoint itself by meta-nmt-generate; returns the lines."""
        argv = [str(self.args.data), "--path", str(self.args.path), "--source-lang", self.args.source_lang,
                "--target-lang", self.args.target_lang, "--gen-subset", self.args.subset,
                "--max-tokens", "12000", "--results", str(self.work / "unfolded")]  # fmt: skip
        generate.body(argv)
        return (self.work / "unfolded/hypotheses.txt").read_text("utf-8").splitlines()

    def rows(self) -> Iterator[Row]:
        """The rows of speed, then of agreement."""
        systems: dict[str, Callable[[], Any]] = {
            "fairseq": self.fairseq,
            "torch": lambda: self.ours("float32", "torch"),
            "ctranslate2_float32": lambda: self.ours("float32", "ctranslate2"),
            "ctranslate2_int8": lambda: self.ours("int8", "ctranslate2"),
        }
        outputs = {name: system() for name, system in systems.items()}  # the first run of each warms up
        seconds = in_turns(systems, self.args.repeats)
        lines = len(self.references)
        what = f"{lines} sentences, beam 5, model loaded each time, {self.args.threads} threads"
        for name in ("torch", "ctranslate2_float32", "ctranslate2_int8"):
            title = f"{name}_vs_fairseq_generate"
            yield speeds(title, "sentences/s", lines, seconds[name], seconds["fairseq"], what)
        unfolded = self.unfolded()
        for name in ("fairseq", "ctranslate2_float32", "ctranslate2_int8"):
            same = sum(a == b for a, b in zip(outputs[name], unfolded, strict=True))
            yield row(f"{name}_same_lines_as_unfolded", same, lines, "lines")
        for name in ("ctranslate2_float32", "ctranslate2_int8"):
            bleu = BLEU(tokenize=bleu_tokeniser(self.args.target_lang))
            scores = [bleu.corpus_score(output, [self.references]).score for output in (outputs[name], unfolded)]
            yield row(f"{name}_bleu_vs_unfolded", *scores, "BLEU")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.translation", description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default=str(QUICKSTART / "data"), metavar="DATA")
    parser.add_argument("--path", default=str(CHECKPOINT), metavar="CKPT", help="adapted checkpoint")
    parser.add_argument("--source-lang", default="qbx", metavar="XX")
    parser.add_argument("--target-lang", default="en", metavar="XX")
    parser.add_argument("--subset", default="test", help="split of the data folder that is translated")
    parser.add_argument("--threads", type=int, default=cores(), help="of every side")
    parser.add_argument("--repeats", type=int, default=5, help="runs of every side, in turns")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    args = parser.parse_args(argv)
    command.configure_logging("WARNING")
    torch.set_num_threads(args.threads)
    try:
        with tempfile.TemporaryDirectory() as work:
            rows = list(Bench(args, Path(work)).rows())
    except InputError as error:
        print(f"python -m benchmarks.translation: error: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(rows)))
    if args.json:
        Path(args.json).write_text(json.dumps([entry.record() for entry in rows], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m benchmarks.translation"))
