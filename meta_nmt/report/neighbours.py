"""The universal tokens behind the words of each target, where the target's best adapted model still exists."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError
from meta_nmt.report.report import Report
from meta_nmt.report.results import Result

SHOWN_PIECES = 8


def neighbours(report: Report) -> list[dict[str, Any]]:
    """The universal tokens that each target's most frequent word pieces are made of, in its best adapted model."""
    shown = []
    for target in report.targets:
        for result in report.best_system(target)[:1]:
            if result.checkpoint and result.data and Path(result.checkpoint).is_file():
                with suppress(InputError, OSError):
                    shown.append(_neighbours(result))
    return shown


def _neighbours(result: Result) -> dict[str, Any]:
    from meta_nmt.report.universal import (
        nearest_pieces,
    )  # loaded here, since it loads torch, which other reports do not need

    pieces = nearest_pieces(str(result.data), str(result.checkpoint), result.target, SHOWN_PIECES)
    return {"target": result.target, "system": result.system, "strategy": result.strategy, "pieces": pieces}
