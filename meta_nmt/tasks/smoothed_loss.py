"""fairseq's label-smoothed cross entropy, in the memory of the logits and their gradient.

fairseq's own version keeps the log-probabilities, and on the way back makes a dense (N, V) gradient of each of its two
terms. Here the same sum needs neither. For N target positions with logits z (V), gold piece y, and e = eps / (V - 1):

    loss = logsumexp(z) - (1 - eps - e) z_y - e sum(z)        d loss / d z = softmax(z) - e - (1 - eps - e) 1_y

The softmax is taken once, on the way there; logsumexp(z) = max(z) - log(max(softmax(z))) comes from it, and on the way
back it becomes the gradient in place. The loss equals fairseq's up to rounding, at every order of derivative.
"""

from __future__ import annotations

from typing import Any

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch import Tensor


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


class _SmoothedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, real: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        exact = _at_least_float32(logits)
        softmax = exact.softmax(-1)
        total = exact.amax(-1) - softmax.amax(-1).log()  # the largest is at least 1 / V: its logarithm is exact
        gold = exact.gather(-1, target[:, None]).squeeze(-1)
        each = eps / (logits.size(-1) - 1)
        nll = ((total - gold) * real).sum()
        loss = ((total - (1 - eps - each) * gold - each * exact.sum(-1)) * real).sum()
        ctx.save_for_backward(logits, target, real)
        ctx.softmax, ctx.eps = softmax, eps
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        logits, target, real = ctx.saved_tensors
        each = ctx.eps / (logits.size(-1) - 1)
        off = real.new_full((len(target), 1), -(1 - ctx.eps - each))
        weights = (real * grad)[:, None]
        if torch.is_grad_enabled():  # a second derivative is wanted: it goes through the softmax, and nothing in place
            softmax = _at_least_float32(logits).softmax(-1)
            return ((softmax - each).scatter_add(-1, target[:, None], off) * weights).to(logits.dtype), None, None, None
        # with `retain_graph` there is a second way back, which finds no softmax
        softmax = _at_least_float32(logits).softmax(-1) if ctx.softmax is None else ctx.softmax
        ctx.softmax = None
        slope = softmax.sub_(each).scatter_add_(-1, target[:, None], off).mul_(weights)
        return slope.to(logits.dtype), None, None, None


def smoothed_loss(logits: Tensor, target: Tensor, eps: float, padding_idx: int) -> tuple[Tensor, Tensor]:
    """Sums of the smoothed loss and of the negative log-likelihood (without gradient), without padding.

    Args:
        logits: (N, V), any floating type; sums are in float32, or float64 if the logits are.
        target: (N,) the gold pieces; ``padding_idx`` where there is none.
    """
    real = target.ne(padding_idx).to(torch.promote_types(logits.dtype, torch.float32))
    loss, nll = _SmoothedLoss.apply(logits, target, real, eps)
    return loss, nll


class LeanSmoothedCrossEntropy(LabelSmoothedCrossEntropyCriterion):
    """fairseq's criterion with `smoothed_loss`; fairseq rounds logits in float64 to float32, this class does not."""

    def compute_loss(
        self, model: Any, net_output: Any, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, Tensor]:
        if getattr(model.decoder, "adaptive_softmax", None) is not None:  # there are no logits
            loss, nll = super().compute_loss(model, net_output, sample, reduce)
            return loss, nll
        logits, target = net_output[0].flatten(0, 1), model.get_targets(sample, net_output)
        return smoothed_loss(logits, target.flatten(), self.eps, self.padding_idx)


def lean(criterion: Any) -> Any:
    """The criterion itself; for fairseq's plain label-smoothed cross entropy, a `LeanSmoothedCrossEntropy`."""
    if type(criterion) is not LabelSmoothedCrossEntropyCriterion or criterion.ignore_prefix_size:
        return criterion
    return LeanSmoothedCrossEntropy(criterion.task, criterion.sentence_avg, criterion.eps, 0, criterion.report_accuracy)
