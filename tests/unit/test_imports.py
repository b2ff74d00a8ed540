"""Imports go one way: cli -> {evaluation, serving, cards} -> {translation, report} -> tasks -> {meta_learners, data,
models, runs}; and never in a circle."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
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
    "cards": {"report", "models", "runs"},
    "translation": {"cards", "tasks", "data", "models", "modules", "runs"},
    "report": {"tasks", "data", "modules", "runs"},
    "tasks": {"meta_learners", "data", "models", "modules", "runs"},
    "models": {"modules", "data", "runs"},
    "data": set(),
    "modules": set(),
    "meta_learners": set(),
    "runs": set(),
}


def imports(path: Path) -> Iterator[list[str]]:
    """For everything that the file imports, wherever in the file, its absolute dotted names: the module, and what is
    taken out of it, which may be a module too."""
    package = path.relative_to(REPO).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ([alias.name] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield from ([".".join(base), ".".join([*base, alias.name])] for alias in node.names)


def imported_names(path: Path) -> list[str]:
    """Every name of `imports`, once."""
    return list(dict.fromkeys(name for names in imports(path) for name in names))


def files_of(folder: str) -> list[Path]:
    files = sorted((REPO / folder).rglob("*.py"))
    assert files, f"{folder} has no Python files"
    return files


def module_name(path: Path) -> str:
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circle(paths: list[Path]) -> list[str]:
    """Modules of which each is imported by the next, the first and the last the same; [] where there are none.

    An import inside a function or under TYPE_CHECKING counts like any other. A package counts where something that its
    __init__ defines is taken from it, and not where a module of it is.
    """
    modules = {module_name(path): path for path in paths}
    graph = {
        name: {next((known for known in reversed(names) if known in modules), name) for names in imports(path)} - {name}
        for name, path in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def room_circle(package: str, paths: list[Path]) -> list[str]:
    """Rooms of a package, folders and files directly in it, that import each other in a circle; [] if none do."""
    graph: dict[str, set[str]] = {}
    for path in paths:
        room = path.relative_to(REPO / package).with_suffix("").parts[0]
        if room != "__init__":
            others = {names[-1].split(".")[1] for names in imports(path) if names[-1].startswith(f"{package}.")}
            graph.setdefault(room, set()).update(others - {room, "__version__", "Translator"})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


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


def loaded_with(path: Path) -> list[str]:
    """Names of everything that is imported as soon as the file is, in its order."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    imported = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    bases = [f"{node.module}." if isinstance(node, ast.ImportFrom) else "" for node in imported]
    return [f"{base}{alias.name}" for base, node in zip(bases, imported, strict=True) for alias in node.names]


def test_fairseq_is_mended_before_it_is_loaded() -> None:
    """By the file that loads it, or by the package of that file; loaded earlier, it would set up logging."""
    for path in files_of("meta_nmt"):
        if path.name == "workers.py":  # is a part of what mends
            continue
        names = loaded_with(path)
        places = [i for i, name in enumerate(names) if name.partition(".")[0] in ("fairseq", "fairseq_cli")]
        before = {*loaded_with(path.parent / "__init__.py"), *names[: min(places, default=0)]}
        mended = before & {"meta_nmt.compat", "meta_nmt.plugin"}
        assert not places or mended, f"{path.relative_to(REPO)} imports fairseq first, and not meta_nmt.plugin"


def test_relative_imports_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPO", tmp_path)
    path = tmp_path / "meta_nmt" / "modules" / "wrong.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f():\n    from ..tasks import t\n    from . import own\n", encoding="utf-8")
    assert list(imported_names(path)) == [
        "meta_nmt.tasks", "meta_nmt.tasks.t", "meta_nmt.modules", "meta_nmt.modules.own",
    ], "the check would miss relative imports"  # fmt: skip


@pytest.mark.parametrize("package", ["data_prep", "meta_nmt"])
def test_no_circle_of_rooms(package: str) -> None:
    rooms = room_circle(package, files_of(package))
    assert not rooms, f"rooms of {package} import each other in a circle: {' <- '.join(rooms)}"


def test_a_circle_of_rooms_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPO", tmp_path)
    files = {
        "a/one.py": "from p.b import two\n",
        "b/two.py": "",
        "b/three.py": "from p.a.four import x\n",
        "a/four.py": "",
    }
    for name, text in files.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(text, "utf-8")
    assert set(room_circle("p", sorted((tmp_path / "p").rglob("*.py")))) == {"a", "b"}, "though no two files do"


def test_no_circle_of_files() -> None:
    found = circle([path for folder in ("data_prep", "meta_nmt", "benchmarks") for path in files_of(folder)])
    assert not found, f"files import each other in a circle: {' <- '.join(found)}"


@pytest.mark.parametrize(
    "back",
    [
        "from meta_nmt.cli import adapt\n",
        "from . import adapt\n",
        "import meta_nmt.cli.adapt\n",
        "from .adapt import parse_args\n",
        "def f():\n    from meta_nmt.cli import adapt\n",
        "if TYPE_CHECKING:\n    from meta_nmt.cli.adapt import Job\n",
    ],
)
def test_a_circle_is_found(back: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPO", tmp_path)
    files = {
        "meta_nmt/__init__.py": "from meta_nmt import compat\n",
        "meta_nmt/compat.py": "import torch\n",
        "meta_nmt/cli/adapt.py": "import meta_nmt\nfrom meta_nmt.cli import raw\n",
        "meta_nmt/cli/raw.py": "from meta_nmt import compat\nfrom meta_nmt.cli.estimate import seconds\n",
        "meta_nmt/cli/estimate.py": "import time\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert circle(files_of("meta_nmt")) == [], "a module may import its own package's module, and its package others"
    (tmp_path / "meta_nmt/cli/estimate.py").write_text(back, encoding="utf-8")
    found = circle(files_of("meta_nmt"))
    assert found[0] == found[-1] and set(found) == {f"meta_nmt.cli.{name}" for name in ("adapt", "raw", "estimate")}
