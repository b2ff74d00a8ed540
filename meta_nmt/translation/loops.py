"""Translations that loop, as a model's do that has not learnt enough: "of the of the of the"."""

import re

LOOP = re.compile(r"(.{2,60}?)\1{2,}")  # the same thing three times in a row


def loops(text: str) -> bool:
    """Whether something with a letter in it, of 2 to 60 characters, stands three times in a row."""
    return any(any(map(str.isalpha, match[1])) for match in LOOP.finditer(f"{text} "))
