"""The worker, which runs where a job runs: its commands in order, behind a lock that only one process can hold.

It uses only the standard library: its code is sent to the job's process, which need not load torch to start a command.
The commands inherit the lock. So it is held until the last of a job's processes has ended, whichever was killed before.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Outcome = dict[str, Any]  # state (finished or failed), error, seconds


@dataclass(frozen=True)
class Order:
    """A job with every place filled and absolute paths; ``fingerprint`` says which version of the job it is.

    place: how the paths of three files begin: <place>.lock, <place>.started (the version that the folders are of) and
        <place>.done (the outcome).
    """

    fingerprint: str
    commands: Sequence[Sequence[str]]
    shown: Sequence[str]  # the commands as a person would write them
    folders: Sequence[str]
    makes: Sequence[str]
    resumes: bool
    place: str
    log: str
    cwd: str


def run_job(order: Order) -> Outcome:
    """Run an order, or wait for the process of an earlier evaluation that runs it. A command never makes it raise."""
    Path(order.place).parent.mkdir(parents=True, exist_ok=True)
    Path(order.log).parent.mkdir(parents=True, exist_ok=True)
    with open(f"{order.place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        earlier = finished(order.place, order.fingerprint)
        if earlier is not None:
            return earlier
        start = time.monotonic()
        resumed = _prepare(order)
        error = _run(order, lock.fileno(), resumed)
        outcome: Outcome = {"state": "failed" if error else "finished", "error": error}
        outcome["seconds"] = round(time.monotonic() - start, 1)
        if error is None:
            _write(f"{order.place}.done", json.dumps({**outcome, "fingerprint": order.fingerprint}))
        return outcome


class Resumable:
    """`run_job` for a job that goes on where it was; such a job is sent again at its time limit.

    submitit calls ``checkpoint`` some time before the limit, ends the job, and lets Slurm send it again.
    """

    def __call__(self, order: Order) -> Outcome:
        """Run an order."""
        return run_job(order)

    def checkpoint(self, order: Order) -> Any:
        """What is sent again: the same order, since what was done so far is in the job's folders."""
        from submitit.core.utils import DelayedSubmission  # the job's process has loaded it

        return DelayedSubmission(self, order)


def finished(place: str, fingerprint: str) -> Outcome | None:
    """The outcome that a process left, if this version of the job has finished; None otherwise."""
    try:
        with open(f"{place}.done", encoding="utf-8") as file:
            outcome: Outcome = json.load(file)
    except (OSError, ValueError):
        return None
    return outcome if outcome.pop("fingerprint", None) == fingerprint else None


def is_held(place: str) -> bool:
    """Whether a process holds the lock of a job, and so runs it."""
    try:
        with open(f"{place}.lock", "r+") as lock:  # NFS gives an exclusive lock to those alone who may write
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _prepare(order: Order) -> bool:
    """Remove the folders of a job that starts afresh; returns whether it goes on in them instead.

    It goes on where the job resumes, and where its folders are of this version.
    """
    started = Path(f"{order.place}.started")
    resumed = order.resumes and started.is_file() and started.read_text() == order.fingerprint
    if not resumed:
        started.unlink(missing_ok=True)  # if it is killed in the next lines, it starts afresh again
        for folder in order.folders:
            if os.path.exists(folder):
                shutil.rmtree(folder)
        _write(str(started), order.fingerprint)
    return resumed


def _run(order: Order, lock: int, resumed: bool) -> str | None:
    """Run the commands; returns what went wrong, in one line, or None."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("SLURM_CPUS_PER_TASK", "1")}
    with open(order.log, "ab" if resumed else "wb") as log:
        for command, shown in zip(order.commands, order.shown, strict=True):
            log.write(f"+ {shown}\n".encode())
            log.flush()
            try:
                status = subprocess.run(
                    command, cwd=order.cwd, env=environment, pass_fds=(lock,), preexec_fn=_ignore_warnings,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                ).returncode  # fmt: skip
            except OSError as error:
                return f"{shlex.split(shown)[0]} could not be started: {error}"
            except RuntimeError as error:  # submitit's, in answer to the warning
                return f"{shlex.split(shown)[0]} reached its time limit (timeout_min of executor): {error}"
            if status:
                return f"{shlex.split(shown)[0]} {_reason(status)}: {_last_line(order.log)}"
    missing = [name for name in order.makes if not os.path.exists(name)]
    return f"it made no {', '.join(missing)}" if missing else None


def _ignore_warnings() -> None:
    """Let a command live on at the signal that warns of the time limit: Slurm gives it to all processes of a job."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def _reason(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _last_line(log: str) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - 4_000))
        lines = file.read().decode("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:500]


def _write(path: str, text: str) -> None:
    """Write a file; it is on disk and whole when this returns."""
    temporary = f"{path}.partial"  # the lock keeps others from writing it
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
