"""InputError, the error of input that cannot be used, and words that several such errors have."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used. The message is one line: the file, line or flag; what was required; what was given."""


def raise_all(checks: Sequence[Callable[[], object]]) -> None:
    """Run every check; then raise one InputError that reports all that failed, if any did."""
    failed = []
    for check in checks:
        try:
            check()
        except InputError as error:
            failed.append(str(error))
    if failed:
        raise InputError("; ".join(failed))


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """ "; did you mean NAME?" for the known name that is nearest to what was given; "" where none is near."""
    return "".join(f"; did you mean {name}?" for name in get_close_matches(given, known, 1))


def fault_of(path: Path, otherwise: str) -> str:
    """The fault of a path that a user gave: "does not exist", or where it does, ``otherwise``."""
    return otherwise if path.exists() else "does not exist"
