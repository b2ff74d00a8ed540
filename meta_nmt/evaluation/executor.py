"""Where the jobs of an evaluation run: submitit's executor, for processes here or for Slurm, and what it says of a job.

A job of Slurm that reaches its time limit is sent again by submitit if it resumes (`worker.Resumable`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError, cloudpickle
from submitit.helpers import clean_env

from data_prep.base.errors import InputError
from meta_nmt.evaluation import worker
from meta_nmt.evaluation.slurm_queue import SlurmQueue

CLUSTERS = ("local", "slurm")
# minutes that a job may take, unless the experiment says otherwise. Nobody waits for a place in a local queue. In that
# of Slurm a short job starts sooner, many partitions allow no more, and a training goes on after it.
TIMEOUT_MIN = {"local": 7 * 24 * 60, "slurm": 4 * 60}
RESTARTS = 20  # of a Slurm job at its time limit, unless the experiment has max_num_timeout
# since Slurm 22.05 srun does not take this from the job
SETUP = ['[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK']
SLURM_TIME = re.compile(r"(?:(?P<days>\d+)-(?=\d))?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


def make_executor(folder: Path, cluster: str, parameters: Mapping[str, Any]) -> submitit.AutoExecutor:
    """The executor that submits jobs; InputError where submitit does not know a parameter, or there is no cluster."""
    # a job's process gets the code of the worker itself, and does not load this package
    cloudpickle.register_pickle_by_value(worker)
    given = {"timeout_min": TIMEOUT_MIN[cluster], "name": "meta-nmt", **parameters}
    restarts = given.pop("max_num_timeout", given.pop("slurm_max_num_timeout", RESTARTS))
    if not isinstance(restarts, int):
        raise InputError(f"executor: max_num_timeout must be a whole number, but is {restarts}")
    for name in ("time", "slurm_time"):
        if name in given:
            given["slurm_timeout_min"] = minutes(given.pop(name), name)
    if cluster == "slurm":
        submitit.SlurmJob.watcher = SlurmQueue()
        given |= {"slurm_setup": SETUP, "slurm_additional_parameters": {"requeue": True}}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=restarts)
        executor.update_parameters(**given)
    except (NameError, AssertionError, ValueError, RuntimeError) as error:
        raise InputError(f"executor: must fit submitit's {cluster} executor: {str(error).splitlines()[0]}") from None
    return executor


def minutes(time: object, name: str = "time") -> int:
    """The minutes, rounded up, of a time limit as Slurm writes it; submitit counts with minutes alone.

    Slurm knows minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes and
    days-hours:minutes:seconds. Source: the page of sbatch, ``--time``. InputError where it is none of them.
    """
    found = SLURM_TIME.fullmatch(str(time))
    if found is None:
        raise InputError(f"executor: {name} must be a time of Slurm, such as 90 or 1-12:00:00, but is {time}")
    first, second, third = (int(found[part] or 0) for part in ("first", "second", "third"))
    if found["days"] is not None:  # hours come first
        hours, mins, seconds = 24 * int(found["days"]) + first, second, third
    elif found["third"] is not None:
        hours, mins, seconds = first, second, third
    else:
        hours, mins, seconds = 0, first, second
    return 60 * hours + mins + -(-seconds // 60)


def submit(executor: submitit.AutoExecutor, order: worker.Order, log: Path) -> Any:
    """Submit a job; returns submitit's handle of it. InputError where the cluster refuses it.

    ``log``: the file that takes what submitit's own processes say.
    """
    with _errors_to(log), _no_outer_job():
        try:
            return executor.submit(worker.Resumable() if order.resumes else worker.run_job, order)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = "; ".join(line.removeprefix("sbatch: error: ") for line in str(error).splitlines() if line.strip())
    raise InputError(f"executor: must be what the cluster accepts, but it says: {said or 'nothing'}")


def last_words(handle: Any, error: Exception) -> str:
    """One line on a job that left no outcome: its state on the cluster, and the last line that submitit has of it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    ends = [number for number, line in enumerate(lines) if set(line) == {"-"}]
    if isinstance(error, FailedJobError) and len(ends) > 1:  # the trace stands between the two; paths come after it
        lines = lines[: ends[-1]]
    return f"it ended without a word ({handle.state}): {lines[-1] if lines else repr(error)}"[:500]


@contextmanager
def _no_outer_job() -> Iterator[None]:
    """In this context, the environment says nothing of a job of Slurm in which the evaluation itself runs.

    Else the new jobs would take after it. What a user has set outside of any job stays, and so does SLURM_CONF.
    """
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    configuration = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    with clean_env():
        os.environ.update(configuration)
        yield


@contextmanager
def _errors_to(log: Path) -> Iterator[None]:
    """In this context, standard error is a file, also for processes that are started in it.

    submitit's own process answers Ctrl-C, which a terminal gives to all of them, with a traceback.
    """
    before = os.dup(2)
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
