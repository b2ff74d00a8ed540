"""A Markdown page as a test reads it: its links, its code spans, the commands of its blocks, each with its line.

A page that speaks of the past may quote what is no more. It says so in comments, which a reader does not see:

    <!-- past: data_prep/clean.py --> <!-- past: meta-nmt-old --flag -->
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

LINK = re.compile(r"!?\[([^\]]*)\]\(([^()\s]+)\)")
PICTURE = re.compile(r"<(?:img|source)\b[^>]*?\bsrc(?:set)?=\"([^\"]+)\"")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
PAST = re.compile(r"<!-- past: (.*?) -->", re.DOTALL)
FENCE = "```"


@dataclass(frozen=True)
class Quote:
    """A piece of a page: what stands there, on one line, and the number of the line that it begins on."""

    line: int
    text: str


@dataclass(frozen=True)
class Link(Quote):
    """A link or an image: ``text`` is what is read, ``target`` where it leads."""

    target: str


@dataclass(frozen=True)
class Block(Quote):
    """A block of code; ``language`` is what its fence says, and nothing where it is indented."""

    language: str


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@dataclass(frozen=True)
class Page:
    """The text of a page."""

    text: str

    @cached_property
    def is_code(self) -> list[bool]:
        """Whether a line is code: between fences, or indented by four after an empty line (in a list it is prose)."""
        kinds: list[bool] = []
        fenced, previous = False, ""
        for line in self.text.split("\n"):
            if line.startswith(FENCE):
                fenced = not fenced
                kinds.append(True)
            elif fenced or not line.startswith("    "):
                kinds.append(fenced)
            else:
                kinds.append(not previous or kinds[-1])
            previous = line.strip()
        return kinds

    @cached_property
    def prose(self) -> str:
        """The text with its blocks of code emptied, so that lines keep their numbers."""
        lines = self.text.split("\n")
        return "\n".join("" if code else line for line, code in zip(lines, self.is_code, strict=True))

    def _line(self, position: int) -> int:
        return self.prose.count("\n", 0, position) + 1

    @cached_property
    def past(self) -> list[Quote]:
        """What the page's comments say is no more."""
        return [Quote(self._line(match.start()), " ".join(match[1].split())) for match in PAST.finditer(self.prose)]

    @cached_property
    def links(self) -> list[Link]:
        """Links and images, those of HTML too."""
        found = LINK.finditer(self.prose)
        links = [Link(self._line(match.start()), " ".join(match[1].split()), match[2]) for match in found]
        return links + [Link(self._line(match.start()), "", match[1]) for match in PICTURE.finditer(self.prose)]

    @cached_property
    def spans(self) -> list[Quote]:
        """What stands in backticks; a span may go on in the next line."""
        return [Quote(self._line(match.start()), " ".join(match[1].split())) for match in SPAN.finditer(self.prose)]

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks of code, each without its fences and its margin."""
        found: list[Block] = []
        fence: str | None = None  # what the fence says that the line is behind
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.startswith(FENCE):
                fence = line.removeprefix(FENCE).strip() if fence is None else None
                found += [Block(number + 1, "", fence)] if fence is not None else []
            elif self.is_code[number - 1]:
                if fence is None and (number == 1 or not self.is_code[number - 2]):
                    found.append(Block(number, "", ""))
                text = line if fence is not None else line.removeprefix("    ")
                found[-1] = replace(found[-1], text=f"{found[-1].text}{text}\n")
        return found

    @cached_property
    def code_lines(self) -> list[Quote]:
        """The lines of the blocks, those that end in a backslash joined to the next."""
        joined: list[Quote] = []
        goes_on = False
        for number, line in enumerate(self.text.split("\n"), 1):
            if not self.is_code[number - 1] or line.startswith(FENCE):
                continue
            text = line.strip()
            if goes_on:
                joined[-1] = Quote(joined[-1].line, f"{joined[-1].text} {text.removesuffix(chr(92))}")
            else:
                joined.append(Quote(number, text.removesuffix(chr(92))))
            goes_on = text.endswith(chr(92))
        return joined

    @cached_property
    def anchors(self) -> set[str]:
        """What a link into the page may name after `#`."""
        return {slug(match[1]) for match in HEADING.finditer(self.prose)}
