"""Several workers: the same updates as one, an end when one of them is killed, and going on with another number."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fairseq.utils
import numpy as np
import torch

from campaign.runs import Hook, Process, difference, run, start, state, train_flags
from meta_nmt.data import language_pack

TRAIN = "meta_nmt.cli.train"
MINUTE_S = 60.0  # within which the others end


def in_double() -> None:
    """Hook: everything in float64, so that the order of summation is all that may differ."""
    read = language_pack._read_vectors
    language_pack._read_vectors = lambda path: read(path).astype(np.float64)
    torch.set_default_dtype(torch.float64)
    for name in ("softmax", "log_softmax"):  # fairseq's own are of single precision
        function = getattr(torch, name)
        setattr(fairseq.utils, name, lambda x, dim, onnx_trace=False, function=function: function(x, dim))
    fairseq.utils.clip_grad_norm_ = lambda params, most, aggregate_norm_fn=None: torch.nn.utils.clip_grad_norm_(
        list(params), most or float("inf")
    )


def as_worker(rank: int, workers: int, port: int, hook: Hook | None) -> Hook:
    """Hook: the variables that torchrun sets."""

    def set_variables() -> None:
        os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(workers)}
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        if hook is not None:
            hook()

    return set_variables


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def start_workers(workers: int, argv: list[str], folder: Path, hook: Hook | None = None) -> list[Process]:
    """As torchrun starts them, on this machine."""
    port = free_port()
    return [
        start(TRAIN, argv, folder.with_suffix(f".{rank}.log"), as_worker(rank, workers, port, hook))
        for rank in range(workers)
    ]


def run_workers(workers: int, argv: list[str], folder: Path, hook: Hook | None = None) -> None:
    for process in start_workers(workers, argv, folder, hook):
        status = process.wait()
        assert status == 0, f"a worker ended with {status}: {process.text()[-3000:]}"


def largest_difference(first: Path, second: Path) -> float:
    """Of any parameter of two runs' last checkpoints; infinite where they have not the same ones."""
    one, other = state(first)["model"], state(second)["model"]
    if one.keys() != other.keys():
        return float("inf")
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].numel())


def same_update(data: Path, work: Path, tasks: int, workers: int, more: str = "") -> float:
    """Largest difference of a parameter between one worker and several, after three updates of ``tasks`` tasks."""
    folders = [work / f"{tasks}-tasks-{n}-workers" for n in (1, workers)]
    line = f"--meta-batch-size {tasks} --max-update 3 {more}"
    run(TRAIN, train_flags(data, folders[0], line), folders[0].with_suffix(".log"), in_double)
    run_workers(workers, train_flags(data, folders[1], line), folders[1], in_double)
    return largest_difference(*folders)


def wait_for_update(process: Process, number: int, limit_s: float = 120) -> None:
    end = time.monotonic() + limit_s
    while f"num_updates={number}," not in process.text():
        over = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        assert time.monotonic() < end and not over, f"no update {number}: {process.text()[-2000:]}"
        time.sleep(0.02)


def killed_worker(data: Path, folder: Path, victim: int) -> tuple[float, Process]:
    """Seconds from the death of one of two workers to the end of the other, and the other."""
    flags = train_flags(data, folder, "--max-update 100000")
    processes = start_workers(2, flags, folder)
    try:
        wait_for_update(processes[0], 2)
        processes[victim].kill()
        processes[victim].wait()
        began = time.monotonic()
        status = processes[1 - victim].wait(MINUTE_S)
        assert status not in (0, None), f"ended with {status}: {processes[1 - victim].text()[-2000:]}"
        return time.monotonic() - began, processes[1 - victim]
    finally:
        for process in processes:
            process.kill()


def other_number(data: Path, work: Path, before: int, after: int) -> float:
    """Largest difference of a parameter between one worker all along and ``before``, then ``after`` workers."""
    whole, parts = work / "one", work / f"{before}-then-{after}"
    if not whole.exists():
        run(TRAIN, train_flags(data, whole), whole.with_suffix(".log"), in_double)
    run_workers(before, train_flags(data, parts, "--max-update 6"), parts, in_double)
    run_workers(after, train_flags(data, parts), parts, in_double)
    wrong = difference(state(whole)["position"], state(parts)["position"])
    assert wrong is None, wrong
    return largest_difference(whole, parts)


def children(pid: int) -> list[int]:
    """Processes that a process has started and that have not ended."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()]


def killed_spawned_worker(data: Path, folder: Path) -> tuple[float, Process]:
    """The same with the workers that ``--distributed-world-size 2`` starts: all of them end with the first."""
    argv = train_flags(data, folder, "--max-update 100000 --distributed-world-size 2")
    process = start(TRAIN, argv, folder.with_suffix(".log"))
    try:
        wait_for_update(process, 2)
        workers = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(workers[-1], signal.SIGKILL)
        began = time.monotonic()
        status = process.wait(MINUTE_S)
        assert status == 2, f"ended with {status}: {process.text()[-2000:]}"
        return time.monotonic() - began, process
    finally:
        process.kill()


def attempt(rows: list[tuple[str, int, list[str]]], fault: str, check: Callable[[], Any]) -> None:
    """A row of one try: lost where ``check`` raises or returns a complaint."""
    try:
        wrong = check()
    except AssertionError as error:
        wrong = str(error)
    rows.append((fault, 1, [wrong] if wrong else []))


def campaign(data: Path, work: Path) -> list[tuple[str, int, list[str]]]:
    """Rows (fault, tries, what was lost)."""
    rows: list[tuple[str, int, list[str]]] = []

    def close(difference: float) -> str | None:
        return None if difference < 1e-6 else f"parameters differ by {difference}"

    def soon(seconds: float) -> str | None:
        return None if seconds < MINUTE_S else f"the others ended after {seconds:.0f} s"

    for tasks, workers, learner in ((4, 2, ""), (3, 2, ""), (1, 2, ""), (5, 3, ""), (4, 2, "maml")):
        name = f"distributed: {tasks} tasks on {workers} workers {learner}".rstrip()
        more = f"--meta-learner {learner}" if learner else ""
        folder = work / f"update-{len(rows)}"
        folder.mkdir()
        attempt(rows, name, lambda t=tasks, w=workers, f=folder, m=more: close(same_update(data, f, t, w, m)))
    for victim in (0, 1):
        folder = work / f"killed-{victim}"
        attempt(rows, f"distributed: worker {victim} of 2 killed", lambda v=victim, f=folder: soon(
            killed_worker(data, f, v)[0]))  # fmt: skip
    attempt(rows, "distributed: spawned worker killed", lambda: soon(killed_spawned_worker(data, work / "spawned")[0]))
    for before, after in ((2, 1), (1, 2), (2, 3)):
        folder = work / f"restart-{before}-{after}"
        folder.mkdir()
        attempt(rows, f"distributed: restarted with {after} workers instead of {before}",
                lambda b=before, a=after, f=folder: close(other_number(data, f, b, a)))  # fmt: skip
    return rows
