"""The scores of translators made from the starter, and of others beside it, as means over samples.

    python -m recipes.starter.scores REPORT/report.csv --out scores.json

REPORT is that of recipes/starter_scores.sh, whose results are in folders such as ``ha-600-s1-starter``. The file has a
row for each language, number of pairs and system, which `meta-nmt-export --to meta --scores` puts into the card.
"""

from __future__ import annotations

import csv
import re
from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import write_json

PAIRS = re.compile(r"/[^/]+-(\d+)-s\d+-[^/]+/hypotheses\.txt$")  # in the path of a result


def means(report: Path) -> list[dict[str, Any]]:
    """The rows of the file, in the order of the report; InputError where it is no report of the recipe."""
    scores_of: dict[tuple[str, int, str], list[tuple[float, float]]] = defaultdict(list)
    with open(report, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = PAIRS.search(row.get("hypotheses") or "")
            if not found:
                raise InputError(f"{report}: must be a report.csv of recipes/starter_scores.sh, but is not")
            scores_of[row["target"], int(found[1]), row["system"]].append((float(row["bleu"]), float(row["chrf++"])))
    return [
        {
            "language": lang, "pairs": pairs, "system": system, "samples": len(scores),
            "bleu": fmean(bleu for bleu, _ in scores), "chrf++": fmean(chrf for _, chrf in scores),
        }
        for (lang, pairs, system), scores in scores_of.items()
    ]  # fmt: skip


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.starter.scores", description=main.__doc__)
    parser.add_argument("report", type=Path, metavar="report.csv", help="of meta-nmt-report")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the means of a report's scores over samples, and print what the systems have on the mean."""
    args = parse_args(argv)
    if not args.report.is_file():
        raise InputError(f"{args.report}: file is missing")
    rows = means(args.report)
    write_json(args.out, rows)
    of_system: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        of_system[row["pairs"], row["system"]].append(row)
    for (pairs, system), cells in sorted(of_system.items()):
        bleu, chrf = (fmean(row[name] for row in cells) for name in ("bleu", "chrf++"))
        print(f"{pairs} pairs, {system}: BLEU {bleu:.2f}, chrF2++ {chrf:.2f}, mean of {len(cells)} languages")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.starter.scores"))
