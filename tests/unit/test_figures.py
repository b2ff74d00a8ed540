"""Figures that a page takes from a result stand in that result: the mark in front of them names its file or folder.

    <!-- results: docs/results/real -->

The mark is for the table or the paragraph that follows it; its figures are the numbers with a decimal point.
"""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]
MARKED = re.compile(r"<!-- results: (\S+) -->\s*((?:.+\n)+)")
FIGURE = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)")


def figures_without_source(text: str) -> list[str]:
    """The figures behind marks that are in no report below the path of the mark."""
    lacking: list[str] = []
    for place, passage in MARKED.findall(text):
        path = REPO / place
        reports = sorted(path.rglob("*.md")) if path.is_dir() else [path]
        known = {figure for report in reports for figure in FIGURE.findall(report.read_text("utf-8"))}
        lacking += [f"{figure} is not in {place}" for figure in FIGURE.findall(passage) if figure not in known]
    return lacking


def test_figures_have_a_source() -> None:
    marked = {path: figures_without_source(path.read_text("utf-8")) for path in PAGES}
    assert not [f"{path.name}: {wrong}" for path, found in marked.items() for wrong in found]


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_pages_with_results_have_marks(name: str) -> None:
    passages = MARKED.findall((REPO / name).read_text("utf-8"))
    assert [figure for _, passage in passages for figure in FIGURE.findall(passage)], f"{name} has figures behind marks"


def test_a_figure_without_a_source_is_named() -> None:
    text = "<!-- results: docs/results/real -->\n\n| BLEU |\n|---|\n| 22.03 |\n| 99.99 |\n\n98.98 is not marked.\n"
    assert figures_without_source(text) == ["99.99 is not in docs/results/real"]
