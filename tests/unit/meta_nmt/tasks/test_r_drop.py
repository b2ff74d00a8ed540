"""R-Drop: the loss of the paper, its gradient, and how a fine-tuning comes by it."""

from argparse import Namespace

import pytest
import torch
from torch.nn.functional import kl_div

from data_prep.base.errors import InputError
from meta_nmt.tasks.r_drop import RDrop, r_drop_loss, twice
from meta_nmt.tasks.smoothed_loss import smoothed_loss

PAD = 1


@pytest.mark.parametrize("alpha", [0.0, 1.0, 5.0])
def test_loss_and_gradient_are_those_of_the_paper(alpha):
    torch.manual_seed(0)
    logits = torch.randn(2 * 6, 11, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([4, 3, PAD, 10, 0, PAD])
    loss, smoothed, nll, apart = r_drop_loss(logits, target, 0.1, alpha, PAD)
    real = target != PAD
    ways = logits.view(2, 6, 11)
    each = [smoothed_loss(way, target, 0.1, PAD) for way in ways]
    p, q = (way.log_softmax(-1)[real] for way in ways)
    divergence = kl_div(q, p, log_target=True, reduction="sum") + kl_div(p, q, log_target=True, reduction="sum")
    expected = (each[0][0] + each[1][0]) / 2 + alpha / 4 * divergence
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(smoothed, (each[0][0] + each[1][0]).detach() / 2)
    torch.testing.assert_close(nll, (each[0][1] + each[1][1]) / 2)
    torch.testing.assert_close(apart, divergence.detach())
    ours, theirs = (torch.autograd.grad(3 * value, logits)[0] for value in (loss, expected))
    torch.testing.assert_close(ours, theirs)
    assert not ours.view(2, 6, 11)[:, ~real].any(), "padding has no gradient"


def test_both_ways_of_a_sentence_lie_a_batch_apart():
    net_input = {"src_tokens": torch.tensor([[1, 2], [3, 4]]), "src_lengths": torch.tensor([2, 1]), "features": None}
    doubled = twice({"net_input": net_input})
    assert doubled["src_tokens"].tolist() == [[1, 2], [3, 4], [1, 2], [3, 4]]
    assert doubled["src_lengths"].tolist() == [2, 1, 2, 1] and doubled["features"] is None


def test_another_criterion_is_refused():
    with pytest.raises(InputError, match="`--r-drop` needs `--criterion label_smoothed_cross_entropy`"):
        RDrop(Namespace(), 5.0)
