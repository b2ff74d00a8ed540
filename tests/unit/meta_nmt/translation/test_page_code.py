"""The Python in README and how-to guides runs, with a translator of the tests as the folder that it names."""

import re
import shutil
from pathlib import Path

import pytest
from markdown_page import Page

REPO = Path(__file__).parents[4]
PAGES = [REPO / "README.md", *sorted((REPO / "docs/how-to").glob("*.md"))]


def python_of(path: Path) -> list[str]:
    """The Python blocks of a page."""
    blocks = Page(path.read_text("utf-8")).blocks
    return [block.text for block in blocks if block.language == "python" or re.match("from |import ", block.text)]


WITH_PYTHON = [path for path in PAGES if python_of(path)]


def test_pages_have_python() -> None:
    assert {path.name for path in WITH_PYTHON} >= {"README.md", "ctranslate2.md"}


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: path.name)
def test_the_python_of_a_page_runs(path, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for code in python_of(path):
        for folder in set(re.findall(r'"(models/[\w-]+)', code)):
            shutil.copytree(model, folder, dirs_exist_ok=True)
        exec(compile(code, path.name, "exec"), {})
        assert len(capsys.readouterr().out.splitlines()) >= 1, "it prints translations"
