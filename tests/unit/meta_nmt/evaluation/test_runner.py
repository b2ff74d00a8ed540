"""The runner on stub commands: killed anywhere it ends the same; failures are kept and tried again."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.base.errors import InputError
from meta_nmt.evaluation.cells import Job, Step, fingerprints
from meta_nmt.evaluation.executor import make_executor
from meta_nmt.evaluation.runner import Sweep
from meta_nmt.ledger import FILE_NAME, Ledger, latest, read_ledger

from .conftest import cell, in_a_process, processes_at, stub_plan

CELLS = 12


def sweep(out: Path, steps: list[Step], finished: Callable[[Job, str | None], None] = lambda job, model: None) -> bool:
    with Ledger(out / FILE_NAME) as results:
        executor = make_executor(out / "submitit", "local", {})
        return Sweep(
            steps, out, results, executor, {"data": "data"}, fingerprints(steps, "hash", {}), 6, finished
        ).run()


def timeless(out: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The last line of each job, and the choices, without times and in no order."""
    lines = read_ledger(out / FILE_NAME)
    jobs = [{k: v for k, v in line.items() if k != "seconds"} for line in latest(lines).values()]
    return sorted(jobs, key=str), [line for line in lines if line["kind"] == "choice"]


def check(out: Path) -> None:
    """Everything finished, once, with the contents that an undisturbed run makes."""
    jobs, choices = timeless(out)
    assert len(jobs) == CELLS + 4 and {job["state"] for job in jobs} == {"finished"}
    assert [(c["chosen"], c["dev_bleu"]) for c in choices] == [("b", {"a": 10.5, "b": 12.0})]
    numbers = "".join(f"{n}\n" for n in range(1, 11))
    for number in range(CELLS):
        assert (out / f"results/{number}/text").read_text() == f"b\n{numbers}", f"cell {number}"


def test_undisturbed_and_then_again(out: Path) -> None:
    cards: list[tuple[str, str | None]] = []
    assert sweep(out, stub_plan(CELLS), lambda job, model: cards.append((job.name, model)))
    check(out)
    assert ("cell/0", "adapted/b") in cards and ("train/one", None) in cards, "called with the chosen model's folder"
    before = (out / FILE_NAME).read_bytes()
    assert sweep(out, stub_plan(CELLS)) and (out / FILE_NAME).read_bytes() == before, "there is nothing left to do"


def test_killed_three_times_and_a_job_once(out: Path) -> None:
    rng = random.Random(5)
    for kill in range(3):
        pid = in_a_process(lambda: sweep(out, stub_plan(CELLS)))
        while not (out / "submitit").exists():
            time.sleep(0.01)
        time.sleep(0.4 + rng.random())
        if kill == 1:
            jobs = [process for process in processes_at(out) if process != pid]
            if jobs:
                os.kill(rng.choice(jobs), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert sweep(out, stub_plan(CELLS)) or sweep(out, stub_plan(CELLS)), "a job killed under the last run is retried"
    check(out)


def test_a_second_one_is_refused(out: Path) -> None:
    pid = in_a_process(lambda: sweep(out, [cell(0, "sleep 30")]))
    try:
        while not (out / "submitit").exists():
            time.sleep(0.01)
        with pytest.raises(InputError, match=f"results.jsonl: must be written by one evaluation at a time.*{pid}"):
            sweep(out, [cell(0, "true")])
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_failed_cell_is_kept_and_tried_again(out: Path) -> None:
    # cells 0 and 1 need a file that is not there at first; the others do not
    steps: list[Step] = [cell(number, f"cat {out}/wanted || exit 3") for number in range(2)]
    steps.append(cell(2, "true"))
    assert not sweep(out, steps)
    jobs = latest(read_ledger(out / FILE_NAME))
    states = {number: jobs[f"cell/{number}"]["state"] for number in range(3)}
    assert states == {0: "failed", 1: "failed", 2: "finished"}
    assert "ended with status 3: cat: " in jobs["cell/0"]["error"]
    assert "wanted" in (out / jobs["cell/0"]["log"]).read_text(), "its log is named, and says why"
    (out / "wanted").touch()
    assert sweep(out, steps)
    lines = read_ledger(out / FILE_NAME)
    assert sum(line.get("job") == "cell/2" for line in lines) == 1, "what had finished is not run again"
    assert latest(lines)["cell/0"]["state"] == "finished"


def test_what_needs_a_failed_job_is_failed_too(out: Path) -> None:
    steps = stub_plan(2)
    first = steps[0]
    assert isinstance(first, Job)
    steps[0] = Job(first.name, first.kind, (("sh", "-c", "echo broken; exit 1"),), first.folders, first.makes)
    assert not sweep(out, steps)
    jobs = latest(read_ledger(out / FILE_NAME))
    assert len(jobs) == 6 and {job["state"] for job in jobs.values()} == {"failed"}, "none is dropped"
    assert jobs["cell/1"]["error"] == "needs train/one, which failed" and jobs["cell/1"]["log"] == "logs/train/one.log"


def test_a_card_that_cannot_be_written_fails_its_cell(out: Path) -> None:
    def refuse(job: Job, model: str | None) -> None:
        if job.name == "cell/0":
            raise InputError("no card")

    assert not sweep(out, [cell(0, "true")], refuse)
    assert latest(read_ledger(out / FILE_NAME))["cell/0"]["error"] == "no card"


def test_wrong_executor_parameters_are_one_line(tmp_path: Path) -> None:
    for cluster, parameters in (("local", {"gpus": 2}), ("local", {"timeout_min": "long"})):
        with pytest.raises(InputError, match="^executor: must fit submitit's local executor: "):
            make_executor(tmp_path, cluster, parameters)
