"""What all commands share: a parser whose errors are one line, exit status 2 for bad input, types of arguments."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from data_prep.base import interrupts
from data_prep.base.errors import InputError, did_you_mean
from data_prep.base.versions import OWN, versions

Main = Callable[[Sequence[str] | None], int]


# folders that this process has made by `writable_directory`, the deepest first; see `only_used_folders`
_new_folders: list[Path] = []


class KnownDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows every default that says something; the help of the other flags says what is used instead."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if default is None or default is False or default in ("", (), [], {}):
            return action.help
        if isinstance(default, (tuple, list)):  # as the user would write it
            return f"{action.help} (default: {','.join(map(str, default))})"
        return super()._get_help_string(action)


class ShowVersion(argparse.Action):
    """The action of ``--version``: print the version and end well."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(version_line(parser.prog))
        parser.exit()


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose usage errors are one line on stderr and exit status 2, and whose help shows defaults.

    It knows ``--version`` where it knows ``--help``.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", KnownDefaults)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if self.add_help:
            self.add_argument(
                "--version", action=ShowVersion, nargs=0, help="show the version and exit",
                dest=argparse.SUPPRESS, default=argparse.SUPPRESS,  # it is no value of the namespace
            )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        self.exit(2, one_line(self.prog, with_hint(message, self._option_string_actions)) + "\n")


def version_line(prog: str) -> str:
    """The answer to ``--version``: the program, the version of this distribution, and that of Python."""
    version_of = versions(())
    return f"{prog} {version_of[OWN]} (Python {version_of['python']})"


def with_hint(message: str, flags: Iterable[str]) -> str:
    """An error of argparse with the flag, or the choice, that was probably meant. ``flags``: those of its parser."""
    if unrecognised := re.fullmatch(r"unrecognized arguments: (--[^\s=]+).*", message, re.S):
        return message + did_you_mean(unrecognised[1], flags)
    if choice := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message, re.S):
        return message + did_you_mean(choice[1], [name.strip(" '") for name in choice[2].split(",")])
    return message


def one_line(prog: str, message: object) -> str:
    """``prog: error: message`` with every run of white space, line breaks included, made one space."""
    return f"{prog}: error: {' '.join(str(message).split())}"


def run_command(main: Main, argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Run ``main(argv)`` and return its exit status; InputError and OSError become one line on stderr and status 2,
    Ctrl-C one line and status 130.

    ``main`` is the body of a command; ``prog`` defaults to the name of the running program.
    """
    name = prog or Path(sys.argv[0]).name

    def work() -> int:
        try:
            with only_used_folders():
                return main(argv)
        except (InputError, OSError) as error:
            print(one_line(name, error), file=sys.stderr)
            return 2

    return interrupts.stoppable(work)


@contextmanager
def only_used_folders() -> Iterator[None]:
    """In the end, remove the folders that `writable_directory` has made and that nothing was written into."""
    try:
        yield
    finally:
        while _new_folders:
            with suppress(OSError):
                _new_folders.pop(0).rmdir()


def writable_directory(path: str | os.PathLike[str], flag: str) -> Path:
    """Make the directory ``path`` if needed and return it; InputError, naming ``flag``, if it cannot be written to."""
    directory = Path(path)
    new_folders = [place for place in (directory, *directory.parents) if not place.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{flag} {directory}: must be a folder that can be written to: {reason}") from error
    _new_folders[:0] = new_folders
    return directory


def comma_list(text: str) -> tuple[str, ...]:
    """ "a,b" -> ("a", "b"); empty items are refused."""
    items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
    if "" in items:
        raise argparse.ArgumentTypeError(f"must be names between commas, but is {text!r}")
    return items
