"""Progress bars are for terminals: none draws itself, with carriage returns, into a file."""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["data_prep", "meta_nmt", "benchmarks", "recipes"])
def test_every_bar_is_silent_where_there_is_no_terminal(package: str) -> None:
    """``disable=None`` is tqdm's own way; a bar may also be asked to look at the stream itself."""
    for path in sorted((REPO / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "tqdm":
                disable = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}.get("disable", "")
                assert "None" in disable or "isatty" in disable or disable == "quiet", f"{path}:{node.lineno}"
