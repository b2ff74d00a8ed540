"""Dropout against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from fairseq.modules import FairseqDropout
from torch import nn

from meta_nmt.modules.dropout import Dropout, dropout, use_dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.999])
@pytest.mark.parametrize("shape", [(1001, 999), (1_000_003,)])
def test_drops_the_share_and_keeps_the_mean(p: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    y = dropout(torch.ones(shape), p)
    n = y.numel()
    assert abs(float((y == 0).double().mean()) - p) < 5 * math.sqrt(p * (1 - p) / n) + 1e-5
    assert torch.unique(y).numel() == 2 and y.max() == pytest.approx(1 / (1 - p), rel=1e-2 if p > 0.9 else 1e-4)
    assert abs(float(y.double().mean()) - 1) < 5 * math.sqrt(p / (1 - p) / n)


def test_neighbours_are_independent() -> None:
    """The four elements of a draw, and the same element of the next."""
    torch.manual_seed(2)
    dropped = (dropout(torch.ones(400_000), 0.2) == 0).double() - 0.2
    for distance in (1, 2, 3, 4, 8):
        correlation = float((dropped[:-distance] * dropped[distance:]).mean()) / (0.2 * 0.8)
        assert abs(correlation) < 5 / math.sqrt(400_000)


def test_gradient_is_that_of_the_mask() -> None:
    x = torch.randn(50, 31, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.3)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient * x, y)


def test_it_is_differentiable_twice() -> None:
    x = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)

    def masked(value: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)  # the same mask each time
        return dropout(value, 0.4) ** 3

    assert torch.autograd.gradcheck(masked, (x,)) and torch.autograd.gradgradcheck(masked, (x,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_seed_decides(dtype: torch.dtype) -> None:
    x = torch.ones(7, 13, dtype=dtype)
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        masks += [dropout(x, 0.5), dropout(x, 0.5)]
    assert masks[0].dtype == dtype
    assert torch.equal(masks[0], masks[2]) and torch.equal(masks[1], masks[3])
    assert not torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[4])


def test_nothing_and_everything() -> None:
    x = torch.randn(5)
    assert torch.equal(dropout(x, 0.0), x) and not dropout(x, 1.0).any()
    assert dropout(torch.ones(0, 4), 0.5).shape == (0, 4)


def test_takes_the_place_of_fairseqs_and_rests_in_evaluation() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(FairseqDropout(0.5, "inside")))
    use_dropout(model)
    module = model[1][0]
    assert type(module) is Dropout and module.p == 0.5 and module.module_name == "inside"
    x = torch.ones(1000)
    assert 300 < int((module(x) == 0).sum()) < 700
    assert module.eval()(x) is x
