"""The networks of the MAML paper's few-shot tasks, for T tasks side by side.

A stack of parameters has a leading axis T, one copy a task, and so has a stack of batches. The tasks share nothing, and
the loss of a stack is the sum of their losses. So the gradient with respect to a stack is that of each task alone. One
episode of a meta-learner over a stack is T episodes, with far fewer kernel calls.

Axes: T tasks, B images or points of a task, F filters, N ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.few_shot.data import Batch
from meta_nmt.meta_learners.inner_loop import Parameters


def stack(theta: Mapping[str, Tensor], tasks: int) -> Parameters:
    """A stack of ``tasks`` copies of theta, as new leaf tensors."""
    return {name: p.detach().expand(tasks, *p.shape).clone().requires_grad_() for name, p in theta.items()}


@dataclass(frozen=True)
class ConvNet:
    """Four modules of 3x3 convolution with stride 2, batch normalisation and ReLU, then a linear layer (Finn et al.
    2017, section 5.2, without the convolutions' biases, which batch normalisation cancels).

    A batch is normalised by its own statistics, as in the paper's code. With ``Batch.statistics`` they are those of its
    first inputs, with ``moments`` those that the network remembers.

    moments: mean and variance (F,) before each normalisation, used for every batch; (): the statistics of the batch.
    """

    outputs: int
    filters: int
    moments: tuple[tuple[Tensor, Tensor], ...] = ()

    def start(self, generator: torch.Generator) -> Parameters:
        """Initial parameters theta: Kaiming's normal for the convolutions, zeros for the linear layer."""
        theta, channels = {}, 1
        for n in range(4):
            weight = torch.randn(self.filters, channels, 3, 3, generator=generator)
            theta[f"conv{n}.weight"] = weight * (2 / (9 * channels)) ** 0.5
            theta[f"norm{n}.weight"], theta[f"norm{n}.bias"] = torch.ones(self.filters), torch.zeros(self.filters)
            channels = self.filters
        return {name: p.requires_grad_() for name, p in {**theta, **self.head()}.items()}

    def head(self) -> Parameters:
        features = 4 * self.filters  # of 2 x 2 pixels
        return {"head.weight": torch.zeros(self.outputs, features), "head.bias": torch.zeros(self.outputs)}

    def __call__(self, theta: Parameters, batch: Batch) -> Tensor:
        """Images (T, B, 28, 28) -> logits (T, B, N) of the images with a target. The tasks are groups of channels."""
        tasks, size = batch.inputs.shape[:2]
        hidden = batch.inputs.transpose(0, 1)  # (B, T, 28, 28)
        for n in range(4):
            hidden = self.convolve(theta, n, hidden, tasks)
            hidden = self.normalise(theta, n, hidden, tasks, batch.statistics).relu()
        hidden = hidden.view(size, tasks, -1).transpose(0, 1)[:, batch.statistics :]  # (B, T F, 2, 2) -> (T, B, 4 F)
        return torch.baddbmm(theta["head.bias"][:, None], hidden, theta["head.weight"].transpose(1, 2))

    def convolve(self, theta: Parameters, n: int, x: Tensor, tasks: int) -> Tensor:
        """Convolution ``n``: (B, T C, height, width) -> (B, T F, height / 2, width / 2)."""
        weight = theta[f"conv{n}.weight"].flatten(0, 1)  # (T F, C, 3, 3)
        return F.conv2d(x, weight, stride=2, padding=1, groups=tasks)

    def normalise(self, theta: Parameters, n: int, x: Tensor, tasks: int, statistics: int | None) -> Tensor:
        """Batch normalisation of (B, T F, height, width)."""
        scale, shift = theta[f"norm{n}.weight"].flatten(), theta[f"norm{n}.bias"].flatten()
        if self.moments:
            mean, variance = (moment.repeat(tasks) for moment in self.moments[n])
            return F.batch_norm(x, mean, variance, scale, shift)
        if statistics is None:
            return F.batch_norm(x, None, None, scale, shift, training=True)
        variance, mean = torch.var_mean(x[:statistics], (0, 2, 3), correction=0, keepdim=True)
        whitened = (x - mean) * torch.rsqrt(variance + 1e-5)
        return torch.addcmul(shift[:, None, None], whitened, scale[:, None, None])

    @torch.no_grad()
    def remember(self, theta: Parameters, images: Tensor) -> ConvNet:
        """This network with the moments of ``images`` (1, B, 28, 28) under theta (no stack).

        Running statistics would have these values at the end of training.
        """
        copy, hidden, moments = stack(theta, 1), images.transpose(0, 1), []
        for n in range(4):
            hidden = self.convolve(copy, n, hidden, 1)
            variance, mean = torch.var_mean(hidden, (0, 2, 3), correction=0)
            moments.append((mean, variance))
            hidden = self.normalise(copy, n, hidden, 1, None).relu()
        return replace(self, moments=tuple(moments))

    def loss(self, theta: Parameters, batch: Batch) -> Tensor:
        """Cross-entropy: mean over a task's images, summed over tasks."""
        logits = self(theta, batch)
        return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="sum") / batch.targets.shape[1]

    def score(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Accuracy of each task in percent, (T,)."""
        return 100 * (logits.argmax(-1) == targets).float().mean(-1)


@dataclass(frozen=True)
class Regressor:
    """A network of layers 1 - 40 - 40 - 1 with ReLU (Finn et al. 2017, section 5.1)."""

    hidden: int = 40

    def start(self, generator: torch.Generator) -> Parameters:
        """Initial parameters theta, uniform as in nn.Linear. With biases of 0 every kink would be at x = 0."""
        theta, sizes = {}, [1, self.hidden, self.hidden, 1]
        for n, (inner, outer) in enumerate(zip(sizes, sizes[1:], strict=False)):
            for name, shape in {"weight": (inner, outer), "bias": (outer,)}.items():
                theta[f"layer{n}.{name}"] = (2 * torch.rand(shape, generator=generator) - 1) / inner**0.5
        return {name: p.requires_grad_() for name, p in theta.items()}

    def __call__(self, theta: Parameters, batch: Batch) -> Tensor:
        """Inputs (T, B, 1) -> outputs (T, B, 1) of the inputs with a target."""
        x = batch.inputs[:, batch.statistics :]
        for n in range(3):
            x = torch.baddbmm(theta[f"layer{n}.bias"][:, None], x if n == 0 else x.relu(), theta[f"layer{n}.weight"])
        return x

    def loss(self, theta: Parameters, batch: Batch) -> Tensor:
        """Mean squared error: mean over a task's points, summed over tasks."""
        return (self(theta, batch) - batch.targets).square().mean((1, 2)).sum()

    def head(self) -> Parameters:
        """No parameters, since the output layer is the same for every task."""
        return {}

    def score(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of each task, (T,)."""
        return (predicted - targets).square().mean((1, 2))
