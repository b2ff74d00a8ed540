"""Writing the report's files: an HTML page, Markdown, JSON and CSV, and the figures as PNG and SVG."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.base.files import atomic, remove_partial, write_json, write_text
from meta_nmt.report import tables
from meta_nmt.report.markdown import as_markdown
from meta_nmt.report.page import as_page
from meta_nmt.report.plots import plots, rendered
from meta_nmt.report.report import Report
from meta_nmt.report.results import Result

NAME_FIELDS = ("system", "target", "english_tokens", "strategy", "seed")


def _row(result: Result, out: Path) -> dict[str, Any]:
    """A result as a row of report.json; paths of texts are relative to the folder ``out``."""
    return {
        **{name: getattr(result, name) for name in NAME_FIELDS},
        "bleu": result.bleu,
        "chrf": result.chrf,
        "signature": result.signature,
        "hypotheses": os.path.relpath(result.hypotheses.resolve(), out.resolve()),
        "references": os.path.relpath(result.references.resolve(), out.resolve()),
    }


def more_scores(report: Report, result: Result) -> dict[str, float]:
    """The scores of a result that are not in its row of report.json."""
    scores = {"chrf++": result.chrf2}
    return scores | ({"comet": report.comet[result.name]} if result.name in report.comet else {})


def as_json(report: Report, out: Path) -> dict[str, Any]:
    """The report as scripts read it."""
    return {
        "rows": [_row(result, out) for result in report.results],
        "run": {
            "commit": report.commit,
            "versions": report.versions,
            "commands": tables.all_commands(report),
            "cost": tables.all_costs(report),
        },
        "significance": [comparison.as_row() for comparison in report.significance],
        "significance_by_seed": [c.as_row() | {"seed": c.seeds[0]} for c in report.by_seed],
        "scores": [
            {name: getattr(result, name) for name in NAME_FIELDS} | more_scores(report, result)
            for result in report.results
        ],
        "curves": [asdict(curve) for curve in report.curves],
        "choices": report.choices,
        "data": report.data,
        "failed": [{"job": f.job, "error": f.error, "log": f.log} for f in report.failures],
        "unfinished": report.unfinished,
    }


def as_csv(report: Report, out: Path) -> str:
    """The report as CSV, a line for each result: the fields of its JSON row and its further scores."""
    rows = [_row(result, out) | more_scores(report, result) for result in report.results]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def write_report(report: Report, out: Path) -> Path:
    """Write report.html, report.md, report.json, report.csv and plots/ into ``out``; returns the path of report.md."""
    for folder in (out, out / "plots"):
        remove_partial(folder, deep=False)
    figures = plots(report)
    page, text, json_text, table = (
        as_page(report, figures), as_markdown(report, figures), as_json(report, out), as_csv(report, out),
    )  # fmt: skip
    for plot in figures:
        for format in ("png", "svg"):
            with atomic(out / "plots" / f"{plot.name}.{format}") as path:
                path.write_bytes(rendered(plot, format))
    write_json(out / "report.json", json_text)
    write_text(out / "report.csv", table)
    write_text(out / "report.html", page)
    write_text(out / "report.md", text)
    return out / "report.md"
