"""The layout of a data folder is spelled in one file, data_prep/base/data_folder.py.

A translator folder has names of its own (source.spm, dict.<xx>.txt), which differ from these. Help texts and docstrings
may name a file: they tell people what a folder holds, and no path is made of them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
OWNER = "data_prep/base/data_folder.py"
FOLDERS = "lang|text|bin|universal|work"
NAMES = re.compile(
    r"(?<!\w)(spm\.model|dict\.txt|vectors\.npy|card\.json|data\.json|keys\.npy|tokens\.txt|samples\.json)"
    r"|cleaning\.(json|txt)|held-out\.(?!\s)|\.(stage|counts)\.json|\.(domain|extra)\.txt"
    rf"|(?<!\w)({FOLDERS})/(?!html|plain)"
)
OWN_WORK = "self.out / 'work'"  # the folder OUT/work of meta-nmt-adapt, which holds a data folder


def told_to_people(tree: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, and what stands under the name ``help``."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            yield node.body[0].value  # type: ignore[attr-defined]
        if isinstance(node, ast.keyword) and node.arg == "help":
            yield from ast.walk(node)
        if isinstance(node, ast.Dict):
            help_texts = (v for k, v in zip(node.keys, node.values, strict=True) if getattr(k, "value", "") == "help")
            yield from (part for text in help_texts for part in ast.walk(text))


def spelled(source: str) -> list[str]:
    """What a Python file spells of the layout: names of files in strings, and names of folders joined to a path."""
    tree = ast.parse(source)
    left_out = {id(node) for node in told_to_people(tree)}
    parts: list[str] = []
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMES.search(node.value):
            parts.append(f"line {node.lineno}: {node.value!r}")
        joined: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and ast.unparse(node) != OWN_WORK:
            joined = [node.right]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Path", "joinpath", "path.join")):
            joined = node.args
        for part in joined:
            if isinstance(part, ast.Constant) and re.fullmatch(FOLDERS, str(part.value)):
                parts.append(f"line {node.lineno}: {ast.unparse(node)}")
    return parts


@pytest.mark.parametrize("package", ["data_prep", "meta_nmt"])
def test_no_other_file_spells_a_path_of_a_data_folder(package: str) -> None:
    files = sorted((REPO / package).rglob("*.py"))
    assert len(files) > 30, f"{package} has too few files: the test looks in the wrong place"
    wrong = {str(path.relative_to(REPO)): parts for path in files if (parts := spelled(path.read_text("utf-8")))}
    wrong.pop(OWNER, None)
    assert not wrong, f"only {OWNER} spells the layout (take the path from its classes), but these do: {wrong}"


def test_the_owner_spells_it() -> None:
    found = " ".join(spelled((REPO / OWNER).read_text("utf-8")))
    for name in ("data.json", "spm.model", "keys.npy", "cleaning.txt", "held-out.", *FOLDERS.split("|")):
        assert name in found, f"the test would miss {name}"


@pytest.mark.parametrize(
    "line",
    [
        'path = pack / "spm.model"', 'path = f"{pack}/vectors.npy"', 'path = data / "lang" / code',
        'path = data / f"text/{code}-en"', 'path = Path(data, "bin")', 'path = os.path.join(data, "universal", name)',
        'raise InputError(f"{data}: has no data.json")', 'raise InputError(f"no `lang/{code}`")',
        'path = work / f"held-out.{english}"', 'for path in data.rglob("*.stage.json"): pass',
    ],
)  # fmt: skip
def test_a_spelled_path_is_found(line: str) -> None:
    assert len(spelled(f'"""A module."""\n\n\ndef f():\n    """It reads data.json."""\n    {line}\n')) == 1, line


@pytest.mark.parametrize(
    "line",
    [
        'out / "source.spm"', 'folder / f"dict.{lang}.txt"', 'parser.add_argument("--pack", help="has spm.model")',
        'field(metadata={"help": "as data.json says"})', 'kind == "text"', '"text/html; charset=utf-8"',
        'self.out / "work"', 'result["lang"]', '"no held-out. Then"',
    ],
)  # fmt: skip
def test_what_is_none_is_left_alone(line: str) -> None:
    assert not spelled(line), line
