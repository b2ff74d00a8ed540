"""Meta-SGD: MAML with a learned rate for each coordinate.

Li, Zhou, Chen and Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning", 2017 (arXiv 1707.09835),
equations 2 and 3, algorithm 1:

    theta'_k       = theta - alpha o grad L_k(theta; support set)         o: coordinate by coordinate
    (theta, alpha) <- (theta, alpha) - beta * mean_k grad_(theta, alpha) L_k(theta'_k; query set)

alpha has the shape of the adapted parameters, and may turn negative. It is of second order, as MAML is.

Deviations:
- every rate starts at ``inner_lr`` (the paper draws the start at random from [0.005, 0.1]);
- any number of inner steps, with the same rates;
- a parameter with no rows at construction has a rate for each column (1, D), for any rows that an episode brings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from meta_nmt.meta_learners.base import parameter_key, register_meta_learner
from meta_nmt.meta_learners.inner_loop import UpdateRule
from meta_nmt.meta_learners.maml import MAML, checkpoint_setting
from meta_nmt.meta_learners.settings import Settings, setting


@dataclass(frozen=True)
class RatedSGD:
    """theta' = theta - alpha o g, with a tensor of rates for each parameter."""

    alpha: Sequence[Tensor]

    def __call__(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: None, loss: Tensor
    ) -> tuple[list[Tensor], None]:
        return [p - a * g for p, a, g in zip(params, self.alpha, grads, strict=True)], None


@dataclass(frozen=True)
class MetaSGDSettings(Settings):
    """Settings of meta_sgd, whose rates are learnt from ``inner_lr`` on."""

    inner_lr: float = setting(0.1, "where the learned rates start", above=0)
    checkpoint_inner_steps: bool = checkpoint_setting()


@register_meta_learner("meta_sgd")
class MetaSGD(MAML):
    """MAML that learns a rate for each coordinate.

    The rates are the learner's own parameters, called ``alpha.<name>`` with `/` for each dot of the name.
    """

    settings_type = MetaSGDSettings
    learned_rule = True

    def __init__(self, settings: MetaSGDSettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        self.alpha = nn.ParameterDict()
        for name in adapted:
            like = theta[name].detach()
            rates = like if like.numel() else like.new_empty(1, *like.shape[1:])
            self.alpha[parameter_key(name)] = nn.Parameter(torch.full_like(rates, settings.inner_lr))

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        return RatedSGD([self.alpha[parameter_key(name)] for name in names])
