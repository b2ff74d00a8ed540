"""The numbers of a training: a JSON line for each validation and each stretch of training, in the run's folder.

fairseq's own ``--log-file`` writes every line again each epoch, in the form of ``--log-format``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meta_nmt.runs.progress import Progress, listen
from meta_nmt.runs.run_folder import RunFolder

KEPT = ("loss", "nll_loss", "support_loss", "ppl", "bleu", "lr")


@contextmanager
def kept(save_dir: str | Path) -> Iterator[None]:
    """In this context, what a trainer reports is written to the training log of the folder ``save_dir``."""
    path = RunFolder(save_dir).training_log

    def keep(progress: Progress) -> None:
        numbers = progress.numbers
        line: dict[str, Any] = {"split": progress.split, "updates": progress.updates}
        # with as many digits as a log line shows
        line |= {name: float(f"{numbers[name]:g}") for name in KEPT if name in numbers}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    with listen(keep):
        yield


def read(save_dir: str | Path) -> dict[str, list[dict[str, Any]]]:
    """The points of each split, in the order of their updates.

    Points that a resumed run measured again count once. A torn or foreign line is skipped: a log is not worth an error.
    """
    points: dict[str, dict[int, dict[str, Any]]] = {}
    try:
        lines = RunFolder(save_dir).training_log.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    for line in lines:
        try:
            point = json.loads(line)
            points.setdefault(point["split"], {})[int(point["updates"])] = point
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
    return {split: [by_update[u] for u in sorted(by_update)] for split, by_update in points.items()}


def best_bleu(save_dir: str | Path) -> float | None:
    """The best BLEU of all validations of a run; None where it measured no BLEU."""
    scores = [point["bleu"] for point in read(save_dir).get("valid", []) if "bleu" in point]
    return max(scores, default=None)
