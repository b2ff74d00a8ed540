"""Docstrings: all that is public in meta_nmt and data_prep has one, and each begins by naming its subject.

Public is what has no leading underscore: modules (a package's is its `__init__.py`), classes, functions and methods.
A method that overrides one of a base class needs none.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# what cannot be read without what stands above it: of what? the same as what? whose?
SUBJECTLESS = re.compile(
    r"(Of|The same|Its|Their|Those|That|As|Also|By|To|What it|At(?! most| least)|For(?! each| every))\b|fairseq's[,;.]"
)


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """The dotted names of the classes and functions of a module or a class, with their docstrings."""
    for child in node.body:
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not child.name.startswith("_"):
            yield prefix + child.name, ast.get_docstring(child)
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{prefix}{child.name}.")


def docstrings(*packages: str) -> Iterator[tuple[str, str, str | None]]:
    """File, name and docstring of all that is public in packages."""
    for file in (file for package in packages for file in sorted((REPO / package).rglob("*.py"))):
        tree, path = ast.parse(file.read_text("utf-8")), str(file.relative_to(REPO))
        yield path, "MODULE", ast.get_docstring(tree)
        yield from ((path, name, text) for name, text in public(tree))


def overrides(path: str, name: str) -> bool:
    """Whether a base class of a method's class has a method of that name."""
    *owners, method = name.split(".")
    if not owners:
        return False
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    return any(method in vars(base) for base in reduce(getattr, owners, module).__mro__[1:])


def test_all_that_is_public_has_a_docstring() -> None:
    missing = {(path, name) for path, name, text in docstrings("data_prep", "meta_nmt") if not text}
    offenders = sorted(f"{path}:{name}" for path, name in missing if not overrides(path, name))
    assert not offenders, f"without a docstring: {', '.join(offenders)}"


def test_docstrings_begin_with_their_subject() -> None:
    all_of_them = docstrings("data_prep", "meta_nmt", "benchmarks")
    offenders = [f"{path}:{name}" for path, name, text in all_of_them if SUBJECTLESS.match(text or "")]
    assert not offenders, f"a docstring that does not begin with its subject: {', '.join(offenders)}"


@pytest.mark.parametrize(
    "text, good",
    [
        ("The cost of a run.", True),
        ("Read a checkpoint.", True),
        ("Offsets of lines.", True),
        ("At most ``most`` of the rows.", True),
        ("For each piece, its universal tokens.", True),
        ("fairseq's sampler, seeded.", True),
        ("Of both sides, padding not counted.", False),
        ("The same for several files.", False),
        ("Its own side and English.", False),
        ("What it does at meta-test.", False),
        ("For JSON.", False),
        ("fairseq's, one process a worker.", False),
    ],
)
def test_what_a_docstring_may_begin_with(text: str, good: bool) -> None:
    assert (SUBJECTLESS.match(text) is None) == good


def test_names_are_found() -> None:
    source = "class A:\n  'An A.'\n  def f(self): ...\n  def _g(self): ...\nclass _B: ...\nasync def h(): ...\n"
    assert list(public(ast.parse(source))) == [("A", "An A."), ("A.f", None), ("h", None)]
