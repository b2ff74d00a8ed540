"""What every benchmark shares: rows, rounds in turns, medians and their spread, memory of a process, the table.

A row compares two sides that were measured in turns, so that a slow minute of the machine affects both. A measurement
that is not possible on this machine is a row too, with the reason.
"""

from __future__ import annotations

import gc
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """A row of the table: a measurement of our side and of a peer.

    ours, peer: the figures, in ``unit``.
    ratio: ours over peer; higher is better unless ``what`` says otherwise.
    spread: the least and the greatest ratio of the rounds.
    what: what is compared.
    unmeasured: the reason why there are no figures; all of them are None then.
    """

    name: str
    ours: float | None
    peer: float | None
    ratio: float | None
    unit: str
    spread: tuple[float, float] | None = None
    what: str = ""
    unmeasured: str = ""

    def record(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return asdict(self)


def unmeasured(name: str, unit: str, reason: object) -> Row:
    """A row without figures; ``reason`` may be an exception, of which the first line counts."""
    if isinstance(reason, BaseException):
        reason = f"{type(reason).__name__}: {str(reason).strip().splitlines()[0] if str(reason).strip() else ''}"
    return Row(name, None, None, None, unit, unmeasured=str(reason))


def rounded(value: float) -> float:
    """The value rounded to four significant digits."""
    return float(f"{value:.4g}")


def compare(name: str, unit: str, ours: Sequence[float], peer: Sequence[float], what: str = "") -> Row:
    """The row of two sides measured in rounds: the medians of both, and the median and spread of the rounds' ratios."""
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    return Row(
        name,
        rounded(statistics.median(ours)),
        rounded(statistics.median(peer)),
        rounded(statistics.median(ratios)),
        unit,
        (rounded(min(ratios)), rounded(max(ratios))),
        what,
    )


def speeds(name: str, unit: str, amount: float, ours: Sequence[float], peer: Sequence[float], what: str = "") -> Row:
    """The row of two speeds, from the seconds that both sides took for the same amount of work.

    A ratio above 1: ours is faster than the peer.
    """
    return compare(name, unit, [amount / s for s in ours], [amount / s for s in peer], what)


def in_turns(
    steps: dict[str, Callable[[], object]], rounds: int, wait: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """The seconds of each step in ``rounds`` rounds, after one round that warms up.

    In a round all steps run in turns, in every other round in reverse order. ``wait`` waits for the work that a step
    has left running (a GPU's queue).
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in tqdm(range(rounds + 1), desc="rounds", leave=False, disable=not sys.stderr.isatty()):
        order = list(steps.items())
        for name, step in order if number % 2 else reversed(order):
            gc.collect()
            start = time.perf_counter()
            step()
            wait()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def peak_mib() -> float:
    """The most memory that this process has had resident since `reset_peak`, in MiB.

    It is VmHWM and not ru_maxrss, which begins with the memory of the process that started this one.
    """
    return _status("VmHWM")


def resident_mib() -> float:
    """The memory that this process has resident now, in MiB."""
    return _status("VmRSS")


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status: has no {field}")


def reset_peak() -> None:
    """Make `peak_mib` forget the highest memory so far."""
    Path("/proc/self/clear_refs").write_text("5")


def unique_mib() -> float:
    """The memory that this process alone has (USS), in MiB: pages that other processes could map are not counted."""
    private = 0
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            private += int(line.split()[1])
    return private / 1024


def peak_of(work: Callable[[], object]) -> dict[str, float]:
    """The peak memory of ``work`` in MiB.

    added: at the peak, over the memory that was resident before.
    whole: at the peak, all of the process.
    """
    gc.collect()
    before = resident_mib()
    reset_peak()
    work()
    return {"added": max(peak_mib() - before, 0.1), "whole": peak_mib()}


def apart(function: Callable[..., dict[str, float]], *args: Any) -> dict[str, float]:
    """Call ``function(*args)`` of this package in a new process, with ``args`` as JSON; returns its result.

    Raises:
        RuntimeError: the process failed; the message is the last line that it wrote.
    """
    name = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-m", "benchmarks.measure", name, json.dumps(args)]
    process = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError((process.stderr.strip() or f"exit status {process.returncode}").splitlines()[-1])
    figures: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return figures


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The lines of a table of rows, the head first."""
    head = f"{'name':46} {'ours':>10} {'peer':>10} {'ratio':>7} {'unit':14} spread"
    yield head
    for row in rows:
        yield line_of(row)


def line_of(row: Row) -> str:
    """A row as a line of the table."""
    if row.unmeasured:
        return f"{row.name:46} unmeasured: {row.unmeasured}"
    spread = f"{row.spread[0]:g} to {row.spread[1]:g}" if row.spread else ""
    return f"{row.name:46} {row.ours:>10g} {row.peer:>10g} {row.ratio:>7.3g} {row.unit:14} {spread}"


if __name__ == "__main__":  # the new process that `apart` starts
    module, _, called = sys.argv[1].partition(":")
    print(json.dumps(getattr(importlib.import_module(module), called)(*json.loads(sys.argv[2]))))
