"""Groups of ids: the lines of a book or a chapter by the beginnings of their ids, as in the Bible."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from data_prep.base.errors import InputError

BETWEEN = re.compile(r"[\W_]+")  # the parts of an id
NUMBERED = re.compile(r"(\d\d)(\d{3})(\d{3})")  # book, chapter and verse as one number: 43002001
MOST_NAMED = 10  # most groups that an error names


@lru_cache(maxsize=1024)  # groups come again with every id
def id_parts(key: str) -> tuple[str, ...]:
    """The parts of an id, outer ones first: JHN.2.1, "JHN 2:1" and JHN_2_1 are JHN, 2, 1, and 43002001 is 43, 2, 1."""
    numbered = NUMBERED.fullmatch(key)
    parts = numbered.groups() if numbered else BETWEEN.split(key)
    return tuple(part.lstrip("0") or part for part in parts if part)


def in_groups(key: str, groups: Sequence[str]) -> bool:
    """Whether an id is one of ``groups`` or below one: JHN.3.16 is in JHN and in JHN.3, however they are written."""
    return any(_is_in(key, group) for group in groups)


def _is_in(key: str, group: str) -> bool:
    parts = id_parts(group)
    if NUMBERED.fullmatch(key) and len(group) == 5 and group.isdecimal():
        return key.startswith(group)  # 43002: a book and a chapter
    return bool(parts) and id_parts(key)[: len(parts)] == parts


@dataclass
class SeenIds:
    """What is remembered of the ids of one corpus or several: which groups name one, and where the ids begin.

    named: the groups that an id is in.
    examples: first part of an id -> the first id that begins so.
    """

    named: set[str] = field(default_factory=set)
    examples: dict[str, str] = field(default_factory=dict)

    def see(self, key: str, groups: Sequence[str]) -> None:
        """Remember an id of a corpus from which ``groups`` are held out."""
        self.named.update(group for group in groups if group not in self.named and _is_in(key, group))
        if len(self.examples) <= MOST_NAMED:
            self.examples.setdefault((id_parts(key) or ("",))[0], key)

    def add(self, other: "SeenIds") -> None:
        """Remember the ids of another corpus too."""
        self.named |= other.named
        self.examples = {**other.examples, **self.examples}

    def check(self, groups: Sequence[str], where: str) -> None:
        """InputError if one of ``groups`` names no id of ``where``: it is mistyped, and its lines would be trained on.

        The error says which ids there are.
        """
        empty = [group for group in groups if group not in self.named]
        if empty:
            names = ", ".join(empty)
            raise InputError(f"--valid-ids/--test-ids: {names} must name ids of {where}, but do not; {self.describe()}")

    def describe(self) -> str:
        """Some of the ids that there are, for errors: one of each of the first groups."""
        some = [*self.examples.values()][:MOST_NAMED]
        more = ", ..." if len(self.examples) > MOST_NAMED else ""
        return f"there are ids like {', '.join(map(repr, some))}{more}" if some else "there are no ids"
