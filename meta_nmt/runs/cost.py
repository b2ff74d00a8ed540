"""Cost records: what a run cost, a JSON line for each process in its folder, so that every result names its cost."""

from __future__ import annotations

import json
import math
import platform
import resource
import time
from pathlib import Path
from types import NoneType
from typing import Any

from data_prep.base.errors import InputError
from data_prep.base.files import parse_json, write_text
from meta_nmt.runs.run_folder import RunFolder


def device_name() -> str:
    """The name of the GPU; without one, the name of the processor and the number of threads."""
    import torch  # loaded here and below, since reading records does not need it

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux: the general name will do
    return f"{model}, {torch.get_num_threads()} threads"


def peak_memory_mib() -> float:
    """Peak memory of this process in MiB: of the GPU where there is one, else resident."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


class CostMeter:
    """A meter of time and memory, from its construction to `record`."""

    def __init__(self, kind: str, command: str, run: str | Path, parent: str | None = None) -> None:
        self.fields: dict[str, Any] = {"command": command, "kind": kind, "run": str(run), "parent": parent}
        self.start = time.monotonic()

    def record(self, train_tokens: int = 0, train_s: float = 0.0) -> dict[str, Any]:
        """The cost record of this process. Earlier records of the run are subtracted, so that all add up to its cost.

        train_tokens: source and target tokens that the run took gradients on, interrupted processes included.
        train_s: seconds of training of the run, interrupted processes included.
        """
        earlier = read_records(self.fields["run"])
        wall_s = max(time.monotonic() - self.start, train_s - sum(r["wall_s"] for r in earlier))
        return {
            **self.fields,
            "train_tokens": train_tokens - sum(r["train_tokens"] for r in earlier),
            "wall_s": round(wall_s, 1),
            "peak_memory_mib": round(peak_memory_mib(), 1),
            "device": device_name(),
        }


def append(run: str | Path, record: dict[str, Any]) -> None:
    """Add a record to a run's file, whole or not at all; a process that had nothing left to do adds none."""
    path = RunFolder(run).costs
    lines_before = path.read_text(encoding="utf-8") if path.exists() else ""
    if not lines_before or record["train_tokens"]:
        write_text(path, lines_before + json.dumps(record) + "\n")


def read_records(run: str | Path) -> list[dict[str, Any]]:
    """The records of a run, oldest first; none where it has no cost file. InputError if the file is malformed."""
    path = RunFolder(run).costs
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_checked(parse_json(line, "it")) for line in lines]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: must hold one cost record a line, but: {error!r}") from None


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """A record whose fields are of their types; KeyError, TypeError or ValueError where one cannot be."""
    numbers = {"wall_s": float(record["wall_s"]), "peak_memory_mib": float(record.get("peak_memory_mib", 0))}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError("a number that is infinite or NaN")
    parent = record["parent"]
    if not isinstance(parent, (str, NoneType)):
        raise TypeError("a parent that is no path")
    texts = {name: str(record[name]) for name in ("command", "kind", "run", "device") if name in record}
    return record | texts | numbers | {"train_tokens": int(record["train_tokens"])}


def history(checkpoint: str | Path) -> list[dict[str, Any]]:
    """The cost records of a checkpoint's run, and of the runs that it started from, oldest first."""
    records: list[dict[str, Any]] = []
    seen: set[Path] = set()
    current: str | Path | None = checkpoint
    while current and (run := Path(current).parent) not in seen:
        seen.add(run)
        of_run = read_records(run)
        records = of_run + records
        current = of_run[-1]["parent"] if of_run else None
    return records
