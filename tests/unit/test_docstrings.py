"""Docstrings: all that is public in meta_nmt and data_prep has one, and each begins by naming its subject.

Public is what has no leading underscore: modules (a package's is its `__init__.py`), classes, functions and methods.
A method that overrides one of a base class needs none. What is not as it should be yet is listed below. The lists may
only shrink: an entry that is not needed any more is refused too.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# what cannot be read without what stands above it: of what? the same as what? whose?
SUBJECTLESS = re.compile(
    r"(Of|The same|Its|Their|Those|That|As|Also|By|To|What it|At(?! most| least)|For(?! each| every))\b|fairseq's[,;.]"
)
# file: its names, without a docstring; MODULE is the file's own
WITHOUT: Mapping[str, str] = {
    "data_prep/base/__init__.py": "MODULE",
    "data_prep/cleaning/__init__.py": "MODULE",
    "data_prep/cleaning/clean.py": "Count.add Count.as_json",
    "data_prep/cleaning/subsample.py": "Sample.name",
    "data_prep/corpora/__init__.py": "MODULE",
    "data_prep/packs/__init__.py": "MODULE",
    "data_prep/pipeline/__init__.py": "MODULE",
    "data_prep/pipeline/add_language.py": "NewLanguage.english NewLanguage.pack NewLanguage.record NewLanguage.splits",
    "data_prep/pipeline/estimate.py": "Cost.of",
    "data_prep/pipeline/plan.py": "Plan.english Plan.out Plan.pack Plan.raw_vectors Plan.text",
    "data_prep/pipeline/survey.py": "Size.add",
    "data_prep/synthetic/__init__.py": "MODULE",
    "data_prep/synthetic/family.py": "language_list positive",
    "data_prep/synthetic/grammar.py": "Clause NounPhrase Sentence Urn.draw english_be english_clause",
    "data_prep/synthetic/languages.py": "Language.family",
}
# file: its names, with a docstring that does not name its subject
WITHOUT_SUBJECT: Mapping[str, str] = {
    "benchmarks/adaptation.py": "fine_tune plain_folder",
    "benchmarks/few_shot/run.py": "test",
    "benchmarks/fraction.py": "best_seconds rows",
    "benchmarks/gpu.py": "rows",
    "benchmarks/measure.py": "Row.record resident_mib speeds",
    "benchmarks/peers.py": "our_step",
    "benchmarks/scheduling.py": "step_seconds",
    "benchmarks/transformer.py": "Bench.episodes Bench.peer Bench.renumbered token_count",
    "data_prep/base/data_folder.py": "DataFolder.binary_sides",
    "data_prep/base/files.py": "atomic_files",
    "data_prep/cleaning/clean_form.py": "Measures",
    "data_prep/cleaning/split.py": "split_batches",
    "data_prep/packs/vectors.py": "train_fasttext train_word2vec",
    "data_prep/pipeline/audit.py": "Audited.sides",
    "data_prep/pipeline/stages.py": "audit_stage",
    "data_prep/pipeline/survey.py": "LanguageSurvey",
}


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


def check(offenders: set[tuple[str, str]], listed: Mapping[str, str], wrong: str) -> None:
    """Every offender is listed, and everything listed is an offender."""
    known = {(path, name) for path, names in listed.items() for name in names.split()}
    new, mended = sorted(offenders - known), sorted(known - offenders)
    assert not new, f"{wrong}: {', '.join(map(':'.join, new))}"
    assert not mended, f"to be taken off the list in {Path(__file__).name}: {', '.join(map(':'.join, mended))}"


def test_all_that_is_public_has_a_docstring() -> None:
    missing = {(path, name) for path, name, text in docstrings("data_prep", "meta_nmt") if not text}
    offenders = {(path, name) for path, name in missing if not overrides(path, name)}
    check(offenders, WITHOUT, "without a docstring")


def test_docstrings_begin_with_their_subject() -> None:
    all_of_them = docstrings("data_prep", "meta_nmt", "benchmarks")
    offenders = {(path, name) for path, name, text in all_of_them if SUBJECTLESS.match(text or "")}
    check(offenders, WITHOUT_SUBJECT, "a docstring that does not begin with its subject")


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


def test_the_lists_may_only_shrink() -> None:
    check({("a.py", "f"), ("a.py", "A.g")}, {"a.py": "A.g f"}, "")
    with pytest.raises(AssertionError, match="wrong: a.py:f"):
        check({("a.py", "f"), ("a.py", "A.g")}, {"a.py": "A.g"}, "wrong")
    with pytest.raises(AssertionError, match="taken off the list .*: a.py:f"):
        check({("a.py", "A.g")}, {"a.py": "A.g f"}, "wrong")
