"""R-Drop (Liang et al. 2021, arXiv 2106.14448): a model that says the same whatever dropout leaves out.

Each sentence goes through the model twice in one batch. With the logits z and y of the two ways, p = softmax(z) and
q = softmax(y), what is minimised of each token is (the paper's equation 4, halved):

    (CE(z) + CE(y)) / 2 + alpha / 4 (KL(p, q) + KL(q, p))

    d KL(p, q) + KL(q, p)
    --------------------- = p (log p - log q - KL(p, q)) + p - q
             dz

It is for adaptation: a few hundred sentences are soon known by heart, and it delays that. The gradient is computed with
the loss, in place; there is no second derivative.
"""

from __future__ import annotations

from typing import Any

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch import Tensor

from data_prep.base.errors import InputError


class _RDropLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, real: Tensor, eps: float, alpha: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        scores = logits if logits.dtype == torch.float64 else logits.float()
        log_p, log_q = scores.log_softmax(-1).chunk(2)
        p, q = log_p.exp(), log_q.exp()
        each, gold = eps / (logits.size(-1) - 1), target[:, None]
        nll = -(log_p + log_q).gather(-1, gold).squeeze(-1) / 2
        smoothed = (1 - eps - each) * nll - each * (log_p.sum(-1) + log_q.sum(-1)) / 2
        ratio = log_p - log_q
        of_p, of_q = (p * ratio).sum(-1, keepdim=True), -(q * ratio).sum(-1, keepdim=True)  # KL(p, q), KL(q, p)
        apart = (of_p + of_q).squeeze(-1)
        gap = p - q
        off = real.new_full(gold.shape, -(1 - eps - each) / 2)
        slopes = [
            (own * (0.5 + alpha / 4 * (sign * ratio - divergence)) + (alpha / 4 * sign) * gap - each / 2)
            .scatter_add_(-1, gold, off)
            .mul_(real[:, None])
            for own, sign, divergence in ((p, 1, of_p), (q, -1, of_q))
        ]
        ctx.slope = torch.cat(slopes).to(logits.dtype)
        sums = [(value * real).sum() for value in (smoothed + alpha / 4 * apart, smoothed, nll, apart)]
        ctx.mark_non_differentiable(*sums[1:])
        return sums[0], sums[1], sums[2], sums[3]

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None, None, None, None]:
        return ctx.slope * grad, None, None, None, None


def r_drop_loss(
    logits: Tensor, target: Tensor, eps: float, alpha: float, padding_idx: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums over tokens: the loss; and without gradient the smoothed loss, the negative log-likelihood and both KL.

    Args:
        logits: (2 N, V), of one way of all N tokens and then of the other way.
        target: (N,) the gold pieces; ``padding_idx`` where there is none.
        eps: share of the smoothing.
    """
    real = target.ne(padding_idx).to(torch.promote_types(logits.dtype, torch.float32))
    loss, smoothed, nll, apart = _RDropLoss.apply(logits, target, real, eps, alpha)
    return loss, smoothed, nll, apart


def twice(sample: dict[str, Any]) -> dict[str, Any]:
    """The input of the model with every sentence in it twice: all of them, and all of them again."""
    return {
        name: torch.cat([value, value]) if isinstance(value, Tensor) else value
        for name, value in sample["net_input"].items()
    }


class RDrop(LabelSmoothedCrossEntropyCriterion):
    """A label-smoothed cross entropy of fairseq's with R-Drop.

    Raises:
        InputError: the criterion is of another kind.
    """

    def __init__(self, criterion: Any, alpha: float) -> None:
        if type(criterion) is not LabelSmoothedCrossEntropyCriterion:
            raise InputError("`--r-drop` needs `--criterion label_smoothed_cross_entropy`")
        super().__init__(criterion.task, criterion.sentence_avg, criterion.eps)
        self.alpha = alpha

    def forward(self, model: Any, sample: dict[str, Any], reduce: bool = True) -> tuple[Tensor, int, dict[str, Any]]:
        """Loss, size and log of a batch in training, as fairseq's criterion gives them."""
        logits = model(**twice(sample))[0].flatten(0, 1)
        target = sample["target"].flatten()
        loss, smoothed, nll, apart = r_drop_loss(logits, target, self.eps, self.alpha, self.padding_idx)
        size = len(sample["target"]) if self.sentence_avg else sample["ntokens"]
        log = {
            "loss": smoothed.data, "nll_loss": nll.data, "ntokens": sample["ntokens"],
            "nsentences": len(sample["target"]), "sample_size": size,
        }  # fmt: skip
        return loss, size, log
