"""Command lines in tests, written as one would type them."""

import re
import shlex


def arguments(line: str, *values: object, **named: object) -> list[str]:
    """The words of ``line``, split as a shell does.

    Each ``{}`` in them is the next of ``values``, each ``{name}`` the value of that name, spaces and all.
    """
    if line.count("{}") != len(values):
        raise ValueError(f"{line!r} must have a value for each {{}}, but has {len(values)}")
    left = iter(values)

    def value(place: re.Match[str]) -> str:
        return str(named[place[1]] if place[1] else next(left))

    return [re.sub(r"\{(\w*)\}", value, word) for word in shlex.split(line)]
