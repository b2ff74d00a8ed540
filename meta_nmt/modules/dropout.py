"""Dropout that takes a third of the time on a CPU.

A CPU draws random numbers on one thread. So torch's masks cost a larger share of a step where the rest of the step has
more threads; on one thread it was a twentieth at the sizes of MetaNMT. Here one draw of 64 bits decides four elements,
16 bits each, and numpy's SFC64 draws them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fairseq.modules import FairseqDropout
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 2**16  # p is rounded to this many levels


def dropout(x: Tensor, p: float) -> Tensor:
    """Dropout: each element of x is zero with probability p, and the others are divided by the share that is kept.

    p is exact to 1/131,072. The mask is seeded from torch's default generator. On other devices than a CPU this is
    torch's own dropout.

    Args:
        x: any shape and floating-point type; p: 0 to 1.
    """
    dropped = round(p * LEVELS)
    if x.device.type != "cpu" or dropped in (0, LEVELS):
        return functional.dropout(x, p, training=True)
    draws = np.random.SFC64(int(torch.randint(2**63 - 1, ()))).random_raw((x.numel() + 3) // 4)
    bits = torch.from_numpy(draws.view(np.int16)[: x.numel()]).view(x.shape)
    kept: Tensor = _Kept.apply(x, bits >= dropped - LEVELS // 2, LEVELS / (LEVELS - dropped))
    return kept


class _Kept(torch.autograd.Function):
    """x * mask * scale, which keeps only the mask for the way back, a byte each; differentiable at every order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return x * mask.to(x.dtype).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Kept.apply(gradient, *ctx.saved_tensors, ctx.scale), None, None


class Dropout(FairseqDropout):
    """fairseq's dropout module, with `dropout` in place of torch's."""

    def forward(self, x: Tensor, inplace: bool = False) -> Tensor:
        if self.p > 0 and (self.training or self.apply_during_inference):
            return dropout(x, self.p)
        return x


def use_dropout(model: nn.Module) -> None:
    """Replace every dropout module of fairseq's in a model by `Dropout`."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is FairseqDropout:
                setattr(parent, name, Dropout(child.p, child.module_name))
