"""Ctrl-C: one line and status 130, whatever comes of it, and nothing of the sort where a program is not ours."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from data_prep.base import interrupts
from data_prep.base.command_line import run_command


@pytest.fixture(autouse=True)
def as_at_a_terminal() -> Iterator[None]:
    """SIGINT as a shell leaves it to a command in the foreground; to one in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def swallowed_by_a_library() -> int:
    try:
        press()
    except KeyboardInterrupt:
        raise RuntimeError("DataLoader worker (pid 7) was killed by signal: Interrupt") from None
    return 0


def ended_by_a_library() -> int:
    try:
        press()
    except KeyboardInterrupt:
        sys.exit(1)
    return 0


def without_a_signal() -> int:
    raise KeyboardInterrupt


@pytest.mark.parametrize("work", [press, swallowed_by_a_library, ended_by_a_library, without_a_signal])
def test_one_line_and_status_130(work, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert run_command(lambda argv: work(), []) == 130
    assert capsys.readouterr().err == "stopped; the same command goes on\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_clean_up_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    def work() -> int:
        try:
            press()
        finally:
            done.append(capsys.readouterr().err)
        return 0

    assert interrupts.stoppable(work) == 130 and done == [""], "the line comes last"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        interrupts.stoppable(lambda: 1 // 0)
    with pytest.raises(SystemExit):
        interrupts.stoppable(lambda: sys.exit(2))


def test_it_waits_while_a_process_is_started() -> None:
    seen = []

    def work() -> int:
        with interrupts.held_back():
            press()
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("started")
        seen.append("not reached")
        return 0

    assert interrupts.stoppable(work) == 130 and seen == ["started"]


def test_a_process_that_is_starting_does_not_see_it() -> None:
    script = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with interrupts.held_back():
        blocked = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True).stdout
    assert blocked == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(
    "program, ours",
    [("-m", True), ("/x/bin/meta-nmt-train", True), ("/x/bin/pytest", False), ("user.py", False), ("", False)],
)
def test_only_our_commands_end_at_once_while_they_start(
    program: str, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", [program])
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.watch_start()
        assert (signal.getsignal(signal.SIGINT) is interrupts.end_at_once) == ours
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup sets it
        interrupts.watch_start()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


PROGRAM = """
import sys
sys.argv = ["/x/bin/meta-nmt-train"]
import data_prep, signal
signal.raise_signal(signal.SIGINT)
print("not reached")
"""


def test_the_start_ends_in_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "stopped; the same command goes on\n")
