"""The lean label-smoothed loss against fairseq's own, to the second derivative."""

from __future__ import annotations

from argparse import Namespace

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    label_smoothed_nll_loss,
)
from fairseq.data import Dictionary

from meta_nmt.tasks.smoothed_loss import LeanSmoothedCrossEntropy, lean, smoothed_loss

PAD = 1


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_loss_and_gradients_are_fairseqs(eps: float) -> None:
    logits = 4 * torch.randn(7, 11, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    logits.requires_grad_()
    target = torch.tensor([2, 5, PAD, 10, 0, PAD, 5])
    theirs, their_nll = label_smoothed_nll_loss(torch.log_softmax(logits, -1), target, eps, ignore_index=PAD)
    ours, nll = smoothed_loss(logits, target, eps, PAD)
    torch.testing.assert_close((ours, nll), (theirs, their_nll))
    (plain,) = torch.autograd.grad(2 * ours, logits, retain_graph=True)  # what first-order learners take
    torch.testing.assert_close(torch.autograd.grad(2 * ours, logits, retain_graph=True), (plain,))
    vector = torch.linspace(-1, 1, logits.numel(), dtype=torch.float64).view_as(logits)
    derivatives = []
    for loss in (2 * ours, 2 * theirs):
        (first,) = torch.autograd.grad(loss, logits, create_graph=True)
        (second,) = torch.autograd.grad((first * vector).sum(), logits)
        derivatives.append((first, second))
    torch.testing.assert_close(derivatives[0], derivatives[1])
    torch.testing.assert_close(plain, derivatives[1][0])
    assert not plain[target == PAD].any()


def test_only_the_plain_criterion_is_replaced() -> None:
    task = Namespace(target_dictionary=Dictionary())
    plain = LabelSmoothedCrossEntropyCriterion(task, True, 0.2, 0, True)
    ours = lean(plain)
    assert type(ours) is LeanSmoothedCrossEntropy
    assert (ours.sentence_avg, ours.eps, ours.report_accuracy) == (True, 0.2, True)
    prefixed = LabelSmoothedCrossEntropyCriterion(task, True, 0.2, 1)
    assert lean(prefixed) is prefixed


def test_adaptive_softmax_has_no_logits_and_goes_fairseqs_way(monkeypatch: pytest.MonkeyPatch) -> None:
    criterion = lean(LabelSmoothedCrossEntropyCriterion(Namespace(target_dictionary=Dictionary()), True, 0.2))
    monkeypatch.setattr(LabelSmoothedCrossEntropyCriterion, "compute_loss", lambda *_: ("its", "own"))
    model = Namespace(decoder=Namespace(adaptive_softmax=object()))
    assert criterion.compute_loss(model, None, {}) == ("its", "own")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_are_raised_to_float32_and_never_lowered(dtype: torch.dtype) -> None:
    criterion = lean(LabelSmoothedCrossEntropyCriterion(Namespace(target_dictionary=Dictionary()), False, 0.1))
    logits, target = torch.randn(2, 3, 11).to(dtype), torch.tensor([[2, 5, PAD], [4, PAD, PAD]])
    model = Namespace(decoder=Namespace(), get_targets=lambda *_: target)
    loss, nll = criterion.compute_loss(model, (logits, None), {})
    wanted = torch.float64 if dtype == torch.float64 else torch.float32
    assert loss.dtype == nll.dtype == wanted
    theirs = label_smoothed_nll_loss(logits.to(wanted).log_softmax(-1).flatten(0, 1), target.flatten(), 0.1, PAD)
    torch.testing.assert_close((loss, nll), theirs)
