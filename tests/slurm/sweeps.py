"""The runner of evaluations on Slurm, with shell scripts for jobs: what kills a job, and what keeps it waiting."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from meta_nmt.evaluation.cells import Job, fingerprints
from meta_nmt.evaluation.executor import make_executor
from meta_nmt.evaluation.runner import Sweep
from meta_nmt.ledger import FILE_NAME, Ledger, latest, read_ledger
from slurm.cluster import Cluster, asked, wait_until

# counts to {last} in a file, a second each, from wherever it was: what a training with checkpoints is
COUNT = "mkdir -p {f}; n=$(cat {f}/n 2>/dev/null || echo 0); echo start >>{f}/starts; while [ $n -lt {last} ]; do "
COUNT += "sleep 1; n=$((n+1)); echo $n >{f}/n; echo $n >>{f}/all; done; touch {f}/made"
NAME = "train/count"
FOLDER = "count"


def counting(last: int, resumes: bool = True) -> Job:
    """A job that counts."""
    script = COUNT.format(f=f"@out@/{FOLDER}", last=last)
    return Job(NAME, "train", (("sh", "-c", script),), (FOLDER,), (f"{FOLDER}/made",), resumes=resumes)


def _sweep(out: Path, job: Job, parameters: Mapping[str, Any]) -> bool:
    with Ledger(out / FILE_NAME) as results:
        executor = make_executor(out / "submitit", "slurm", parameters)
        return Sweep([job], out, results, executor, {}, fingerprints([job], "hash", {}), 2).run()


class Running:
    """A sweep in a process of its own, whose standard error is a file."""

    def __init__(self, out: Path, job: Job, parameters: Mapping[str, Any] | None = None) -> None:
        out.mkdir(exist_ok=True)
        self.out, self.job = out, job
        self.errors = out.with_suffix(".err")
        self.pid = os.fork()
        if self.pid == 0:
            status = 70
            try:
                tqdm.set_lock(threading.RLock())  # its own is shared with the other process
                os.dup2(os.open(self.errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
                sys.stderr = open(2, "w", buffering=1, closefd=False)
                status = 0 if _sweep(out, job, parameters or {}) else 1
            except KeyboardInterrupt:
                status = 130
            except BaseException:
                traceback.print_exc()
            os._exit(status)

    def ends(self, limit_s: float = 600) -> int:
        """The exit status; AssertionError where it does not end in time, and then it is killed."""
        status: list[int] = []

        def ended() -> bool:
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            status.extend([code] if pid else [])
            return bool(pid)

        try:
            wait_until(ended, f"the evaluation ends: {self.said()}", limit_s)
        except AssertionError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise
        return os.waitstatus_to_exitcode(status[0])

    def said(self) -> str:
        """What it said so far, in one line."""
        return " / ".join(self.errors.read_text().split("\n")) if self.errors.exists() else ""

    def error(self) -> str:
        """What the results file says went wrong with the job."""
        return str(latest(read_ledger(self.out / FILE_NAME))[self.job.name].get("error"))

    def has_counted(self, number: int) -> bool:
        """Whether the job has counted so far."""
        file = self.out / FOLDER / "all"
        return file.exists() and len(file.read_text().split()) >= number

    def assert_counted(self, last: int, starts: int) -> None:
        """The job has counted to the end, each number once, and was started so often."""
        numbers = (self.out / FOLDER / "all").read_text().split()
        assert numbers == [str(n + 1) for n in range(last)], f"counted {numbers}"
        times = len((self.out / FOLDER / "starts").read_text().split())
        assert times == starts, f"started {times} times in place of {starts}"


def job_ids() -> list[str]:
    """The jobs in the queue, without those that have ended."""
    return asked("squeue", "--me", "--noheader", "--format=%i").split()


def _killed_process(cluster: Cluster, out: Path) -> None:
    run = Running(out, counting(8))
    wait_until(lambda: run.has_counted(3), "it counts to 3")
    number = job_ids()[0]
    workers = [pid for pid in cluster.processes(f"SLURM_JOB_ID={number}") if _runs(pid, "submitit.core._submit")]
    assert workers, "the process that submitit started is found"
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert run.ends() == 1, run.said()
    error = run.error()
    assert error.startswith("it ended without a word (FAILED)") and "\n" not in error, error
    again = Running(out, counting(8))
    assert again.ends() == 0, again.said()
    again.assert_counted(8, 2)


def _runs(pid: int, word: str) -> bool:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return word.encode() in command and b"python" in os.path.basename(command[0])


def _cancelled(cluster: Cluster, out: Path) -> None:
    run = Running(out, counting(8))
    wait_until(lambda: run.has_counted(3), "it counts to 3")
    subprocess.run(["scancel", *job_ids()], check=True)
    assert run.ends() == 1, run.said()
    assert re.search(r"was ended by SIGTERM|\(CANCELLED\)", run.error()), run.error()
    again = Running(out, counting(8))
    assert again.ends() == 0, again.said()
    again.assert_counted(8, 2)


def _crashed_node(cluster: Cluster, out: Path) -> None:
    run = Running(out, counting(8))
    wait_until(lambda: run.has_counted(3), "it counts to 3")
    node = asked("squeue", "--me", "--noheader", "--format=%N").strip()
    cluster.crash_node(node)
    try:
        assert run.ends(900) == 0, run.said()
    finally:
        cluster.start_node(node)
        wait_until(lambda: cluster.state(node) == "idle", f"{node} is back")
    run.assert_counted(8, 2)


def _time_limit(cluster: Cluster, out: Path) -> None:
    run = Running(out, counting(75), {"timeout_min": 1, "slurm_signal_delay_s": 20})
    assert run.ends(1200) == 0, run.said()
    starts = len((out / FOLDER / "starts").read_text().split())
    assert starts > 1, "the time limit has ended it"
    run.assert_counted(75, starts)


def _time_limit_of_another(cluster: Cluster, out: Path) -> None:
    run = Running(out, counting(75, resumes=False), {"timeout_min": 1, "slurm_signal_delay_s": 20})
    assert run.ends(600) == 1, run.said()
    assert run.error().startswith("sh reached its time limit (timeout_min of executor): "), run.error()


def _waits_and_is_interrupted(cluster: Cluster, out: Path) -> None:
    run = Running(out, counting(1), {"timeout_min": 601})
    wait_until(lambda: "waiting: PartitionTimeLimit" in run.said(), "the reason is said")
    os.kill(run.pid, signal.SIGINT)
    assert run.ends() == 130, run.said()
    wait_until(lambda: not job_ids(), "Ctrl-C has taken the job out of the queue")


def _all_cpus(cluster: Cluster, out: Path) -> None:
    script = f"mkdir -p @out@/{FOLDER}; scontrol show step $SLURM_JOB_ID.$SLURM_STEP_ID >@out@/{FOLDER}/made"
    job = Job(
        NAME, "train", (("sh", "-c", f"{script}; echo threads $OMP_NUM_THREADS"),), (FOLDER,), (f"{FOLDER}/made",)
    )
    run = Running(out, job, {"cpus_per_task": 3})
    assert run.ends() == 0, run.said()
    step = (out / FOLDER / "made").read_text()
    assert "CPUs=3 " in step, step
    assert "threads 3" in (out / f"logs/{NAME}.log").read_text()


CHECKS: dict[str, Callable[[Cluster, Path], None]] = {
    "a job has the CPUs that it asks for": _all_cpus,
    "what keeps a job waiting is said; Ctrl-C": _waits_and_is_interrupted,
    "scancel of a job, and the next evaluation": _cancelled,
    "kill -9 of a job's process, and the next": _killed_process,
    "the crash of a node: on another it goes on": _crashed_node,
    "a time limit: a training goes on": _time_limit,
    "a time limit: a job that can't is one line": _time_limit_of_another,
}


@contextmanager
def no_jobs_left() -> Iterator[None]:
    """After this context, no job is in the queue, whatever happened."""
    try:
        yield
    finally:
        if numbers := job_ids():
            subprocess.run(["scancel", *numbers], capture_output=True)
            wait_until(lambda: not job_ids(), "the queue is empty")
