"""fairseq is loaded in a block of `fairseq_loading`, so that logging stays as it is, and Python 3.14 can load it.

Loading fairseq sets the root logger to DEBUG, and recommends packages that have nothing to do with text.

fairseq makes a flag of each field of its settings while it is loaded, and knows a type that may be None by its name.
Python 3.14 writes that name in another way: ``str(Optional[str])`` was ``typing.Optional[str]`` and is ``str | None``.
So the function that asks for the name is replaced before the modules that use it are loaded.
"""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from typing import Any, Union, get_args, get_origin


@contextmanager
def fairseq_loading() -> Iterator[None]:
    """A block that loads modules of fairseq. It is silent up to INFO, and leaves the settings of logging alone."""
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable(logging.INFO)
    try:
        _load()
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)


def _load() -> None:
    """Load fairseq, its module of flags first; nothing where it is loaded or absent."""
    spec = None if "fairseq" in sys.modules else find_spec("fairseq")
    if spec is None or spec.loader is None:
        return
    package = module_from_spec(spec)
    sys.modules["fairseq"] = package  # its modules can be loaded from here on, and it itself is still empty
    try:
        from fairseq.dataclass import utils

        utils.interpret_dc_type = type_of_flag
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules["fairseq"]
        raise


def type_of_flag(field_type: Any) -> Any:
    """The type of a flag's value, for the type of its field: that of ``Optional[int]`` is int, that of Any is str.

    In place of fairseq's ``interpret_dc_type``.
    """
    if isinstance(field_type, str):
        raise RuntimeError("field should be a type")
    if field_type is Any:
        return str
    members = get_args(field_type)
    if get_origin(field_type) in (Union, types.UnionType) and type(None) in members:
        return members[0]
    return field_type
