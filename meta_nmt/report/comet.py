"""COMET scores, where a user has the package unbabel-comet and a checkpoint on disk. Nothing is downloaded.

COMET is by Rei et al., EMNLP 2020 (arXiv 2009.09025). Its models know about a hundred languages; for others its scores
mean little.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError
from meta_nmt.report.report import Report
from meta_nmt.report.results import read_lines

BATCH = 32  # sentences


def check_comet(checkpoint: Path) -> Any:
    """The package unbabel-comet; InputError if the package or the checkpoint is missing."""
    if not checkpoint.is_file():
        raise InputError(f"`--comet` must name a COMET checkpoint (a local file), but {checkpoint} is none")
    try:
        return importlib.import_module("comet")
    except ImportError as error:
        raise InputError(
            "`--comet` needs the package unbabel-comet: pip install 'meta-nmt[comet]', then pip install --no-deps "
            f"unbabel-comet, as it asks for an older numpy ({error})"
        ) from None


def add_comet(report: Report, checkpoint: Path) -> None:
    """Add the system score, times 100, of every result whose source text is known."""
    import torch  # loaded here: a report without COMET does not need torch

    model = check_comet(checkpoint).load_from_checkpoint(str(checkpoint))
    for result in report.results:
        if result.sources is not None:
            columns = [read_lines(path) for path in (result.sources, result.hypotheses, result.references)]
            rows = [dict(zip(("src", "mt", "ref"), line, strict=True)) for line in zip(*columns, strict=True)]
            gpus = 1 if torch.cuda.is_available() else 0
            scored = model.predict(rows, batch_size=BATCH, gpus=gpus, progress_bar=False)
            report.comet[result.name] = 100 * float(scored.system_score)
