"""Modules that are loaded no sooner than one of their functions is called, whoever imports them meanwhile.

fairseq's task for sounds and its criterion for classes load scikit-learn, with it pandas, and scipy.stats. That is a
third of the time that fairseq takes to load, and nothing here calls them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _StandIn(ModuleType):
    """A module whose every name is a function that calls the real module's function of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: getattr(importlib.import_module(self.__name__), name)(*args, **kwargs)


@contextmanager
def late(*modules: str) -> Iterator[None]:
    """Within this context, what is imported from ``modules`` is loaded when it is called; all of it are functions.

    A submodule must be named after its package. A module that is loaded already is left as it is.
    """
    stand_ins = {name: _StandIn(name) for name in modules if name not in sys.modules}
    for name, module in stand_ins.items():
        package, _, own = name.rpartition(".")
        if package in stand_ins:
            setattr(stand_ins[package], own, module)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
