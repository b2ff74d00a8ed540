"""Ctrl-C: one line and status 130, from the first import of a command to its last clean-up.

While a command starts, and when its work is done, nothing is to be cleaned up: Ctrl-C ends the process at once. In
between it raises KeyboardInterrupt, so that temporary files are removed and locks are let go.
"""

from __future__ import annotations

# no more than this is imported: what comes before `watch_start` answers Ctrl-C with a traceback
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = "stopped; the same command goes on"
STATUS = 128 + signal.SIGINT  # as a shell calls it
Handler = Callable[[int, FrameType | None], object]


def end_at_once(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """Say that the command is stopped, and end the process without any clean-up."""
    os.write(2, f"{STOPPED}\n".encode())
    os._exit(STATUS)


def watch_start() -> None:
    """Let Ctrl-C end this process at once, where it is a command of ours that is being started.

    It is one where its script is called meta-nmt-*, or where Python is about to run a module: while it imports the
    packages that the module lies in, sys.argv[0] is "-m". Where Ctrl-C is ignored, or has a handler, it keeps it.
    """
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    if program == "-m" or program.startswith("meta-nmt-"):
        if _is_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, end_at_once)


def stoppable(work: Callable[[], int]) -> int:
    """The exit status of ``work()``; after Ctrl-C one line and STATUS, whatever error came of it in a library."""
    pressed, before = False, signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        if before is end_at_once:  # this process is the command's own
            _silence_threads()
        raise KeyboardInterrupt

    with _handled_by(stop):
        try:
            return work()
        except BaseException as error:
            if not pressed and not isinstance(error, KeyboardInterrupt):
                raise
            end_children()
            print(STOPPED, file=sys.stderr)
            return STATUS


def _silence_threads() -> None:
    """Let threads fail without a word: those of libraries do, without the processes that they wait for."""
    threading.excepthook = lambda failed: None
    sys.unraisablehook = lambda failed: None


def end_children() -> None:
    """End the processes that work for this one; at its end Python would wait for their work."""
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            child.kill()


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    """In this context Ctrl-C has a handler, unless it is ignored or this is not the main thread."""
    before = signal.getsignal(signal.SIGINT)
    if not _is_main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def held_back() -> Iterator[None]:
    """In this context Ctrl-C waits, and so it does in processes that are started in it, until `die_silently`.

    A process that is just starting would answer it with a traceback, and here it would be left half started.
    """
    waiting: list[tuple[int, FrameType | None]] = []
    with _handled_by(lambda *signalled: waiting.append(signalled)):  # the mask alone leaves it to another thread
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if waiting:
        signal.raise_signal(signal.SIGINT)


def die_silently() -> None:
    """Let Ctrl-C end this process without a word: it works for another one, which says so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
