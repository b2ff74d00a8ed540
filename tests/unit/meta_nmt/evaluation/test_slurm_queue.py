"""What squeue's answers mean; the program is a stub here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from meta_nmt.evaluation.slurm_queue import ENDED, SlurmQueue

Answer = Callable[[str], None]


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """A function that sets what squeue says from now on; without lines, it fails."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program = tmp_path / "squeue"

    def set_answer(lines: str) -> None:
        (tmp_path / "lines").write_text(lines)
        fails = "" if lines else "echo 'squeue: error: no controller' >&2; exit 1"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/lines\n{fails}\n")
        program.chmod(0o755)

    return set_answer


@pytest.fixture
def queue() -> SlurmQueue:
    """A watcher of the jobs 1 and 2."""
    watcher = SlurmQueue()
    for number in "12":
        watcher.register_job(number)
    return watcher


def test_a_job_has_ended_where_squeue_says_so_or_has_forgotten_it(answer: Answer, queue: SlurmQueue) -> None:
    answer("1|RUNNING|None\n2|PENDING|Resources\n3|FAILED|None\n")
    assert not queue.is_done("1", "force") and not queue.is_done("2", "cache")
    answer("1|NODE_FAIL|None\n3|FAILED|None\n")
    assert queue.is_done("1", "force") and queue.get_state("1", "cache") == "NODE_FAIL"
    assert queue.is_done("2", "cache") and queue.get_state("2", "cache") == "GONE"


@pytest.mark.parametrize("state", ["CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "STAGE_OUT"])
def test_a_job_that_may_go_on_has_not_ended(answer: Answer, queue: SlurmQueue, state: str) -> None:
    answer(f"1|{state}|None\n")
    assert not queue.is_done("1", "force") and state not in ENDED


def test_what_is_known_stays_while_squeue_fails(
    answer: Answer, queue: SlurmQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("")
    assert not queue.is_done("1", "force") and queue.get_state("1", "cache") == "UNKNOWN"
    answer("1|RUNNING|None\n2|COMPLETED|None\n")
    queue.update()
    answer("")
    queue.update()
    assert not queue.is_done("1", "cache") and queue.is_done("2", "cache")
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1 and warnings[0].endswith("it says: squeue: error: no controller"), "said once"


def test_what_keeps_a_job_waiting_is_said_once(
    answer: Answer, queue: SlurmQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("1|PENDING|PartitionTimeLimit\n2|PENDING|PartitionTimeLimit\n3|PENDING|JobHeldUser\n")
    queue.update()
    queue.update()
    assert capsys.readouterr().err == "warning: Slurm keeps job 1 waiting: PartitionTimeLimit\n"
    answer("1|PENDING|Priority\n2|PENDING|Resources\n")
    queue.update()
    assert capsys.readouterr().err == "", "a place will come"
