"""The error of input that cannot be used, and several of them at once."""

from collections.abc import Callable, Sequence


class InputError(ValueError):
    """Input that cannot be used. The message is one line: the file, line or flag; what was required; what was given."""


def raise_all(checks: Sequence[Callable[[], object]]) -> None:
    """Run every check; one InputError that reports all that failed."""
    failed = []
    for check in checks:
        try:
            check()
        except InputError as error:
            failed.append(str(error))
    if failed:
        raise InputError("; ".join(failed))
