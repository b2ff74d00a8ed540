"""Our docstrings as Sphinx reads them: plain text with ``code`` in backticks, and code indented after an empty line."""

from __future__ import annotations

import re
import textwrap

from docutils import nodes
from sphinx.application import Sphinx

CODE = re.compile(r"(``.+?``)|`([^`\s][^`]*)`")
ITEM = re.compile(r"(-|\d+\.) ")
SECTION = re.compile(r"(Args|Raises|Returns|Yields|Attributes|Note|Example):\s*$")


def plain(text: str) -> str:
    """A line of text without marks of reStructuredText but ``code``, which single backticks mean too."""

    def escaped(part: str) -> str:
        return re.sub(r"([*|\\]|_(?=\W|$)|`)", r"\\\1", part)

    parts, at = [], 0
    for match in CODE.finditer(text):
        parts += [escaped(text[at : match.start()]), match[1] or f"``{match[2]}``"]
        at = match.end()
    return "".join([*parts, escaped(text[at:])])


def as_restructured(lines: list[str]) -> list[str]:
    """The lines of a docstring with its code marked as such, and nothing else that means more than it says."""
    result: list[str] = []
    code, section, listed = False, False, False
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        before = lines[number - 1].strip() if number else ""
        item, goes_on = bool(ITEM.match(line)), listed and line.startswith("  ")
        if line.strip() and before and (item != listed) and not goes_on:
            result.append("")  # a list stands between empty lines
        listed = item or goes_on
        if goes_on:
            pass
        elif line.strip() and not indented:
            code, section = False, bool(SECTION.match(line))
        elif indented and not before and not code and not section:
            result += ["::", ""]
            code = True
        elif indented and before and not code and not section:
            line = line.lstrip()  # a paragraph that goes on, such as that of a field
        result.append(line if code else plain(line))
    return result


def blocks_of(text: str) -> list[nodes.Node]:
    """Such a text as nodes: paragraphs, and blocks of code."""
    found: list[nodes.Node] = []
    for block in re.split(r"\n\s*\n", textwrap.dedent(text).strip("\n")):
        if block.startswith((" ", "\t")):
            shown = textwrap.dedent(block)
            found.append(nodes.literal_block(shown, shown, language="text"))
        elif block.strip():
            head, *rest = re.split(r"(?<=:)\n(?= {2,})", block, maxsplit=1)  # code right under its announcement
            found.append(nodes.paragraph("", "", *inlines(" ".join(head.split()))))
            found += [nodes.literal_block(code, code, language="text") for code in map(textwrap.dedent, rest)]
    return found


def inlines(text: str) -> list[nodes.Node]:
    """A paragraph's text and code."""
    found: list[nodes.Node] = []
    for part in re.split(r"(``.+?``|`[^`]+`)", text):
        code = part.strip("`")
        found.append(nodes.literal(code, code) if part.startswith("`") else nodes.Text(part))
    return found


def rewrite(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """autodoc's hook: it runs before napoleon, which reads ``Args:`` and its like."""
    lines[:] = as_restructured(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Have autodoc read docstrings so."""
    app.connect("autodoc-process-docstring", rewrite, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
