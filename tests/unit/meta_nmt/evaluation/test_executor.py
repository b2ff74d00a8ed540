"""What is asked of submitit and of Slurm, whose programs are stubs here; `bash tests/slurm.sh` has a real one."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import submitit
from submitit.core.utils import FailedJobError, UncompletedJobError

from data_prep.base.errors import InputError
from meta_nmt.evaluation.executor import last_words, make_executor, minutes, submit
from meta_nmt.evaluation.slurm_queue import SlurmQueue
from meta_nmt.evaluation.worker import Order

ACCEPTS = 'cp "$1" "{folder}/sent"; env >"{folder}/env"; echo Submitted batch job 7'
REFUSES = "echo 'sbatch: error: invalid partition specified: x' >&2; echo 'sbatch: error: not sent' >&2; exit 1"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of stubs of Slurm's programs, the first on the path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(submitit.SlurmJob, "watcher", submitit.SlurmJob.watcher)
    stub(folder, "srun", "true")
    return folder


def stub(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\n" + script.format(folder=folder) + "\n")
    path.chmod(0o755)


def sent(tmp_path: Path, slurm: Path, resumes: bool = True, **parameters: object) -> tuple[list[str], list[str]]:
    """The lines of the script that sbatch got, and of the environment that it saw."""
    order = Order(
        "1", [["true"]], ["true"], [], [], resumes, str(tmp_path / "job"), str(tmp_path / "log"), str(tmp_path)
    )
    submit(make_executor(tmp_path / "out", "slurm", parameters), order, tmp_path / "submitit.log")
    return (slurm / "sent").read_text().split("\n"), (slurm / "env").read_text().split("\n")


@pytest.mark.parametrize(
    ("time", "expected"),
    [(90, 90), ("90", 90), ("90:01", 91), ("1:30:00", 90), ("2-0", 2880), ("1-12:30", 2190), ("1-00:00:30", 1441)],
)
def test_a_time_of_slurm_in_minutes(time: object, expected: int) -> None:
    assert minutes(time) == expected


@pytest.mark.parametrize("time", ["", "a day", "1:2:3:4", "-5", "1-"])
def test_what_is_no_time(time: str) -> None:
    with pytest.raises(InputError, match="^executor: slurm_time must be a time of Slurm"):
        minutes(time, "slurm_time")


def test_a_job_of_slurm_takes_hours_and_may_be_sent_again(tmp_path: Path, slurm: Path) -> None:
    stub(slurm, "sbatch", ACCEPTS)
    script, _ = sent(tmp_path, slurm)
    assert "#SBATCH --time=240" in script and "#SBATCH --requeue" in script
    assert any("SRUN_CPUS_PER_TASK" in line for line in script), "srun takes no CPUs from the job by itself"
    assert isinstance(submitit.SlurmJob.watcher, SlurmQueue)
    submission = submitit.SlurmJob(tmp_path / "out", "7").submission()
    assert (submission._timeout_min, submission._timeout_countdown) == (240, 20)
    assert hasattr(submission.function, "checkpoint"), "it resumes"


def test_an_experiment_says_otherwise(tmp_path: Path, slurm: Path) -> None:
    stub(slurm, "sbatch", ACCEPTS)
    script, _ = sent(tmp_path, slurm, False, slurm_time="1-00:00:00", slurm_max_num_timeout=2, slurm_partition="gpu")
    assert "#SBATCH --time=1440" in script and "#SBATCH --partition=gpu" in script
    submission = submitit.SlurmJob(tmp_path / "out", "7").submission()
    assert (submission._timeout_min, submission._timeout_countdown) == (1440, 2)
    assert not hasattr(submission.function, "checkpoint"), "it does not resume"
    with pytest.raises(InputError, match="^executor: max_num_timeout must be a whole number, but is often"):
        make_executor(tmp_path, "slurm", {"max_num_timeout": "often"})


def test_what_slurm_refuses_is_one_line(tmp_path: Path, slurm: Path) -> None:
    stub(slurm, "sbatch", REFUSES)
    with pytest.raises(InputError) as error:
        sent(tmp_path, slurm)
    assert str(error.value) == (
        "executor: must be what the cluster accepts, but it says: invalid partition specified: x; not sent"
    )


def test_a_job_gets_nothing_of_one_around_the_evaluation(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(slurm, "sbatch", ACCEPTS)
    monkeypatch.setenv("SLURM_CONF", "ours.conf")
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert {"SLURM_CONF=ours.conf", "SBATCH_ACCOUNT=mine"} <= set(sent(tmp_path, slurm)[1]), "a user's own"
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    names = {line.partition("=")[0] for line in sent(tmp_path, slurm)[1]}
    assert {name for name in names if name.startswith("SLURM_")} == {"SLURM_CONF"}
    assert os.environ["SLURM_CPUS_PER_TASK"] == "8", "here nothing has changed"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            FailedJobError("Job failed:\n-----\nTraceback:\n  a line\nValueError: no\n\n-----\nlogs:\n  - /path"),
            "it ended without a word (FAILED): ValueError: no",
        ),
        (
            UncompletedJobError("Job 7 has no output\nError stream:\n-----\nsrun: error: n1: task 0: Killed\n"),
            "it ended without a word (FAILED): srun: error: n1: task 0: Killed",
        ),
        (ValueError(), "it ended without a word (FAILED): ValueError()"),
    ],
)
def test_the_last_words_of_a_job_are_one_line(error: Exception, expected: str) -> None:
    assert last_words(SimpleNamespace(state="FAILED"), error) == expected
