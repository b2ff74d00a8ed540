"""Which files of meta_nmt spell which file names: layouts have one owner each."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "meta_nmt"


def literals(tree: ast.AST) -> Iterator[str]:
    """Every string of a module that does not stand alone, as docstrings do."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return (str(node.value) for node in strings if id(node) not in alone)


def spelled(names: Iterable[str]) -> set[tuple[str, str]]:
    """(name, file of meta_nmt that has it in a string), docstrings left out."""
    return {
        (name, str(path.relative_to(PACKAGE)))
        for path in PACKAGE.rglob("*.py")
        for text in literals(ast.parse(path.read_text(encoding="utf-8")))
        for name in names
        if name in text
    }
