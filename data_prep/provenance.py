"""Provenance: what every output was made from, so that a finished stage is skipped and a changed one redone.

A stage writes a record beside its outputs (``<stage>.stage.json``): the sha256 of every input and output, the
options, the versions, and the hash of the code that made them. The stage is current when all of them still hold. All
writes are atomic: a temporary file beside the target, then os.replace.
"""

import ast
import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np

from data_prep.errors import InputError, OneLineParser, run_command

OWN = "meta-nmt"  # this distribution; a new version makes everything again
CODE = Path(__file__).parent
PARTIAL = ".partial"  # ends the names of files that are being written; a killed run leaves them
PACKAGES = ("numpy", "scipy", "scikit-learn", "sentencepiece", "gensim", "fairseq-fixed", "torch")


def sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the packages that shape the outputs ("absent" if one is not installed)."""
    found = {"python": platform.python_version()}
    for name in (OWN, *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def source_of(module: str) -> str:
    """The source text of a module of data_prep; empty for what is no file (``data_prep`` itself)."""
    path = CODE / f"{module}.py"
    return path.read_text("utf-8") if path.is_file() else ""


@cache
def _own_imports(module: str) -> tuple[str, ...]:
    """Modules of data_prep that a module of data_prep imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source_of(module))):
        if isinstance(node, ast.ImportFrom) and node.module == CODE.name:
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{CODE.name}."):
            found.add(str(node.module).split(".")[1])
    return tuple(sorted(found))


def code_hash(modules: Sequence[str], alone: Sequence[str] = ()) -> str:
    """sha256 over the source of modules of data_prep with all that they import from it, and of those that go alone."""
    todo, seen = list(modules), set()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += _own_imports(module)
    sources = [f"{name}\n{source_of(name)}\n" for name in sorted({*seen, *alone})]
    return hashlib.sha256("".join(sources).encode()).hexdigest()


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; it becomes ``path`` at the end, or vanishes on an error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(PARTIAL, f".{target.name}.", target.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes private files; give the usual permissions
        os.replace(name, target)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # a full disk says so without saying where
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def atomic_files(paths: Sequence[Path]) -> Iterator[list[IO[bytes]]]:
    """The same for several files at once, opened for bytes; none is there before all are written."""
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic(path)) for path in paths]
        yield [stack.enter_context(open(path, "wb")) for path in temporary]


def remove_partial(folder: Path) -> None:
    """Remove what killed runs were writing in ``folder``."""
    for path in folder.rglob(f".*{PARTIAL}"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """InputError while another process is in this context for the same folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{folder}: another run is writing to this folder") from error
        yield
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_lines(path: str | os.PathLike[str], lines: Sequence[str]) -> None:
    """Write one item a line, atomically."""
    write_text(path, "".join(line + "\n" for line in lines))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write a .npy file atomically."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(_ByWrite(file), array, allow_pickle=False)


class _ByWrite:
    """A file that NumPy writes to as to any other: what it says of a full disk itself is a number of bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON; InputError names the file and line if it is not JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 JSON: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: must be JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{path}: must be JSON, but is nested too deeply") from error


def run_stage(
    record: Path,
    work: Callable[[], Sequence[Path] | None],
    *,
    inputs: Sequence[Path],
    outputs: Sequence[Path],
    options: Mapping[str, Any],
    packages: Sequence[str] = (),
    code: str = "",
) -> bool:
    """Run ``work()`` unless ``record`` says that the outputs are current; return whether it ran.

    ``inputs`` and ``outputs`` are files; inputs are known by name and content, so a data folder can be moved. ``work``
    may return those of ``outputs`` that it made; None stands for all. ``code`` is the ``code_hash`` of what
    does the work. What was made before and is not any more is removed, so that the folder is as a first run makes it.
    """
    wanted = {
        "inputs": [[path.name, sha256(path)] for path in inputs],
        "options": json.loads(json.dumps(options)),
        "versions": versions(packages),
        "code": code,
    }
    if is_current(record, wanted):
        return False
    before = {*_recorded(record), *(os.path.relpath(path, record.parent) for path in outputs)}
    write_json(record, {"unfinished": sorted(before)})  # an interrupted stage must not look finished
    result = work()
    made = outputs if result is None else result
    missing = [path for path in made if not path.is_file()]
    if missing:
        raise RuntimeError(f"stage {record.name} ended without writing {missing[0]}")
    digests = {os.path.relpath(path, record.parent): sha256(path) for path in made}
    folders = {os.path.dirname(name) for name in digests}  # a record that was tampered with must not reach further
    for name in before - digests.keys():
        if os.path.dirname(name) in folders:
            (record.parent / name).unlink(missing_ok=True)
    write_json(record, wanted | {"outputs": digests})
    return True


def _recorded(record: Path) -> list[str]:
    """The outputs that a record names, finished or not; none if it is absent or damaged."""
    try:
        found = json.loads(record.read_text("utf-8"))
        return [str(name) for name in found.get("outputs", found.get("unfinished", ()))]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def is_current(record: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether ``record`` was made as ``wanted`` says and its outputs are untouched."""
    try:
        found = json.loads(record.read_text("utf-8"))
        same = all(found[key] == value for key, value in wanted.items())
        return same and all(sha256(record.parent / name) == digest for name, digest in found["outputs"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # absent, unfinished or damaged: do it again
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Check stage records against the outputs that lie beside them."""
    parser = OneLineParser(prog="python -m data_prep.provenance", description=main.__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="a data folder")
    args = parser.parse_args(argv)
    records = sorted(args.data.rglob("*.stage.json"))
    if not records:
        raise InputError(f"{args.data}: must hold *.stage.json records, but has none")
    for record in records:
        found = read_json(record)
        if not isinstance(found, dict) or not isinstance(found.get("outputs"), dict):
            raise InputError(f"{record}: its stage was not finished; run meta-nmt-preprocess again")
        for name, digest in found["outputs"].items():
            path = record.parent / name
            if not path.is_file() or sha256(path) != digest:
                raise InputError(f"{path}: is missing or was changed after it was made (see {record.name})")
    print(f"{len(records)} stages, all outputs as they were made")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.provenance"))
