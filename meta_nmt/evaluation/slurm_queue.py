"""What Slurm's queue says of jobs.

submitit asks sacct, which knows nothing where the cluster keeps no accounts: a job that was killed would be waited for
without end. squeue answers wherever jobs can be sent. It forgets a job some minutes after its end (MinJobAge).
"""

from __future__ import annotations

import subprocess
import sys
import time

from submitit.slurm.slurm import SlurmInfoWatcher
from tqdm import tqdm

# one call for all jobs of this user: squeue refuses a list of jobs where it has forgotten one
COMMAND = ("squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%r")
TIMEOUT_S = 120
DELAY_S = 30  # at most between two calls; sooner after a job was submitted
ENDED = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split()
)
GONE = "GONE"  # squeue has forgotten it, so it has ended
UNKNOWN = "UNKNOWN"
PATIENCE = ("None", "Priority", "Resources", "BeginTime", "Cleaning")  # reasons to wait for a place that will come


class SlurmQueue(SlurmInfoWatcher):
    """submitit's watcher of jobs, which asks squeue. What it can't ask, or what keeps a job waiting, it says once."""

    def __init__(self, delay_s: int = DELAY_S) -> None:
        super().__init__(delay_s)
        self._said: set[str] = set()

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        """The state of a job in Slurm's words; UNKNOWN before squeue has answered."""
        return self.get_info(job_id, mode).get("State", UNKNOWN)

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        """Whether a job has ended for good; one that Slurm sends again has not."""
        state = self.get_state(job_id, mode)
        return state in ENDED or state == GONE

    def update(self) -> None:
        """Ask squeue; where it does not answer, what is known stays."""
        self._num_calls += 1
        self._last_status_check = time.time()
        try:
            answer = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S)
            refusal = answer.stderr if answer.returncode else None
        except (OSError, subprocess.TimeoutExpired) as error:
            refusal = str(error)
        if refusal is not None:
            words = refusal.strip().splitlines() or ["nothing"]
            self._say_once(f"squeue does not tell what the jobs do, so they are waited for; it says: {words[-1]}")
            return
        entries = [line.split("|", 2) for line in answer.stdout.splitlines() if line.count("|") >= 2]
        states = {job_id: state for job_id, state, _ in entries}
        for job_id in self._registered:
            self._info_dict[job_id] = {"State": states.get(job_id, GONE)}
        for job_id, state, reason in entries:
            if job_id in self._registered and state == "PENDING" and not reason.startswith(PATIENCE):
                self._say_once(f"Slurm keeps job {job_id} waiting: {reason}", reason)

    def _say_once(self, text: str, about: str = "") -> None:
        if (about or text) not in self._said:
            self._said.add(about or text)
            tqdm.write(f"warning: {text}", file=sys.stderr)
