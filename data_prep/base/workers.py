"""Processes: a pool of single-threaded workers that end with their parent, and results in the order of the jobs."""

import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from data_prep.base import interrupts
from data_prep.base.errors import InputError

Result = TypeVar("Result")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PR_SET_PDEATHSIG = 1  # prctl: the signal that a process gets when its parent ends


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def check_workers(workers: int) -> None:
    """InputError unless the number of workers is positive."""
    if workers < 1:
        raise InputError(f"--workers must be at least 1 (processes), but is {workers}")


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """A pool of processes with one BLAS thread each; None for a single worker, which needs no process of its own.

    In the calling process BLAS keeps to one thread too, so that results do not depend on where they were computed.
    """
    with threadpool_limits(1):
        if workers == 1:
            yield None
            return
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))  # inherited by the processes, which start with their first job
        try:
            with ProcessPoolExecutor(workers, get_context("spawn"), _end_with, (os.getpid(),)) as pool:
                try:
                    yield pool
                except KeyboardInterrupt:
                    pool.shutdown(wait=False, cancel_futures=True)
                    interrupts.end_children()  # or the end of this block would wait for their work
                    raise
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _end_with(parent: int) -> None:
    """End this worker process when its parent ends, and without a word after Ctrl-C.

    Otherwise a worker of a killed parent would go on writing beside the parent's next run.
    """
    interrupts.die_silently()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def submit(pool: Executor, function: Callable[..., Result], *args: Any) -> Future[Result]:
    """A job given to a pool, which may start a process for it."""
    with interrupts.held_back():
        return pool.submit(function, *args)


def in_order(pool: Executor | None, function: Callable[..., Result], jobs: Iterable[tuple]) -> Iterator[Result]:
    """The results of ``function(*job)`` for every job, in order; only a few jobs are taken from ``jobs`` in advance."""
    if pool is None:
        yield from (function(*job) for job in jobs)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(submit(pool, function, *job))
            if len(waiting) > 2 * cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
