"""BLEU of a validation in which some batches have only empty hypotheses."""

from __future__ import annotations

from typing import Any

import numpy as np
from fairseq.logging import metrics
from fairseq.tasks.translation import EVAL_BLEU_ORDER
from sacrebleu.metrics import BLEU


def log_bleu_of_nothing(logging_outputs: list[dict[str, Any]]) -> None:
    """Log the counts of BLEU of a batch whose hypotheses are all empty, in fairseq's own meters.

    fairseq logs nothing for such a batch, and fails where a validation has no other batch. With these counts the BLEU
    of a validation is that of all its batches in any order, and 0 where every hypothesis is empty.
    """
    if any("_bleu_sys_len" in log for log in logging_outputs):
        if not sum(log.get("_bleu_totals_0", 0) for log in logging_outputs):
            for name in ("_bleu_counts", "_bleu_totals"):
                metrics.log_scalar(name, np.zeros(EVAL_BLEU_ORDER, dtype=int))
            metrics.log_scalar("_bleu_sys_len", 0)
            metrics.log_scalar("_bleu_ref_len", int(sum(log["_bleu_ref_len"] for log in logging_outputs)))
            metrics.log_derived("bleu", bleu_of_meters)


def bleu_of_meters(meters: Any) -> float:
    """BLEU, 0 to 100, of the sums that fairseq's translation task logs, computed as fairseq does."""
    counts, totals = (meters[f"_bleu_{name}"].sum.tolist() for name in ("counts", "totals"))
    hypothesis_words, reference_words = (int(meters[f"_bleu_{name}_len"].sum) for name in ("sys", "ref"))
    return round(BLEU.compute_bleu(counts, totals, hypothesis_words, reference_words, smooth_method="exp").score, 2)
