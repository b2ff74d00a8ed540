"""meta-nmt-generate: fairseq-generate on a binarised set, and the result as plain text and a record.

    meta-nmt-generate DATA --path CKPT --source-lang ro --gen-subset test --results DIR --system fomaml \\
        --strategy emb_enc --english-tokens 16000 --seed 1 [any fairseq-generate flag]

Writes DIR/hypotheses.txt, DIR/references.txt and DIR/sources.txt (a line a sentence, in corpus order), fairseq's
own DIR/generate-<subset>.txt, and DIR/result.json for meta-nmt-report.
"""

from __future__ import annotations

import json
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.base.command_line import OneLineParser, writable_directory
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import partial_folder, remove_partial, sole_writer, write_lines
from data_prep.packs import subwords
from meta_nmt.bleu_tokeniser import bleu_tokeniser
from meta_nmt.cli import command
from meta_nmt.cli import fairseq_front as front
from meta_nmt.cli.flag_checks import check_flags, check_generation_flags
from meta_nmt.report.results import unique
from meta_nmt.runs import cost
from meta_nmt.runs.path_lists import split_paths
from meta_nmt.tasks.adapted import sample_aligned_with

PROG = "meta-nmt-generate"

DEFAULTS = [
    *[
        "--task",
        "ulr_translation",
        "--target-lang",
        "en",
        "--adapt-params",
        "scratch",
    ],  # nothing is frozen here
    *["--beam", "5", "--max-len-a", "1.5", "--max-len-b", "10", "--max-tokens", "4000", *front.LOGGING],
]
# flags of the task that the help page leaves out
TRAINING_FLAGS = (
    *("--adapt-params", "--prior-weight", "--learned-rule", "--bf16-autocast"),
    *("--eval-bleu", "--eval-bleu-args", "--eval-bleu-print-samples"),
)
HYPOTHESIS = re.compile(r"H-(\d+)\t\S+\t(.*)")


def own_parser() -> ArgumentParser:
    """The parser of our own flags, beside fairseq's."""
    parser = OneLineParser(prog=PROG, add_help=False, allow_abbrev=False)
    parser.add_argument("--results", required=True, help="folder for what this command writes")
    parser.add_argument(
        "--system", default="unnamed", help="name of the system in the report: scratch, joint, fomaml ..."
    )
    parser.add_argument("--strategy", default="zero", help="how it was adapted: zero, emb, emb_enc, all")
    parser.add_argument("--english-tokens", type=int, default=0, help="English tokens that it was adapted on")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sample that it was adapted on")
    return parser


def parse_args(argv: Sequence[str]) -> Namespace:
    """fairseq's namespace, our own flags as ``own_flags`` in it.

    SystemExit(2) with one line on bad usage; InputError for a flag of fairseq's that cannot work here.
    """
    parser = own_parser()
    if command.wants_help(argv):
        front.print_help(__doc__, "ulr_translation", DEFAULTS, "fairseq-generate", argv, parser, TRAINING_FLAGS)
        raise SystemExit(0)
    own_flags, fairseq_flags = parser.parse_known_args(argv)
    args = front.generation_arguments(PROG, DEFAULTS, fairseq_flags)
    check_generation_flags(args)
    args.own_flags = own_flags
    return args


def read_hypotheses(path: Path) -> list[list[str]]:
    """The best hypothesis of each sentence, as pieces, in corpus order, from fairseq-generate's output."""
    pieces_of: dict[int, list[str]] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        match = HYPOTHESIS.fullmatch(line)
        if match:
            pieces_of.setdefault(int(match[1]), match[2].split(" ") if match[2] else [])
    if sorted(pieces_of) != list(range(len(pieces_of))):
        raise InputError(f"{path}: must have a hypothesis for every sentence, but has {len(pieces_of)} with gaps")
    return [pieces_of[i] for i in range(len(pieces_of))]


def record(args: Namespace, own_flags: Namespace, own_cost: dict[str, Any]) -> dict[str, Any]:
    """The content of result.json. ``own_cost``: the cost record of this command itself."""
    histories = [cost.history(path) for path in split_paths(args.path)]  # one for each checkpoint of an ensemble
    costs = [*unique(entry for costs in histories for entry in costs), own_cost]
    return {
        "system": own_flags.system,
        "target": args.source_lang,
        "target_lang": args.target_lang,
        "bleu_tokenizer": bleu_tokeniser(args.target_lang, args.bleu_tokenizer),
        "english_tokens": own_flags.english_tokens,
        "strategy": own_flags.strategy,
        "seed": own_flags.seed,
        "checkpoint": args.path,
        "data": args.data,
        "commands": [*dict.fromkeys(entry["command"] for entry in costs)],
        "cost": costs,
    }


def body(argv: Sequence[str]) -> int:
    """Parse the flags, translate, and write the result; returns the exit status."""
    args = parse_args(argv)
    own_flags = vars(args).pop("own_flags")
    check_flags(args)
    if not args.path:
        raise InputError("`--path` must be given: the checkpoint to translate with")
    aligned_with = sample_aligned_with(split_paths(args.path))
    if args.aligned_with is None:
        args.aligned_with = aligned_with
    results = writable_directory(own_flags.results, "--results")
    with sole_writer(results):
        translate(args, own_flags, argv, results)
    return 0


def translate(args: Namespace, own_flags: Namespace, argv: Sequence[str], results: Path) -> None:
    """Translate, and write the texts and their record into ``results``; ``argv``: the flags, for the record."""
    meter = cost.CostMeter("generate", command.command_line(PROG, argv), results, args.path)
    subset, data = args.gen_subset, DataFolder(args.data, args.target_lang)
    output = f"generate-{subset}.txt"
    with partial_folder(results, "generate") as folder:
        remove_partial(results)
        args.results_path = str(folder)  # earlier results stay until the new ones are whole
        front.generate(args)
        pieces = read_hypotheses(folder / output)
        os.replace(folder / output, results / output)
    decoder = subwords.load(data.pack(args.target_lang).model)
    source, references = data.text(args.source_lang).sides(subset)
    lines = references.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(lines) != len(pieces):
        raise InputError(
            f"{references}: must have a line for each of the {len(pieces)} sentences translated, but has {len(lines)}"
        )
    for name in ("result.json", "sources.txt"):  # a killed run must leave no record of other texts
        (results / name).unlink(missing_ok=True)
    write_lines(results / "hypotheses.txt", [" ".join(decoder.decode_pieces(p).split()) for p in pieces])
    write_lines(results / "references.txt", lines)
    if source.is_file():  # the report shows the source beside its translation
        write_lines(results / "sources.txt", source.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    write_lines(results / "result.json", [json.dumps(record(args, own_flags, meter.record()), indent=1)])


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv)


if __name__ == "__main__":
    raise SystemExit(main())
