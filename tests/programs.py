"""Our programs, and fairseq's, asked what they make of their arguments: their parsers answer, their work is not done.

A program is a console script, ``("meta-nmt-train",)``, or a module, ``("python", "-m", "data_prep", "fetch")``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import runpy
import shlex
import sys
import warnings
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from data_prep.__main__ import STAGES

REPO = Path(__file__).resolve().parents[1]
CAMPAIGN = ("python", "-m", "campaign")  # it lies in tests/, which is on the path of the tests
Program = tuple[str, ...]

# as little as a command needs to come as far as the last of its parsers
LEAST = {
    "meta-nmt-adapt": ["DATA --checkpoint C.pt", "--pairs xx-en.tsv --checkpoint C.pt --out DIR"],
    "meta-nmt-generate": ["DATA --results DIR"],
    "meta-nmt-train": ["DATA"],
    "fairseq-train": ["DATA --user-dir meta_nmt --task meta_translation --arch ulr_transformer"],
    "fairseq-generate": ["DATA --user-dir meta_nmt --task ulr_translation"],
}


class Parsed(BaseException):
    """Raised in a program where its flags have been accepted, in place of its work."""


@dataclass(frozen=True)
class Answer:
    """What a program makes of its arguments: the flags that its parsers know, and its words where it refuses."""

    flags: frozenset[str]
    refusal: str


def is_there(program: Program) -> bool:
    """Whether there is such a console script, or such a module to run."""
    if program[0] != "python":
        return bool(entry_points(group="console_scripts", name=program[0]))
    module, *stages = program[2:]
    path = REPO / ("tests" if program == CAMPAIGN else "") / module.replace(".", "/")
    files = path / "__main__.py", path.with_suffix(".py")
    return any(file.exists() for file in files) and all(stage in STAGES for stage in stages)


def start(program: Program, argv: Sequence[str]) -> None:
    """Run a program in this process."""
    if program[0] == "python":
        sys.argv = [program[2], *program[3:], *argv]
        runpy.run_module(program[2], run_name="__main__", alter_sys=True)
    else:
        (script,) = entry_points(group="console_scripts", name=program[0])
        sys.argv = [program[0], *argv]
        script.load()()


@contextlib.contextmanager
def stopped_after_parsing(flags: set[str]) -> Iterator[None]:
    """In this context, parsers add what they know to ``flags``, and Parsed is raised where all has been parsed."""
    parse_args, parse_known_args = ArgumentParser.parse_args, ArgumentParser.parse_known_args

    def recording(self: ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        flags.update(self._option_string_actions)
        return parse_known_args(self, *args, **kwargs)

    def stopping(self: ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        parse_args(self, *args, **kwargs)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # runpy's, of modules that are imported already; of libraries
        patch.setattr(sys, "argv", sys.argv)
        patch.setattr(logging, "basicConfig", lambda **_: None)
        patch.chdir(REPO)  # where `--user-dir meta_nmt` is
        patch.setattr(ArgumentParser, "parse_known_args", recording)
        patch.setattr(ArgumentParser, "parse_args", stopping)
        yield


@cache
def ask(program: Program, argv: tuple[str, ...]) -> Answer:
    """What a program makes of ``argv``."""
    flags: set[str] = set()
    said, refusal = io.StringIO(), ""
    with stopped_after_parsing(flags), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            start(program, argv)
        except Parsed:
            pass
        except SystemExit as end:
            refusal = said.getvalue().strip().split("\n")[-1] if end.code == 2 else ""
        except Exception as error:  # fairseq's, of an architecture that is not there
            refusal = f"{program[-1]}: {error!r}"
    return Answer(frozenset(flags), refusal)


@cache
def flags_of(program: Program) -> frozenset[str]:
    """The flags that a program knows, without those of what another flag chooses, such as an optimiser."""
    answers = [ask(program, tuple(shlex.split(least))) for least in LEAST.get(program[0], [""])]
    return frozenset().union(*(answer.flags for answer in answers))


def programs() -> Iterator[Program]:
    """All that are ours, and those of fairseq and torch that our pages speak of."""
    yield from ((name,) for name in ("fairseq-preprocess", "fairseq-train", "fairseq-generate", "torchrun"))
    for script in entry_points(group="console_scripts"):
        if script.name.startswith("meta-nmt-"):
            yield (script.name,)
    yield from (("python", "-m", "data_prep", stage) for stage in STAGES)
    yield CAMPAIGN
    for folder in ("benchmarks", "meta_nmt/translation", "recipes/real"):
        for file in sorted((REPO / folder).rglob("*.py")):
            text, parts = file.read_text("utf-8"), file.relative_to(REPO).with_suffix("").parts
            if "Parser(" in text and '__name__ == "__main__"' in text:
                yield "python", "-m", ".".join(parts)
            elif parts[-1] == "__main__" and len(parts) > 2:  # a package that is run
                yield "python", "-m", ".".join(parts[:-1])


@cache
def all_flags() -> frozenset[str]:
    """Every flag of every program."""
    return frozenset().union(*map(flags_of, programs()))
