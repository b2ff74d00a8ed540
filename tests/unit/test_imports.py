"""Imports go one way: cli -> {evaluation, serving} -> {cards, translation} -> report -> tasks -> {meta_learners, data,
models, runs}."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PARTS = (
    *("cli", "evaluation", "serving", "cards", "translation", "report"),
    *("tasks", "meta_learners", "data", "models", "modules", "runs"),
)
# part of meta_nmt -> parts that it may import besides itself and the modules directly under meta_nmt/
MAY_IMPORT = {
    "cli": set(PARTS),
    "evaluation": {"meta_learners", "data", "runs"},
    "serving": {"translation"},
    "cards": {"report", "runs"},
    "translation": {"cards", "tasks", "data", "modules", "runs"},
    "report": {"tasks", "data", "modules", "runs"},
    "tasks": {"meta_learners", "data", "models", "modules", "runs"},
    "models": {"modules", "data"},
    "data": set(),
    "modules": set(),
    "meta_learners": set(),
    "runs": set(),
}


def imported_names(path: Path) -> Iterator[str]:
    """Absolute dotted names of everything that the file imports, wherever in the file."""
    package = path.relative_to(REPO).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield ".".join(base)
            yield from (".".join([*base, alias.name]) for alias in node.names)


def files_of(folder: str) -> list[Path]:
    files = sorted((REPO / folder).rglob("*.py"))
    assert files, f"{folder} has no Python files"
    return files


def is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_data_prep_imports_nothing_of_meta_nmt() -> None:
    for path in files_of("data_prep"):
        wrong = [name for name in imported_names(path) if is_of(name, "meta_nmt")]
        assert not wrong, f"{path.relative_to(REPO)} imports {wrong}"


def test_meta_learners_import_torch_the_standard_library_and_themselves() -> None:
    for path in files_of("meta_nmt/meta_learners"):
        for name in imported_names(path):
            top = name.partition(".")[0]
            own = is_of(name, "meta_nmt.meta_learners")
            allowed = own or top == "torch" or top in sys.stdlib_module_names
            assert allowed, f"{path.relative_to(REPO)} imports {name}"


@pytest.mark.parametrize("part", PARTS)
def test_parts_import_one_way(part: str) -> None:
    for path in files_of(f"meta_nmt/{part}"):
        for name in imported_names(path):
            wrong = [other for other in PARTS if is_of(name, f"meta_nmt.{other}")]
            assert set(wrong) <= MAY_IMPORT[part] | {part}, f"{path.relative_to(REPO)} imports {name}"


def test_relative_imports_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPO", tmp_path)
    path = tmp_path / "meta_nmt" / "modules" / "wrong.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f():\n    from ..tasks import t\n    from . import own\n", encoding="utf-8")
    assert list(imported_names(path)) == [
        "meta_nmt.tasks", "meta_nmt.tasks.t", "meta_nmt.modules", "meta_nmt.modules.own",
    ], "the check would miss relative imports"  # fmt: skip
