"""Values as Markdown in which nothing of a value is markup: text, code spans, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def text(value: Any) -> str:
    """A value as plain text inside Markdown: one line, in which nothing is markup."""
    line = " ".join(str(value).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\`*_[]|#~" else character for character in line)


def code(value: Any) -> str:
    """A value as text for a code span that lies outside a table: no backtick may end the span."""
    return " ".join(str(value).split()).replace("`", "'")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; the cells are escaped already."""
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]


def code_block(lines: Sequence[str]) -> list[str]:
    """The lines in a fenced block that none of them can end; nothing where there are none."""
    fence = "`" * max(3, 1 + max((_longest_run(line) for line in lines), default=0))
    return [fence, *lines, fence] if lines else []


def _longest_run(line: str) -> int:
    """The length of the longest run of backticks in a line."""
    longest = run = 0
    for character in line:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
