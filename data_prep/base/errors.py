"""InputError, the error of input that cannot be used, and a way to report several at once."""

from collections.abc import Callable, Sequence


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
