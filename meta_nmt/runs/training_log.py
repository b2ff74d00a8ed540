"""What fairseq says during training, as numbers: a JSON line for each validation and each stretch of training, in
``<save dir>/train_log.jsonl``.

fairseq's own ``--log-file`` writes every line once more each epoch; this listens to the same messages.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE_NAME = "train_log.jsonl"
SPLITS = {"train_inner": "train", "valid": "valid"}  # fairseq's names of these messages
NUMBER = re.compile(r"(?:^|[\s|,])(\w+)[ =](-?\d[\d.]*(?:e[+-]?\d+)?)(?=$|[\s|,])")
KEPT = ("loss", "nll_loss", "support_loss", "ppl", "bleu", "lr")


class _Writer(logging.Handler):
    """Appends the numbers of progress messages to a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        if record.name not in SPLITS:
            return
        numbers = dict(NUMBER.findall(record.getMessage()))
        if "num_updates" not in numbers:
            return
        line: dict[str, Any] = {"split": SPLITS[record.name], "updates": int(float(numbers["num_updates"]))}
        line |= {name: float(numbers[name]) for name in KEPT if name in numbers}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@contextmanager
def kept(save_dir: str | Path) -> Iterator[None]:
    """In this context, what fairseq logs is kept in the folder too."""
    handler = _Writer(Path(save_dir) / FILE_NAME)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def read(save_dir: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Split -> its points by number of updates; those of a resumed run, which come again, count once. A torn or
    foreign line is passed over, as a log is not worth an error."""
    points: dict[str, dict[int, dict[str, Any]]] = {}
    try:
        lines = (Path(save_dir) / FILE_NAME).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            point = json.loads(line)
            points.setdefault(point["split"], {})[int(point["updates"])] = point
        except (ValueError, KeyError, TypeError):
            continue
    return {split: [by_update[u] for u in sorted(by_update)] for split, by_update in points.items()}


def best_bleu(save_dir: str | Path) -> float | None:
    """The best BLEU of all validations of a run; None where it measured none."""
    scores = [point["bleu"] for point in read(save_dir).get("valid", []) if "bleu" in point]
    return max(scores, default=None)
