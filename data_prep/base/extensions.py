"""A user's own Python code, named by `--user-dir`: a file, or the folder of a package.

Importing it registers its learners, readers and the like. The code runs with all rights of the person who names it. No
file that this project reads can name such code.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from data_prep.base.errors import InputError


def load(path: str | os.PathLike[str]) -> None:
    """Import a Python file or package, once. An exception that its code raises is passed on unchanged.

    Raises:
        InputError: the path is neither a Python file nor a folder with an __init__.py, or a module of another file has
            its name.
    """
    place = Path(path).resolve()
    is_package = (place / "__init__.py").is_file()
    if not is_package and not (place.is_file() and place.suffix == ".py"):
        raise InputError(f"`--user-dir` must name a Python file or a folder with an __init__.py, but {path} is neither")
    source = place / "__init__.py" if is_package else place
    loaded = sys.modules.get(place.stem)
    if loaded is not None:
        if getattr(loaded, "__file__", None) != str(source):
            raise InputError(f"`--user-dir` {path}: must have another name than the Python module {place.stem}")
        return
    if is_package:
        sys.path.insert(0, str(place.parent))
        importlib.import_module(place.name)
        return
    spec = importlib.util.spec_from_file_location(place.stem, place)
    assert spec is not None and spec.loader is not None, "it is a Python file"
    sys.modules[place.stem] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[place.stem]
        raise


def code_hash(path: str | os.PathLike[str]) -> str:
    """The sha256 over the Python files of a file or package that `load` takes; it changes when their code does."""
    place = Path(path)
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()
