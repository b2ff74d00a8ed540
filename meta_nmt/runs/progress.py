"""The numbers of a run as fairseq's trainer hands them to its progress bar, for whoever listens.

What a log line says of them depends on ``--log-format``; what listeners hear does not.
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
    """What the trainer reports at one moment.

    split: `TRAIN` for the stretch of training since the last such report, or the subset that was validated on.
    updates: of the run so far.
    numbers: by fairseq's names (loss, bleu, lr ...), where they are finite.
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
    """One of fairseq's progress bars, made to tell the listeners what it is given to show."""
    log, print_ = bar.log, bar.print

    def log_and_tell(stats: Mapping[str, Any], tag: str | None = None, step: int | None = None) -> None:
        log(stats, tag=tag, step=step)
        if tag == INTERVAL:
            _tell(TRAIN, stats)

    def print_and_tell(stats: Mapping[str, Any], tag: str | None = None, step: int | None = None) -> None:
        print_(stats, tag=tag, step=step)
        if tag is not None and tag != EPOCH:  # the epoch's own report repeats what was heard before
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
    """A number or a tensor of one; NaN for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan
