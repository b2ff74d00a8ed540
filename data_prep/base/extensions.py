"""A user's own Python code, named by `--user-dir`: a file, or the folder of a package.

Importing it registers its learners, readers and the like. The code runs with all rights of the person who names it. No
file that this project reads can name such code.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

from data_prep.base.errors import InputError, fault_of


def add_user_dir_argument(parser: ArgumentParser) -> None:
    """Add ``--user-dir``, for commands that read corpora."""
    help_text = "a Python file or package that registers readers of further kinds of corpora (docs/extending.md)"
    parser.add_argument("--user-dir", metavar="PATH", help=help_text)


def check(path: str | os.PathLike[str]) -> None:
    """InputError unless it is a Python file or the folder of a package."""
    place = Path(path)
    if not (place / "__init__.py").is_file() and not (place.is_file() and place.suffix == ".py"):
        fault = fault_of(place, "is neither")
        raise InputError(f"`--user-dir` must name a Python file or a folder with an __init__.py, but {path} {fault}")


def load(path: str | os.PathLike[str]) -> None:
    """Import a Python file or package, once. An exception that its code raises is passed on unchanged.

    Raises:
        InputError: the path is neither a Python file nor a folder with an __init__.py, or a module of another file has
            its name.
    """
    check(path)
    place = Path(path).resolve()
    is_package = place.is_dir()
    source = place / "__init__.py" if is_package else place
    name = place.name if is_package else place.stem
    loaded = sys.modules.get(name)
    if loaded is not None:
        if getattr(loaded, "__file__", None) != str(source):
            raise InputError(f"`--user-dir` {path}: must have another name than the Python module {name}")
        return
    sys.path.insert(0, str(place.parent))  # for what lies beside it, as Python does for a script
    importlib.import_module(name)


def code_hash(path: str | os.PathLike[str]) -> str:
    """The sha256 over the Python files of a file or package that `load` takes; it changes when their code does."""
    place = Path(path)
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()
