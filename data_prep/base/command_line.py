"""What all commands share: a parser whose errors are one line, exit status 2 for bad input, types of arguments."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from data_prep.base.errors import InputError

Main = Callable[[Sequence[str] | None], int]


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose usage errors are one line on stderr and exit status 2, and whose help shows defaults."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        self.exit(2, one_line(self.prog, message) + "\n")


def one_line(prog: str, message: object) -> str:
    """``prog: error: message`` with every run of white space, line breaks included, made one space."""
    return f"{prog}: error: {' '.join(str(message).split())}"


def run_command(main: Main, argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Run ``main(argv)`` and return its exit status; InputError and OSError become one line on stderr and status 2.

    ``main`` is the body of a command; ``prog`` defaults to the name of the running program.
    """
    name = prog or Path(sys.argv[0]).name
    try:
        return main(argv)
    except (InputError, OSError) as error:
        print(one_line(name, error), file=sys.stderr)
        return 2


def writable_directory(path: str | os.PathLike[str], flag: str) -> Path:
    """Make the directory ``path`` if needed and return it; InputError, naming ``flag``, if it cannot be written to."""
    directory = Path(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{flag} {directory}: must be a folder that can be written to: {reason}") from error
    return directory


def comma_list(text: str) -> tuple[str, ...]:
    """ "a,b" -> ("a", "b"); empty items are refused."""
    items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
    if "" in items:
        raise argparse.ArgumentTypeError(f"must be names between commas, but is {text!r}")
    return items
