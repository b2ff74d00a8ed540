"""meta-nmt-preprocess: raw parallel text of many languages -> a data folder (binarised data and ULR tables)."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.languages import code_list, usual_spelling
from data_prep.cleaning.clean import CleanOptions, add_clean_arguments, add_workers_argument
from data_prep.cleaning.split import SPLITS_OF_ROLE, SplitOptions, add_split_arguments
from data_prep.cleaning.subsample import LanguageBudgets, add_sample_arguments
from data_prep.packs import align
from data_prep.packs.subwords import add_vocab_argument
from data_prep.packs.ulr_tables import add_universal_argument
from data_prep.packs.vectors import add_vector_arguments
from data_prep.pipeline.plan import Options
from data_prep.pipeline.prepare import prepare

EPILOG = """\
--corpus is a manifest (data_prep/corpora/manifest.py), or a folder that holds one as manifest.yaml or, each plain or
.gz: XX-en.tsv (X, tab, English); XX-en/*.tsv; XX.tsv and en.tsv (id, tab, text; joined on the id); line-aligned files,
already split: XX-en/{train,valid,test}.{XX,en}, {train,valid,test}.XX-en.{XX,en} or {train,valid,test}.{XX,en};
XX-en.tmx; XX-en.txt.zip (OPUS); XX-en.parquet, .json, .jsonl or .csv.
--mono may hold XX.txt (a sentence a line), XX.tsv (id, tab, text) or XX-en.tsv. --dictionaries may hold XX-en.train.tsv
and XX-en.test.tsv (word, tab, English word; every 10th word measures the alignment) or XX-en.txt.
Run again, finished stages are skipped.
"""


def get_parser() -> OneLineParser:
    """The command's flags."""
    parser = OneLineParser(prog="meta-nmt-preprocess", description=__doc__, epilog=EPILOG)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DATA", help="data folder to make or bring up to date"
    )
    parser.add_argument(
        "--corpus", type=Path, required=True, metavar="PLACE", help="folder or manifest of raw parallel text"
    )
    for role, use in (
        ("source", "meta-training"),
        ("valid", "meta-validation"),
        ("target", "adaptation and test"),
    ):
        parser.add_argument(f"--{role}-langs", type=code_list, default=(), metavar="XX,YY", help=f"languages for {use}")
    parser.add_argument(
        "--target-lang", type=usual_spelling, default="en", metavar="XX", help="the language translated into"
    )
    parser.add_argument(
        "--mono",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="monolingual text; may be given several times",
    )
    parser.add_argument("--dictionaries", type=Path, metavar="DIR", help="word lists XX to English in MUSE's format")
    add_sample_arguments(parser)
    parser.add_argument(
        "--english-tokens-of",
        action=LanguageBudgets,
        default={},
        metavar="XX=N,N",
        help="other sizes for one target language, such as one with less text; may be given several times",
    )
    add_split_arguments(parser)
    add_clean_arguments(parser)
    add_vocab_argument(parser)
    add_universal_argument(parser)
    add_vector_arguments(parser)
    parser.add_argument(
        "--vec-files",
        type=Path,
        metavar="DIR",
        help="word vectors XX.vec (text format, may end in .gz) to compose those of the pieces from; a language "
        "without a file there has its --vector-method",
    )
    parser.add_argument(
        "--align-as-targets",
        action="store_true",
        help="align source and valid languages with no more than a target language has (its word list and 600 of its "
        "pairs), so that meta-training meets queries as bad as those of the languages it is for",
    )
    add_workers_argument(parser)
    extensions.add_user_dir_argument(parser)
    return parser


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    return get_parser().parse_args(argv)


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the flags and prepare the data; raises InputError."""
    args = vars(parse_args(argv))
    if (user_dir := args.pop("user_dir")) is not None:
        extensions.load(user_dir)
    split = SplitOptions(args.pop("hold_out_last"), args.pop("valid_ids"), args.pop("test_ids"))
    clean = CleanOptions(args.pop("max_tokens_per_line"), args.pop("length_ratio"), args.pop("language_id"))
    args["mono"] = tuple(args["mono"])
    record = prepare(Options(**args, split=split, clean=clean))
    for lang, entry in record["languages"].items():
        lines = {name: counts["lines"] for name, counts in entry["splits"].items()}
        splits = ", ".join(f"{name} {lines.pop(name)}" for name in SPLITS_OF_ROLE[entry["role"]])
        dropped = sum(entry["dropped"].values())
        alignment = entry["alignment"]
        sample = f" (with {alignment['aligned_with']})" if alignment["aligned_with"] else ""
        precision = align.precision_in_words(alignment)
        print(f"{lang} ({entry['role']}): {splits} lines; {dropped} dropped; alignment {precision}{sample}")
        if lines or entry.get("left_out"):
            left_out = "".join(f"; its text is too small for {size:,} English tokens" for size in entry["left_out"])
            print(f"{lang}: {len(lines)} samples{left_out}")
    print(f"{args['out']}: ready")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(run, argv, prog="meta-nmt-preprocess")


if __name__ == "__main__":
    sys.exit(main())
