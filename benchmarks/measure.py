"""What every benchmark shares: rows, rounds in turns, medians and their spread, memory of a process, the table.

A row compares two sides that were measured by turns, so that a slow minute of the machine hits both alike. What cannot
be measured here is a row too, with the reason.
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
    """name; ours and peer in ``unit``; ratio, better when higher unless ``what`` says otherwise; spread: least and
    greatest ratio of the rounds; what: is compared. All figures are None where ``unmeasured`` has the reason."""

    name: str
    ours: float | None
    peer: float | None
    ratio: float | None
    unit: str
    spread: tuple[float, float] | None = None
    what: str = ""
    unmeasured: str = ""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def unmeasured(name: str, unit: str, reason: object) -> Row:
    """A row without figures; an exception's first line is a reason."""
    if isinstance(reason, BaseException):
        reason = f"{type(reason).__name__}: {str(reason).strip().splitlines()[0] if str(reason).strip() else ''}"
    return Row(name, None, None, None, unit, unmeasured=str(reason))


def rounded(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.4g}")


def compare(name: str, unit: str, ours: Sequence[float], peer: Sequence[float], what: str = "") -> Row:
    """ours / peer: medians of both sides, and the median and spread of the rounds' own ratios."""
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
    """The same amount of work on both sides, from the seconds that it took: above 1 is faster than the peer."""
    return compare(name, unit, [amount / s for s in ours], [amount / s for s in peer], what)


def in_turns(
    steps: dict[str, Callable[[], object]], rounds: int, wait: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Seconds of each step: one round that warms up, then ``rounds`` of all in turns, every other one backwards.

    ``wait`` ends what a step left running (a GPU's queue).
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

    VmHWM and not ru_maxrss: the latter begins with what the process had that started this one.
    """
    return _status("VmHWM")


def resident_mib() -> float:
    """What it has resident now, in MiB."""
    return _status("VmRSS")


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status: has no {field}")


def reset_peak() -> None:
    """Forget the highest memory so far."""
    Path("/proc/self/clear_refs").write_text("5")


def unique_mib() -> float:
    """Memory that this process alone has (USS), in MiB: pages that others could map too are not counted."""
    private = 0
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            private += int(line.split()[1])
    return private / 1024


def peak_of(work: Callable[[], object]) -> dict[str, float]:
    """MiB: ``added`` by ``work`` at its peak to what was resident before, and ``whole``, all of the process."""
    gc.collect()
    before = resident_mib()
    reset_peak()
    work()
    return {"added": max(peak_mib() - before, 0.1), "whole": peak_mib()}


def apart(function: Callable[..., dict[str, float]], *args: Any) -> dict[str, float]:
    """What ``function(*args)`` of this package returns in a process of its own; ``args`` go as JSON.

    Raises:
        RuntimeError: it failed; the message is the last line that it wrote.
    """
    name = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-m", "benchmarks.measure", name, json.dumps(args)]
    process = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError((process.stderr.strip() or f"exit status {process.returncode}").splitlines()[-1])
    figures: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return figures


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as lines of text."""
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


if __name__ == "__main__":  # the other end of `apart`
    module, _, called = sys.argv[1].partition(":")
    print(json.dumps(getattr(importlib.import_module(module), called)(*json.loads(sys.argv[2]))))
