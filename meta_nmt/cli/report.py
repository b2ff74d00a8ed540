"""meta-nmt-report: BLEU and chrF of every result below some folders, as report.md and report.json.

meta-nmt-report RESULTS_DIR [RESULTS_DIR ...] --out DIR
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import InputError, OneLineParser, run_command, writable_directory
from meta_nmt.report import read_results, write_report

PROG = "meta-nmt-report"


def parse_args(argv: Sequence[str] | None = None) -> Namespace:
    """The command's options; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(
        prog=PROG,
        description="Score every result (folder with result.json) below the folders with sacreBLEU.",
    )
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS_DIR", help="folder that holds results")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where report.md and report.json go")
    parser.add_argument("--title", default="Translation quality", help="heading of report.md")
    return parser.parse_args(argv)


def body(argv: Sequence[str] | None) -> int:
    args = parse_args(argv)
    if "\n" in args.title:
        raise InputError(f"`--title` must be one line, but is {args.title!r}")
    results = read_results(args.results)
    out = writable_directory(args.out, "--out")
    print(write_report(results, out, args.title))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(body, argv, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
