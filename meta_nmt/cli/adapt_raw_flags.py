"""The flags of meta-nmt-adapt from raw text, which are known without loading torch and fairseq.

The flags of fine-tuning may stand among them; they are passed on unread.
"""

from __future__ import annotations

from argparse import HelpFormatter, Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.command_line import OneLineParser
from data_prep.base.errors import InputError
from data_prep.base.extras import need
from data_prep.base.language_registry import languages_of_name
from data_prep.base.languages import check_language, usual_spelling
from data_prep.cleaning.monolingual import FEWEST, fault_of_lines
from meta_nmt.cli import command
from meta_nmt.translation import starters
from meta_nmt.translation.export_formats import QUANTIZATIONS

PROG = "meta-nmt-adapt"
HELP = """\
meta-nmt-adapt from raw text: sentence pairs and a meta-trained checkpoint in, a translator folder out.
Any flag of fine-tuning is understood too: meta-nmt-adapt --help lists them."""
STRATEGIES = ("emb", "emb_enc", "all")  # from the fewest parameters to all: of equals, the first is taken
FEWEST_FOR_TEST = 300  # pairs
SELF_TRAIN = 5_000  # lines of self-training
LIST = "--list-starters"
CHECKPOINTS = (
    "meta-nmt-train makes a checkpoint; `bash recipes/quickstart.sh` makes a small one, and others can give you theirs "
    "(meta-nmt-export --to meta)"
)


def check_checkpoint(checkpoint: str | Path) -> None:
    """InputError, which says where to get one, where there is no such checkpoint."""
    if not Path(checkpoint).exists():
        raise InputError(f"--checkpoint {checkpoint}: does not exist; {CHECKPOINTS}")


def check_files(args: Namespace) -> None:
    """InputError where the checkpoint, or a file of text, is missing or no file."""
    check_checkpoint(args.checkpoint)
    for path in (args.checkpoint, args.pairs, args.dev, args.test, args.dictionary, *args.mono):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: must be a file, but is none" if path.exists() else f"{path}: file is missing")


def asked_for(argv: Sequence[str]) -> bool:
    """Whether the flags ask for adaptation from raw text."""
    return any(item.split("=")[0] in ("--pairs", "--out", LIST) for item in argv)


def own_parser() -> OneLineParser:
    """The parser of these flags; flags that it does not know are those of fine-tuning."""
    parser = OneLineParser(prog=PROG, add_help=False, allow_abbrev=False, formatter_class=HelpFormatter)
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="sentence pairs: X, tab, English; may end in .gz")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="CKPT",
        help="meta-trained or joint checkpoint (default: the starter that came with the package)",
    )  # fmt: skip
    parser.add_argument(LIST, action="store_true", help="say which starters came with the package, and end")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the translator folder to make")
    parser.add_argument(
        "--source-lang", type=usual_spelling, metavar="XX",
        help="code of the language X (default: from a name such as yo-en.tsv or train.pt-BR-en.tsv.gz)",
    )  # fmt: skip
    parser.add_argument(
        "--mono", type=Path, nargs="+", default=[], metavar="FILE", help="monolingual text of X, a sentence a line"
    )
    parser.add_argument("--dictionary", type=Path, metavar="FILE", help="word list: X, tab or space, English")
    parser.add_argument("--dev", type=Path, metavar="FILE", help="dev pairs (default: a tenth of the pairs)")
    parser.add_argument(
        "--test", type=Path, metavar="FILE",
        help=f"test pairs for the card (default: a tenth of the pairs, where there are at least {FEWEST_FOR_TEST})",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="data folder that the checkpoint was trained on (default: the checkpoint's folder, or what it names)",
    )  # fmt: skip
    parser.add_argument(
        "--strategy", default="emb_enc", choices=["auto", *STRATEGIES],
        help="what is adapted; auto tries them all, in three times the time, and keeps the best by dev BLEU "
        "(default: emb_enc, words and encoder)",
    )  # fmt: skip
    parser.add_argument(
        "--self-train", type=int, default=SELF_TRAIN, metavar="N",
        help="translate at most N lines of --mono with the adapted model, adapt again to these pairs too, and keep the "
        f"better of both by dev BLEU; 0: do not; at least {FEWEST} (default: {SELF_TRAIN})",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of the split and of fine-tuning (default: 1)")
    parser.add_argument(
        "--quantization", default="int8", choices=QUANTIZATIONS, metavar="TYPE",
        help=f"of CTranslate2's weights: {', '.join(QUANTIZATIONS)} (default: int8)",
    )  # fmt: skip
    parser.add_argument(
        "--float32", action="store_true",
        help="compute in float32 throughout; by default fine-tuning multiplies in bfloat16 where the processor does so "
        "itself, which takes three quarters of the time",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true", help="make a folder anew that was made from other files or flags"
    )
    return parser


def parse_args(argv: Sequence[str]) -> Namespace:
    """Our own flags, with the flags of fine-tuning as ``training``.

    ``named_target`` is the language translated into that the name of the pairs says, where it also said the source.

    SystemExit(2) with one line on bad usage; SystemExit(0) after the help page, or after the starters.
    """
    parser = own_parser()
    if LIST in argv:
        print(starters.listing())
        raise SystemExit(0)
    if command.wants_help(argv):
        print(f"{HELP}\n\n{parser.format_help()}")
        raise SystemExit(0)
    args, fine_tuning_flags = parser.parse_known_args(argv)
    args.training = fine_tuning_flags
    if args.pairs is None:
        parser.error("`--pairs FILE` must be given with `--out`")
    if fault := fault_of_lines(args.self_train):
        parser.error(fault)
    args.checkpoint = args.checkpoint or starters.default_checkpoint()
    if args.checkpoint is None:
        parser.error(f"the following arguments are required: --checkpoint; {CHECKPOINTS}")
    need("ctranslate2", "export", "`--pairs`")
    args.named_target = None
    if args.source_lang is None:
        args.source_lang, args.named_target = languages_of_name(args.pairs.name) or (None, None)
    if args.source_lang is None:
        parser.error(
            f"`--source-lang XX` must be given: the name {args.pairs.name} does not say the language clearly, as "
            "yo-en.tsv or train.pt-BR-en.tsv.gz does, by registered codes (BCP 47)"
        )
    try:
        check_language(args.source_lang)
    except InputError as error:
        parser.error(f"`--source-lang`: {error}")
    for flag in (
        "--save-dir",
        "--train-subset",
        "--target-lang",
        "--finetune-from-model",
        "--learned-rule",
        "--teacher",
        "--train-prefix",
        "--aligned-with",
    ):
        if any(item == flag or item.startswith(f"{flag}=") for item in args.training):
            parser.error(f"`{flag}` must not be given with `--pairs`")
    return args
