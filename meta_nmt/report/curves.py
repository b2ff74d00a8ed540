"""The course of meta-training, from the logs of the runs behind each result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from meta_nmt.report.report import Curve
from meta_nmt.report.results import Result
from meta_nmt.runs import training_log


def curves(results: Sequence[Result]) -> list[Curve]:
    """The course of meta-validation for each system, over the training tokens spent.

    Training that a system started from is included.
    """
    points_of: dict[str, list[tuple[float, float, float | None]]] = {}
    for result in results:
        name = result.system
        if name in points_of:
            continue
        points, tokens_before = [], 0
        for run, tokens in _training_runs(result.cost):
            validations = training_log.read(run).get("valid", [])
            last = validations[-1]["updates"] if validations else 1
            points += [
                ((tokens_before + tokens * v["updates"] / last) / 1e6, v["loss"], v.get("bleu")) for v in validations
            ]
            tokens_before += tokens
        if points:
            points_of[name] = points
    return [Curve(system, points) for system, points in points_of.items()]


def _training_runs(costs: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """The meta-training runs, oldest first, each as (save dir, training tokens)."""
    runs: dict[str, int] = defaultdict(int)
    for cost in costs:
        if cost["kind"] == "train":
            runs[cost["run"]] += cost["train_tokens"]
    return list(runs.items())
