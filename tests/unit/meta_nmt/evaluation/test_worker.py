"""A job where it runs: fresh or resumed, once, and what went wrong in one line."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from meta_nmt.evaluation import worker
from meta_nmt.evaluation.worker import Order, run_job


@pytest.fixture
def order(tmp_path: Path) -> Order:
    folder = tmp_path / "work"
    script = f"mkdir -p {folder}; echo again >>{folder}/log; touch {folder}/made"
    return Order(
        fingerprint="1", commands=[["sh", "-c", script]], shown=["stub one"], folders=[str(folder)],
        makes=[f"{folder}/made"], resumes=False, place=str(tmp_path / "state" / "job"),
        log=str(tmp_path / "logs" / "job.log"), cwd=str(tmp_path),
    )  # fmt: skip


def failing(order: Order, script: str) -> Order:
    return replace(order, commands=[["sh", "-c", script]])


def runs(order: Order) -> int:
    return len((Path(order.folders[0]) / "log").read_text().splitlines())


def test_a_finished_job_is_not_run_again_until_it_is_another(order: Order) -> None:
    assert run_job(order)["state"] == "finished" and run_job(order)["error"] is None
    assert runs(order) == 1
    assert Path(order.log).read_text() == "+ stub one\n"
    assert run_job(replace(order, fingerprint="2"))["state"] == "finished"
    assert runs(order) == 1, "the folder of the other version is removed first"
    assert worker.finished(order.place, "2") is not None and worker.finished(order.place, "1") is None


@pytest.mark.parametrize(("resumes", "expected"), [(True, 2), (False, 1)])
def test_an_interrupted_job_goes_on_or_starts_afresh(order: Order, resumes: bool, expected: int) -> None:
    order = replace(order, resumes=resumes)
    interrupted = failing(order, f"{order.commands[0][2]}; kill -9 $$")
    outcome = run_job(interrupted)
    assert (outcome["state"], outcome["error"]) == ("failed", "stub was ended by SIGKILL: + stub one")
    assert not worker.is_held(order.place)
    assert run_job(order)["state"] == "finished"
    assert runs(order) == expected
    assert run_job(replace(order, fingerprint="2"))["state"] == "finished" and runs(order) == 1, "another version"


def test_what_went_wrong_is_one_line(order: Order) -> None:
    assert run_job(failing(order, "echo first; echo stub: error: no; exit 2"))["error"] == (
        "stub ended with status 2: stub: error: no"
    )
    assert run_job(failing(order, "true"))["error"] == f"it made no {order.makes[0]}"
    error = run_job(replace(order, commands=[["/absent/command"]]))["error"]
    assert error.startswith("stub could not be started: ")


def test_the_lock_is_held_as_long_as_a_command_is_at_work(order: Order) -> None:
    background = f"{order.commands[0][2]}; sleep 0.4 & exit 0"
    assert run_job(failing(order, background))["state"] == "finished"
    assert worker.is_held(order.place), "a process that the job left behind holds it"
    assert run_job(replace(order, fingerprint="2"))["state"] == "finished", "which is waited for"
    assert not worker.is_held(order.place)


def test_what_submitit_sends_again_is_the_same_order(order: Order) -> None:
    job = worker.Resumable()
    again = job.checkpoint(order)
    assert again.function is job and again.args == (order,)
    assert job(order)["state"] == "finished"


def test_the_warning_of_a_time_limit_ends_the_worker_and_no_command(order: Order) -> None:
    lives = failing(order, f"kill -USR2 $$; {order.commands[0][2]}")
    assert run_job(lives)["state"] == "finished", "a command does not heed the signal"

    def refuse(*_: object) -> None:
        raise RuntimeError("Job not requeued because: timed-out.")

    before = signal.signal(signal.SIGUSR2, refuse)  # as submitit does in a job that can't be sent again
    try:
        outcome = run_job(
            replace(failing(order, f"sleep 0.5; kill -USR2 {os.getpid()}; exec sleep 600"), fingerprint="2")
        )
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert outcome["error"] == (
        "stub reached its time limit (timeout_min of executor): Job not requeued because: timed-out."
    )
    assert not worker.is_held(order.place), "the command was ended"
