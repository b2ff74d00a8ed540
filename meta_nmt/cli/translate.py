"""meta-nmt-translate: raw text in, translations out, one line for one line, SentencePiece inside.

meta-nmt-translate DATA --path CKPT --source-lang ro < text.ro > text.en
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils, utils

import meta_nmt  # noqa: F401  registers the task and the architectures
from data_prep import subwords
from data_prep.clean import normalise
from data_prep.errors import InputError, OneLineParser
from meta_nmt.cli import fairseq_front as front
from meta_nmt.tasks.ulr_translation import ULRTranslationConfig, ULRTranslationTask, read_checkpoint

PROG = "meta-nmt-translate"


def build_parser() -> ArgumentParser:
    parser = OneLineParser(prog=PROG, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", help="data folder with the language pack, made by meta-nmt-preprocess")
    parser.add_argument("--path", required=True, help="checkpoint to translate with")
    parser.add_argument("--source-lang", required=True, help="code of the language of the input")
    parser.add_argument("--target-lang", default="en", help="code of the language of the output")
    parser.add_argument("--input", default="-", help="UTF-8 text file, a sentence a line; - is standard input")
    parser.add_argument("--beam", type=int, default=5, help="beam width, in hypotheses")
    parser.add_argument("--buffer-size", type=int, default=64, help="lines read before they are translated together")
    parser.add_argument(
        "--max-pieces", type=int, default=500, help="longer lines are cut to so many pieces (with a warning)"
    )
    return parser


def parse_args(argv: Sequence[str]) -> Namespace:
    args = build_parser().parse_args(argv)
    for name in ("beam", "buffer_size", "max_pieces"):
        if getattr(args, name) < 1:
            build_parser().error(f"`--{name.replace('_', '-')}` must be at least 1, but is {getattr(args, name)}")
    return args


class LineTranslator:
    """A loaded model with its SentencePiece models: list of lines -> list of lines."""

    def __init__(self, args: Namespace) -> None:
        self.args = args
        read_checkpoint(args.path)  # a clear error for a damaged one
        config = ULRTranslationConfig(
            data=args.data, source_lang=args.source_lang, target_lang=args.target_lang, adapt_params="scratch"
        )
        self.task = ULRTranslationTask.setup_task(config)
        models, _ = checkpoint_utils.load_model_ensemble([args.path], task=self.task)
        self.models = [model.eval() for model in models]
        if torch.cuda.is_available():
            self.models = [model.cuda() for model in self.models]
        self.generator = self.task.build_generator(self.models, Namespace(beam=args.beam, max_len_a=1.5, max_len_b=10))
        packs = Path(args.data) / "lang"
        self.encoder = subwords.load(packs / args.source_lang / "spm.model")
        self.decoder = subwords.load(packs / args.target_lang / "spm.model")

    def encode(self, line: str, number: int) -> torch.Tensor:
        pieces = self.encoder.encode(normalise(line), out_type=str)
        if len(pieces) > self.args.max_pieces:
            print(
                f"{PROG}: warning: line {number} cut from {len(pieces)} to {self.args.max_pieces} pieces",
                file=sys.stderr,
            )
            pieces = pieces[: self.args.max_pieces]
        dictionary = self.task.source_dictionary
        return torch.LongTensor([*(dictionary.index(piece) for piece in pieces), dictionary.eos()])

    def translate(self, lines: Sequence[str], first: int) -> list[str]:
        """Translations in order; a line without a word stays an empty line. ``first``: number of the first line."""
        tokens = [self.encode(line, first + i) for i, line in enumerate(lines)]
        wanted = [i for i, ids in enumerate(tokens) if len(ids) > 1]
        output = [""] * len(lines)
        if not wanted:
            return output
        dataset = self.task.build_dataset_for_inference([tokens[i] for i in wanted], [len(tokens[i]) for i in wanted])
        batches = self.task.get_batch_iterator(dataset, max_tokens=max(4000, self.args.max_pieces + 1))
        for batch in batches.next_epoch_itr(shuffle=False):
            sample: Any = utils.move_to_cuda(batch) if torch.cuda.is_available() else batch
            hypotheses = self.task.inference_step(self.generator, self.models, sample)
            for i, best in zip(sample["id"].tolist(), hypotheses, strict=True):
                pieces = self.task.target_dictionary.string(best[0]["tokens"].int().cpu()).split(" ")
                output[wanted[i]] = " ".join(self.decoder.decode_pieces(pieces).split())
        return output


def read_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}: line {number} must be UTF-8, but has {error.reason} at byte {error.start}"
            ) from None


def body(argv: Sequence[str]) -> int:
    args = parse_args(argv)
    translator = LineTranslator(args)
    stream = sys.stdin.buffer if args.input == "-" else open(args.input, "rb")
    with stream:
        lines = read_lines(stream, "standard input" if args.input == "-" else args.input)
        first = 1
        while buffer := list(islice(lines, args.buffer_size)):
            for translation in translator.translate(buffer, first):
                print(translation, flush=True)
            first += len(buffer)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return front.run(body, PROG, argv, log_level="WARNING")


if __name__ == "__main__":
    raise SystemExit(main())
