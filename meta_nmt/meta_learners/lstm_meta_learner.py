"""The LSTM meta-learner: an inner optimiser that is itself learnt.

Ravi and Larochelle, "Optimization as a Model for Few-Shot Learning", ICLR 2017. Gradient descent looks like the
update of an LSTM's cell state, so let the cell state be the learner's parameters (section 3.1):

    c_t = f_t * c_{t-1} + i_t * (-grad_t),    c_t = theta after t steps,  grad_t = gradient of loss_t at c_{t-1}
    i_t = sigmoid(W_I [h_t, theta_{t-1}, i_{t-1}] + b_I)
    f_t = sigmoid(W_F [h_t, theta_{t-1}, f_{t-1}] + b_F)

h_t is the state of an ordinary LSTM over the preprocessed (grad_t, loss_t), the first of the two layers. All
coordinates share one set of weights, and each has a state of its own (section 3.2). So parameters may have any shape
and number of rows. c_0 is theta itself and learnt with the weights: the initialisation that MAML learns. At the start f
is almost 1 and i is ``inner_lr``, which is gradient descent. Gradients and losses of the learner are taken as
constants.

Memory: the backward pass through time keeps 4 (9 H + 12) bytes for each coordinate and inner step in float32,
H = hidden units. H = 20 and the 60 million coordinates of a Transformer would be 46 GB a step; 100,000 coordinates
(transform, residual rows in play, layer norms and biases) are 77 MB.

Deviations:
- i starts at ``inner_lr`` instead of sigmoid(-5 to -4), and b_F at 6 instead of uniformly in 4 to 6;
- the gates' own previous values are fed back after the sigmoid, as the paper writes them; the public code feeds them
  back before it;
- the clipping at norm 0.25 is for the LSTM's weights alone; the trainer clips the gradient of theta.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from meta_nmt.meta_learners.base import (
    META_PREFIX,
    Episode,
    EpisodeResult,
    MetaLearner,
    average,
    register_meta_learner,
)
from meta_nmt.meta_learners.inner_loop import Parameters, UpdateRule, gradients_of_each, loss_and_gradients
from meta_nmt.meta_learners.settings import Settings, setting

FORGET_BIAS = 6.0  # f = 0.9975
CLIP_NORM = 0.25  # of the LSTM's gradient, in one episode

# State of N coordinates: hidden (N, H) and cell (N, H) of the first layer, f_{t-1} and i_{t-1} (N, 1)
State = tuple[Tensor, Tensor, Tensor, Tensor]


def preprocess(x: Tensor, p: float = 10.0) -> Tensor:
    """The size and the sign of x, both of order 1, along a new last axis of 2.

    They are (log|x| / p, sign x) where |x| >= exp(-p), else (-1, exp(p) x) (Ravi and Larochelle, section 3.2;
    Andrychowicz et al. 2016, appendix A).
    """
    size = x.abs()
    large = size >= math.exp(-p)
    return torch.stack((torch.where(large, size.log() / p, -1.0), torch.where(large, x.sign(), x * math.exp(p))), -1)


@dataclass(frozen=True)
class LSTMSettings(Settings):
    """Settings of lstm, whose inner rule is learnt and has no optimiser to choose."""

    inner_lr: float = setting(0.1, "where the input gate starts, a value of a sigmoid", above=0, below=1)
    lstm_hidden: int = setting(20, "hidden units of each layer", least=1, shapes=True)


@register_meta_learner("lstm")
class LSTMMetaLearner(MetaLearner):
    """The learner whose inner loop is the steps of an LSTM, at meta-test too."""

    settings_type = LSTMSettings
    group = "small"  # the LSTM keeps a state for each coordinate
    learned_rule = True

    def __init__(self, settings: LSTMSettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        self.lstm = nn.LSTMCell(4, settings.lstm_hidden)
        self.forget_gate = nn.Linear(settings.lstm_hidden + 2, 1)
        self.input_gate = nn.Linear(settings.lstm_hidden + 2, 1)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.01, 0.01)
        nn.init.constant_(self.forget_gate.bias, FORGET_BIAS)
        nn.init.constant_(self.input_gate.bias, math.log(settings.inner_lr / (1 - settings.inner_lr)))

    def gates(self, grad: Tensor, loss: Tensor, theta: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """The gates f_t and i_t (N, 1) and the new state, from grad_t and theta_{t-1} (N, 1) and the scalar loss_t."""
        if state is None:
            hidden = grad.new_zeros(len(grad), self.lstm.hidden_size)
            state = (hidden, hidden, torch.zeros_like(grad), torch.zeros_like(grad))
        hidden, cell, forget, inlet = state
        features = torch.cat((preprocess(grad).flatten(1), preprocess(loss).expand(len(grad), 2)), 1)  # (N, 4)
        hidden, cell = self.lstm(features, (hidden, cell))
        forget = torch.sigmoid(self.forget_gate(torch.cat((hidden, theta, forget), 1)))
        inlet = torch.sigmoid(self.input_gate(torch.cat((hidden, theta, inlet), 1)))
        return forget, inlet, (hidden, cell, forget, inlet)

    def step(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: State | None, loss: Tensor
    ) -> tuple[list[Tensor], State]:
        """One update of the cell state; all coordinates of all parameters are one matrix (N, 1)."""
        theta = torch.cat([p.flatten() for p in params])[:, None]
        grad = torch.cat([g.flatten() for g in grads])[:, None]
        forget, inlet, state = self.gates(grad, loss, theta, state)
        # fused as SGD's step is: with gates (1, alpha) both steps are equal to the last bit
        cell = torch.addcmul(forget * theta, inlet, grad, value=-1)
        moved = cell.squeeze(1).split([p.numel() for p in params])
        return [m.view_as(p) for m, p in zip(moved, params, strict=True)], state

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        return self.step

    def episode(self, episode: Episode) -> EpisodeResult:
        """The query gradient at theta_T, pulled back through the cell states to c_0 and the LSTM's weights."""
        theta, adapted = episode.theta, episode.adapted
        start = [theta[name].detach().requires_grad_() for name in adapted]
        cells, state, support_losses = start, None, []
        theta_prime = dict(theta)
        for batch in episode.support:
            loss, grads = loss_and_gradients(episode.loss, theta_prime, batch, adapted)
            full_grads = [grads.get(name, torch.zeros_like(c)) for name, c in zip(adapted, cells, strict=True)]
            cells, state = self.step(cells, full_grads, state, loss)
            theta_prime.update((n, c.detach().requires_grad_()) for n, c in zip(adapted, cells, strict=True))
            support_losses.append(loss)
        query_losses, gradients = gradients_of_each(episode.loss, theta_prime, episode.query)
        total = average(gradients)
        outer = [total.get(name, torch.zeros_like(c)) for name, c in zip(adapted, cells, strict=True)]
        to_theta, to_weights = self._through_time(start, cells, outer)
        gradients_by_name = {**total, **dict(zip(adapted, to_theta, strict=True)), **to_weights}
        return EpisodeResult(gradients_by_name, support_losses, query_losses)

    def _through_time(
        self, start: Sequence[Tensor], cells: Sequence[Tensor], outer: Sequence[Tensor]
    ) -> tuple[list[Tensor], Parameters]:
        """``outer``, the gradient at c_T, pulled back to c_0 and, clipped, to the LSTM's weights by name."""
        weights = dict(self.named_parameters())
        inputs = [*start, *weights.values()]
        pulled = torch.autograd.grad(cells, inputs, outer, allow_unused=True, materialize_grads=True)
        of_weights = pulled[len(start) :]
        scale = (CLIP_NORM / (get_total_norm(of_weights) + 1e-6)).clamp(max=1.0)
        return list(pulled[: len(start)]), {
            META_PREFIX + n: g * scale for n, g in zip(weights, of_weights, strict=True)
        }
