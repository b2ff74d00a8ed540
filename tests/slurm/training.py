"""recipes/slurm.sbatch with tiny models, without GPUs: workers talk through gloo."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign import distributed, runs

from slurm.cluster import Cluster, asked, wait_until
from slurm.sweeps import job_ids

REPO = Path(__file__).resolve().parents[2]
RECIPE = "recipes/slurm.sbatch"
ENDLESS = "--max-update 100000 --save-interval-updates 2 --disable-validation"


UPDATES = r"num_updates[= ](\d+)"


def went_on(log: str) -> bool:
    """Whether a training that was started twice, or oftener, made its next update the last time, not its first."""
    *_, before, last = ["", "", *log.split("task: MetaTranslationTask")[1:]]
    made, then = re.findall(UPDATES, before), re.findall(UPDATES, last)
    return bool(made and then) and int(then[0]) > 1


class Job:
    """A job of the recipe, with the file of what it says."""

    def __init__(self, flags: Sequence[str], training: Sequence[str], log: Path) -> None:
        self.log = log
        command = ["sbatch", "--parsable", f"--output={log}", *flags, RECIPE, *training]
        sent = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
        assert sent.returncode == 0, sent.stderr
        self.number = sent.stdout.strip()

    def shown(self, field: str) -> str:
        """A field of what Slurm shows of it."""
        found = re.search(rf"\b{field}=(\S+)", asked("scontrol", "show", "job", self.number))
        assert found is not None, f"Slurm shows {field}"
        return found[1]

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, limit_s: float = 600) -> str:
        """The job's state when it has ended, in Slurm's words; AssertionError where it does not end in time."""
        wait_until(lambda: self.number not in job_ids(), f"job {self.number} ends: {self.said()[-2000:]}", limit_s)
        return self.shown("JobState")


def _two_nodes(cluster: Cluster, work: Path) -> None:
    data = _data(work)
    flags = "--max-update 3 --adam-eps 1e-3"  # Adam would divide rounding errors by themselves
    job = Job(["--nodes=2"], runs.train_flags(data, work / "two", flags), work / "two.out")
    state = job.wait()
    assert state == "COMPLETED" and job.shown("NumNodes") == "2", f"{state}: {job.said()[-3000:]}"
    assert "training on 2 devices" in job.said(), "two workers"
    runs.run(distributed.TRAIN, runs.train_flags(data, work / "one", flags), work / "one.log")
    different = distributed.largest_difference(work / "one", work / "two")
    assert different < 1e-5, f"one worker comes to other parameters, by {different}"


def _killed_worker(cluster: Cluster, work: Path) -> None:
    data = _data(work)
    training = runs.train_flags(data, work / "run", "--max-update 300 --save-interval-updates 2 --disable-validation")
    job = Job(["--nodes=2", "--time=1:00:00"], training, work / "first.out")
    wait_until((work / "run/checkpoint_last.pt").exists, "there is a checkpoint", 600)
    workers = [pid for pid in cluster.processes("SLURMD_NODENAME=n2", f"SLURM_JOB_ID={job.number}") if _is_worker(pid)]
    assert workers, "the worker of the second node is found"
    os.kill(workers[0], signal.SIGKILL)
    assert job.wait(180) == "FAILED", "the other worker ended too"
    updates = _updates(work / "run")
    assert 0 < updates < 300, f"{updates} updates: it was ended on the way"
    again = Job(["--nodes=1"], [*training, "--max-update", str(updates + 4)], work / "second.out")
    assert again.wait() == "COMPLETED", again.said()[-3000:]
    first = re.search(UPDATES, again.said())
    assert first is not None and int(first[1]) == updates + 1, f"it went on after {updates}: {again.said()[-3000:]}"
    assert _updates(work / "run") == updates + 4


def _time_limit(cluster: Cluster, work: Path) -> None:
    training = runs.train_flags(_data(work), work / "run", ENDLESS)
    job = Job(["--nodes=1", "--time=3", "--signal=B:USR1@15"], training, work / "run.out")
    wait_until(lambda: job.shown("Restarts") != "0", "it is sent again", 600)
    assert "the time limit is near: the job is sent again" in job.said(), job.said()[-3000:]
    wait_until(lambda: went_on(job.said()), "it goes on from its checkpoint", 900)


def _crashed_node(cluster: Cluster, work: Path) -> None:
    training = runs.train_flags(_data(work), work / "run", ENDLESS)
    job = Job(["--nodes=1", "--time=1:00:00"], training, work / "run.out")
    wait_until((work / "run/checkpoint_last.pt").exists, "there is a checkpoint", 600)
    node = job.shown("BatchHost")
    cluster.crash_node(node)
    try:
        wait_until(lambda: went_on(job.said()), "it goes on from its checkpoint", 900)
        other = job.shown("BatchHost")
    finally:
        cluster.start_node(node)
        wait_until(lambda: cluster.state(node) == "idle", f"{node} is back")
    assert other != node and job.shown("Restarts") == "1", f"on {other} after {node}"


def _data(work: Path) -> Path:
    work.mkdir()
    return runs.data_folder(work)


def _updates(run: Path) -> int:
    return int(runs.state(run)["schedule"]["num_updates"])


def _is_worker(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return distributed.TRAIN.encode() in words and not any(b"torchrun" in word for word in words)


CHECKS: dict[str, Callable[[Cluster, Path], None]] = {
    "slurm.sbatch: two nodes, and one worker's result": _two_nodes,
    "slurm.sbatch: kill -9 of a worker, and sent again": _killed_worker,
    "slurm.sbatch: the crash of a node": _crashed_node,
    "slurm.sbatch: a time limit": _time_limit,
}
