"""The numbers of a run, as fairseq's trainer hands them to its progress bar, for listeners.

The form of a log line depends on ``--log-format``; what listeners get does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

TRAIN = "train"
INTERVAL, EPOCH = "train_inner", "train"  # fairseq's tags of a stretch of training, and of a whole epoch


@dataclass(frozen=True)
class Progress:
    """A report of the trainer at one moment.

    split: `TRAIN` for training since the last such report, or the name of the subset that was validated on.
    updates: the updates of the run so far.
    numbers: by fairseq's names (loss, bleu, lr ...); only those that are finite.
    """

    split: str
    updates: int
    numbers: Mapping[str, float]


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """In this context, ``listener`` hears every report of a trainer in this process."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def telling(bar: Any) -> Any:
    """A progress bar of fairseq's, changed so that it tells listeners what it is given to show."""
    log, print_ = bar.log, bar.print

    def log_and_tell(stats: Mapping[str, Any], tag: str | None = None, step: int | None = None) -> None:
        log(stats, tag=tag, step=step)
        if tag == INTERVAL:
            _tell(TRAIN, stats)

    def print_and_tell(stats: Mapping[str, Any], tag: str | None = None, step: int | None = None) -> None:
        print_(stats, tag=tag, step=step)
        if tag is not None and tag != EPOCH:  # the report of an epoch repeats what listeners have heard
            _tell(tag, stats)

    bar.log, bar.print = log_and_tell, print_and_tell
    return bar


def _tell(split: str, stats: Mapping[str, Any]) -> None:
    numbers = {name: number for name, value in stats.items() if math.isfinite(number := _number(value))}
    if "num_updates" in numbers:
        progress = Progress(split, int(numbers["num_updates"]), numbers)
        for listener in list(_listeners):
            listener(progress)


def _number(value: Any) -> float:
    """The number that a value is, or that a tensor of one element holds; NaN for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan
