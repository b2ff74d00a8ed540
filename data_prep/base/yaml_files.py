"""YAML files of anybody: read strictly, so that a small file is a small value, and every fault is one line.

PyYAML's own safe loader runs no code either. But a few aliases expand to gigabytes, a key that stands twice silently
counts once, deep nesting and a number of 5,000 digits are errors of Python's, and a text may be no Unicode.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.errors import InputError

MOST_BYTES = 4 << 20  # of a YAML file
# what PyYAML raises, and what Python does for a value such as 2020-99-99 or one of 5,000 digits
ERRORS = (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError)


def _strict(loader: Any) -> Any:
    """A kind of ``loader`` that refuses aliases, keys that are not single words or stand twice, and half characters."""

    class Strict(loader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.MarkedYAMLError(problem="must have no aliases", problem_mark=self.peek_event().start_mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if not isinstance(key.value, str) or key.value in seen:
                    problem = f"a key must be a word that stands once, but is {short(key.value)}"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep=deep)

        def construct_scalar(self, node: Any) -> Any:
            value = super().construct_scalar(node)
            if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
                raise yaml.MarkedYAMLError(problem="must be Unicode text, but is not", problem_mark=node.start_mark)
            return value

    return Strict


TEXTS = _strict(yaml.BaseLoader)  # every value is text, ``no`` (Norwegian) too
VALUES = _strict(yaml.SafeLoader)  # numbers, truth values and dates, as YAML has them


def read_yaml(file: Path, loader: Any) -> Any:
    """The content of a YAML file, by one of the loaders of this module.

    Raises:
        InputError: the file is missing, too large, not UTF-8 or no YAML; the line is named where it is known.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InputError(f"{file}: must have at most {MOST_BYTES} bytes, but has more")
        return parse_yaml(file, file.read_text("utf-8"), loader)
    except FileNotFoundError as error:
        raise InputError(f"{file}: file is missing") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: must be UTF-8, but has byte 0x{error.object[error.start]:02x}") from error


def parse_yaml(file: Path, text: str, loader: Any) -> Any:
    """The content of a YAML text, with the errors of `read_yaml`. ``file``: where it is from, for messages."""
    try:
        return yaml.load(text, Loader=loader)
    except RecursionError as error:
        raise InputError(f"{file}: must be YAML, but is nested too deeply") from error
    except ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(f"{file}{line}: must be YAML: {problem[:300]}") from error


def short(value: Any) -> str:
    """A value in at most 80 characters, for a message."""
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
