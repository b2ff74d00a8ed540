"""meta-nmt-export: an adapted model as a folder that translates by itself, with fairseq or CTranslate2.

    meta-nmt-export DATA --path runs/ro/checkpoint_best.pt --source-lang ro --out models/ro-en
    meta-nmt-export DATA --path runs/meta/checkpoint_best.pt --to meta --out models/meta

The first folds the universal lexical representation of the language into a plain embedding table and writes a
translator folder: `meta-nmt-translate --model models/ro-en` needs nothing else. In it, model.pt is a checkpoint for
plain fairseq and ctranslate2/ a model for CTranslate2. The second writes a meta-trained model with what
meta-nmt-adapt needs to add a language to it, so that it can be given to others without its data.
"""

from __future__ import annotations

from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.base.command_line import OneLineParser, writable_directory
from data_prep.base.extras import need
from data_prep.base.files import sole_writer
from data_prep.base.languages import usual_spelling
from data_prep.base.text_files import read_lines
from meta_nmt.cards.model_card import write_model_card
from meta_nmt.cli import command
from meta_nmt.translation.export_formats import FORMATS, QUANTIZATIONS

PROG = "meta-nmt-export"


def parse_args(argv: Sequence[str]) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", help="data folder that the checkpoint was adapted (or trained) on")
    parser.add_argument("--path", required=True, metavar="CKPT", help="the checkpoint")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder to write; one format can be added to another"
    )
    parser.add_argument(
        "--source-lang", type=usual_spelling, metavar="XX", help="language that the checkpoint was adapted to"
    )
    parser.add_argument(
        "--target-lang", type=usual_spelling, metavar="XX", default="en", help="language translated into (default: en)"
    )
    parser.add_argument(
        "--to", action="append", choices=[*FORMATS, "meta"], metavar="FORMAT",
        help="fairseq, ctranslate2 or meta; may be given several times (default: fairseq and ctranslate2)",
    )  # fmt: skip
    parser.add_argument(
        "--quantization", choices=QUANTIZATIONS, default="int8", metavar="TYPE",
        help=f"of CTranslate2's weights: {', '.join(QUANTIZATIONS)} (default: int8)",
    )  # fmt: skip
    parser.add_argument("--half", action="store_true", help="of `--to meta`: parameters of 16 bits, half as large")
    parser.add_argument(
        "--licence", metavar="ID", help="of `--to meta`: licence of the weights for the card, such as cc-by-sa-4.0"
    )
    parser.add_argument(
        "--about", type=Path, metavar="FILE", help="of `--to meta`: Markdown to end the card with, such as intended use"
    )
    parser.add_argument(
        "--scores", type=Path, metavar="FILE",
        help="of `--to meta`: scores of translators that were made from it, for the card (recipes/starter/scores.py)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="write over another model in DIR")
    args = parser.parse_args(argv)
    args.to = args.to or list(FORMATS)
    if "meta" in args.to and len(args.to) > 1:
        parser.error("`--to meta` must stand alone: a meta-trained model is no translator yet")
    if ("meta" in args.to) == (args.source_lang is not None):
        parser.error("`--source-lang` must be given with `--to fairseq` and `--to ctranslate2`, and only with them")
    if "meta" not in args.to and (args.half or args.licence or args.about or args.scores):
        parser.error("`--half`, `--licence`, `--about` and `--scores` must be given with `--to meta` only")
    for flag, path in (("--about", args.about), ("--scores", args.scores)):
        if path and not path.is_file():
            parser.error(f"`{flag}` {path}: file is missing")
    return args


def make(args: Namespace, typed: str) -> None:
    """Make the folder that was asked for. ``typed``: the command as it was typed, for the card."""
    if "ctranslate2" in args.to:
        need("ctranslate2", "export", "`--to ctranslate2`, which stands where no `--to` is given,")
    # these load torch and fairseq, which the flags do not need
    from meta_nmt.cards.checkpoint_facts import facts_of_checkpoint
    from meta_nmt.cards.meta_card import facts_of_meta, meta_card, read_test_scores
    from meta_nmt.translation.export import export
    from meta_nmt.translation.meta_model import export_meta, find_data

    out = writable_directory(args.out, "--out")
    with sole_writer(out):
        if "meta" in args.to:
            about = read_lines(args.about) if args.about else []
            known = facts_of_meta(find_data(args.path, args.data), args.path, typed)
            tests = read_test_scores(args.scores) if args.scores else []
            facts = replace(known, licence=args.licence, about=about, tests=tests)
            made = export_meta(
                args.data, args.path, out, lambda digest: meta_card(replace(facts, sha256=digest)),
                half=args.half, force=args.force,
            )  # fmt: skip
            print(f"{made}: meta-nmt-adapt --checkpoint adds a language to it")
            return
        export(
            args.data, args.path, args.source_lang, out,
            target_lang=args.target_lang, formats=args.to, quantization=args.quantization, force=args.force,
        )  # fmt: skip
        write_model_card(facts_of_checkpoint(args.data, args.path, args.source_lang, args.target_lang, typed), out)
    size = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    print(f"{out}: {args.source_lang}-{args.target_lang}, {' and '.join(args.to)}, {size / 2**20:.0f} MiB")


def body(argv: Sequence[str]) -> int:
    """Parse the flags and export; returns the exit status."""
    make(parse_args(argv), command.command_line(PROG, argv))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv, log_level="WARNING")


if __name__ == "__main__":
    raise SystemExit(main())
