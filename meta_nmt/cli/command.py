"""The frame of every command of ours: it sets up logging, makes errors one line, and gives the exit status."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence

from data_prep.base import interrupts
from data_prep.base.command_line import one_line, only_used_folders, version_line
from data_prep.base.errors import InputError
from meta_nmt.runs.endings import explain

CHECKPOINT = re.compile(r"Cannot load model parameters from checkpoint (.*); please")  # the trainer's words


class _Brief(logging.Filter):
    """Lets through messages alone: fairseq also logs whole configurations and models as objects, and the tracebacks of
    errors that it raises after that."""

    def filter(self, record: logging.LogRecord) -> bool:
        return isinstance(record.msg, str) and not record.msg.startswith("Traceback")


def configure_logging(default_level: str = "INFO") -> None:
    """Log to standard error, without fairseq's dump of every option (LOGLEVEL=DEBUG shows everything)."""
    logging.basicConfig(
        format="%(asctime)s | %(levelname)s | %(name)s | %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        level=os.environ.get("LOGLEVEL", default_level).upper(),
        stream=sys.stderr,
        force=True,
    )
    if logging.getLogger().level > logging.DEBUG:
        for name in ("fairseq_cli.train", "fairseq_cli.generate", "fairseq.checkpoint_utils"):
            logging.getLogger(name).addFilter(_Brief())
        for name in ("tasks.fairseq_task", "data.data_utils", "data.iterators", "trainer"):
            logging.getLogger(f"fairseq.{name}").setLevel(logging.WARNING)


def command_line(prog: str, argv: Sequence[str]) -> str:
    """The command as a person would type it."""
    return shlex.join([prog, *argv])


def wants_help(argv: Sequence[str]) -> bool:
    """Whether the flags ask for the help page."""
    return bool({"-h", "--help"} & set(argv))


def run(body: Callable[[Sequence[str]], int], prog: str, argv: Sequence[str] | None, log_level: str = "INFO") -> int:
    """The exit status of ``body(argv)``.

    An InputError anywhere in the chain of causes becomes one line and status 2. So does what ends a run from outside.
    Ctrl-C is one line and status 130; ``--version`` is answered here, also for the flags that are fairseq's.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if "--version" in arguments:
        print(version_line(prog))
        return 0
    configure_logging(log_level)
    return interrupts.stoppable(lambda: _status(body, prog, arguments))


def _status(body: Callable[[Sequence[str]], int], prog: str, arguments: Sequence[str]) -> int:
    try:
        with only_used_folders():
            return body(arguments)
    except Exception as error:
        cause: BaseException | None = error  # fairseq wraps an error in loading a checkpoint
        while cause is not None and not isinstance(cause, (InputError, OSError)):
            cause = cause.__cause__ or cause.__context__
        reason = explain(cause or error) or (error.__context__ and explain(error.__context__))
        if cause is not error and (loaded := CHECKPOINT.match(str(error))):
            reason = f"{loaded[1]}: {reason}"
        if reason is None:
            raise
        print(one_line(prog, reason), file=sys.stderr)
        return 2
