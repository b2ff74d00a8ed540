"""meta-nmt-add-language: one more language for a finished data folder, from a few hundred pairs.

meta-nmt-add-language DATA --lang yo --corpus new --mono new
"""

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.languages import usual_spelling
from data_prep.cleaning.clean import CleanOptions, add_clean_arguments
from data_prep.cleaning.split import SplitOptions, add_split_arguments
from data_prep.cleaning.subsample import add_sample_arguments
from data_prep.packs import align, subwords, vectors
from data_prep.pipeline.add_language import NewLanguage, add

PROG = "meta-nmt-add-language"


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The command's flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description="Add a language to a data folder.")
    parser.add_argument("data", type=Path, metavar="DATA", help="data folder made by meta-nmt-preprocess")
    parser.add_argument("--lang", type=usual_spelling, required=True, metavar="XX", help="the new language")
    corpus_help = "its parallel text, in any layout that meta-nmt-preprocess reads"
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help=corpus_help)
    mono_help = "folder with XX.txt, monolingual text; may be given several times"
    parser.add_argument("--mono", type=Path, action="append", default=[], metavar="DIR", help=mono_help)
    parser.add_argument("--dictionaries", type=Path, metavar="DIR", help="word lists XX to English in MUSE's format")
    vec_help = "word vectors XX.vec to compose those of the pieces from, in place of --vector-method"
    parser.add_argument("--vec-files", type=Path, metavar="DIR", help=vec_help)
    method_help = "how its vectors are made from its text"
    parser.add_argument("--vector-method", choices=vectors.METHODS, default="svd", help=method_help)
    add_split_arguments(parser)
    add_sample_arguments(parser, default=())
    add_clean_arguments(parser)
    subwords.add_vocab_argument(parser)
    extensions.add_user_dir_argument(parser)
    return parser.parse_args(argv)


def body(argv: Sequence[str] | None = None) -> int:
    """Parse the flags and add the language; raises InputError."""
    args = vars(parse_args(argv))
    if (user_dir := args.pop("user_dir")) is not None:
        extensions.load(user_dir)
    split = SplitOptions(args.pop("hold_out_last"), args.pop("valid_ids"), args.pop("test_ids"))
    clean = CleanOptions(args.pop("max_tokens_per_line"), args.pop("length_ratio"), args.pop("language_id"))
    args["mono"] = tuple(args["mono"])
    new = NewLanguage(**args, split=split, clean=clean)
    start = time.monotonic()
    card = add(new)
    splits = ", ".join(f"{name} {counts['lines']}" for name, counts in card["text"]["splits"].items())
    quality = align.best_alignment(card)
    print(
        f"{new.lang}: {splits} lines; {card['pieces']} pieces; alignment {align.precision_in_words(quality)}; "
        f"{time.monotonic() - start:.0f} s; {new.folder.pack(new.lang)}"
    )
    if card["held_out_in_meta_training"]:
        print(
            f"warning: {new.lang}: the English of {card['held_out_in_meta_training']} dev and test lines stands in "
            f"the training text of other languages of {new.data}: a model meta-trained on it has seen them",
            file=sys.stderr,
        )
    warning = align.poor_warning(new.folder.pack(new.lang), new.folder.english, quality)
    if warning:
        print(warning, file=sys.stderr)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(body, argv, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
