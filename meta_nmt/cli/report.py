"""meta-nmt-report: BLEU, chrF and chrF++ of results, their significance, cost and provenance, as a page and as data.

    meta-nmt-report RESULTS [RESULTS ...] --out DIR

RESULTS is a folder that holds results (result.json) at any depth, or the results file (results.jsonl) that
meta-nmt-evaluate writes, or the folder that it lies in. Writes DIR/report.html, one page that needs no network,
report.md, report.json, report.csv, and DIR/plots/ with the figures as PNG and SVG.
"""

from __future__ import annotations

from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.command_line import OneLineParser, run_command, writable_directory
from data_prep.base.errors import InputError
from meta_nmt.report.results import BASELINE

PROG = "meta-nmt-report"


def parse_args(argv: Sequence[str] | None = None) -> Namespace:
    """The command's options; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS_DIR", help="folder or file with results")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the report goes")
    parser.add_argument(
        "--title", default="Translation quality", help="heading of the report (default: Translation quality)"
    )
    parser.add_argument(
        "--baseline", default=BASELINE, metavar="SYSTEM", help="what others are tested against (default: joint)"
    )
    parser.add_argument(
        "--english-tokens", type=int, metavar="N",
        help="size of the samples of the main table, in English tokens (default: 16000, or else the largest there is)",
    )  # fmt: skip
    parser.add_argument(
        "--bleu-tokenizer", default="", metavar="NAME",
        help="sacreBLEU's tokeniser for BLEU, such as char, flores200 or ja-mecab (default: as each result says: that "
        "of the language translated into)",
    )  # fmt: skip
    parser.add_argument(
        "--comet", type=Path, metavar="CKPT",
        help="also score with this COMET checkpoint, a local file; needs unbabel-comet, see README (default: no COMET)",
    )  # fmt: skip
    return parser.parse_args(argv)


def body(argv: Sequence[str] | None) -> int:
    """Parse the flags and write the report; returns the exit status."""
    args = parse_args(argv)
    # these load scipy and matplotlib, which takes a second: once the flags are known to be right
    from meta_nmt.report.comet import add_comet, check_comet
    from meta_nmt.report.gather import make_report
    from meta_nmt.report.write import write_report

    if "\n" in args.title:
        raise InputError(f"`--title` must be one line, but is {args.title!r}")
    if args.comet is not None:
        check_comet(args.comet)
    report = make_report(args.results, args.title, args.baseline, args.english_tokens, args.bleu_tokenizer)
    sizes = sorted({result.english_tokens for result in report.results})
    if args.english_tokens is not None and args.english_tokens not in sizes:
        raise InputError(f"`--english-tokens` must be one of {sizes}, but is {args.english_tokens}")
    if args.comet is not None:
        add_comet(report, args.comet)
    out = writable_directory(args.out, "--out")
    print(write_report(report, out))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(body, argv, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
