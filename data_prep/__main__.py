"""The stages of data preparation one by one: `python -m data_prep STAGE --help`. meta-nmt-preprocess runs them all."""

import importlib
import sys
from collections.abc import Sequence

from data_prep.base.command_line import Main, OneLineParser, run_command
from data_prep.base.errors import did_you_mean

PROG = "python -m data_prep"
STAGES = {
    "corpus": ("corpora.corpus", "say what parallel text a folder or manifest has"),
    "fetch": ("corpora.fetch", "download and check what a manifest lists"),
    "synthetic": ("synthetic.family", "write the embedded family of languages"),
    "split": ("cleaning.split", "hold out dev and test lines"),
    "clean": ("cleaning.clean", "clean one file, or a pair of line-aligned files"),
    "subsample": ("cleaning.subsample", "draw low-resource samples"),
    "subwords": ("packs.subwords", "train a SentencePiece model"),
    "vectors": ("packs.vectors", "make vectors of the pieces"),
    "ulr_tables": ("packs.ulr_tables", "make the English vectors and the universal keys"),
    "align": ("packs.align", "align a language's vectors to English"),
    "binarise": ("packs.binarise", "write a text as fairseq's binarised data"),
    "audit": ("pipeline.audit", "prove that no dev or test line is in the training text"),
    "stage_records": ("base.stage_records", "check that all outputs of a data folder are as they were made"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Load and run the one stage that the arguments name; returns its exit status."""
    stage_lines = "\n".join(f"  {name:<14}{what}" for name, (_, what) in STAGES.items())
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"{__doc__}\n\nusage: {PROG} STAGE [flags]\n\n{stage_lines}")
        return 0
    if not arguments or arguments[0] not in STAGES:
        parser = OneLineParser(prog=PROG)
        if arguments[:1] == ["--version"]:
            parser.parse_args(arguments)
        given = arguments[0] + did_you_mean(arguments[0], STAGES) if arguments else "not given"
        parser.error(f"STAGE must be one of {', '.join(STAGES)}, but is {given}")

    def run_stage(rest: Sequence[str] | None) -> int:
        stage: Main = importlib.import_module(f"data_prep.{STAGES[arguments[0]][0]}").main
        return stage(rest)

    return run_command(run_stage, arguments[1:], prog=f"{PROG} {arguments[0]}")


if __name__ == "__main__":
    raise SystemExit(main())
