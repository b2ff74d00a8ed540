"""LSLR: a learned rate for each layer, judged by where whole fine-tunings end.

Antoniou, Edwards and Storkey, "How to train your MAML", ICLR 2019 (arXiv 1810.09502), section 4, "Learning Per-Layer
Per-Step Learning Rates": the outer loss's gradient moves a rate for each layer as it moves theta.

A rate that is learnt from one step, or from five, is the best rate for so few steps. It is far too small or too large
for a fine-tuning of two hundred: the bias of a short horizon (Wu, Ren, Liao and Grosse 2018, arXiv 1803.02021). So
trajectories are those of continual trajectory shifting, of any length. For layer g, with the directions of the steps
taken as constants,

    delta_g = -f_g * sum_t rate_t * u_gt    ->    d L(theta + delta; query set) / d log f_g = <grad_g L, delta_g>

which costs one inner product. The query set, which the layer was not trained on, judges it: a layer that has gone too
far gets a smaller rate, and a layer that has not gone far enough a larger one.

Deviations:
- a rate is alpha * f_g at first and falls to zero over the trajectory: one factor for each layer, none for each step;
- only the last quarter of a trajectory judges, since a user ends there;
- the rule is Adam by default, as in fine-tuning;
- it is of first order: the effect of a rate on later gradients is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from meta_nmt.meta_learners.base import META_PREFIX, Visit, parameter_key, register_meta_learner
from meta_nmt.meta_learners.inner_loop import Parameters, UpdateRule
from meta_nmt.meta_learners.trajectory_shifting import Trajectory, TrajectorySettings, TrajectoryShifting

JUDGED = 0.75  # share of a trajectory before its query gradients count
# The learner's parameters are log f / SPEED. The outer optimiser, Adam, moves them and theta by steps of the same
# length, but a factor has to move by powers of ten where a weight moves by hundredths.
SPEED = 50.0


@dataclass(frozen=True)
class LayerRates:
    """The steps of another rule, times a factor for each parameter."""

    rule: UpdateRule
    factors: Sequence[Tensor]

    def __call__(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: Any, loss: Tensor
    ) -> tuple[list[Tensor], Any]:
        moved, state = self.rule(params, grads, state, loss)
        return [p + f * (m - p) for p, m, f in zip(params, moved, self.factors, strict=True)], state


def layer_of(name: str) -> str:
    """The layer that a parameter belongs to; a parameter of no layer, such as residual rows and A, is its own layer."""
    match = re.match(r".*\.layers\.\d+(?=\.)", name)
    return match[0] if match else name


@register_meta_learner("lslr")
class LSLR(TrajectoryShifting):
    """Trajectory shifting that learns a rate for each layer. An episode without a visit is a whole trajectory.

    The learner's own parameters are log f / SPEED, called ``log_factor.<layer>`` with `/` for each dot of the name.
    """

    learned_rule = True

    def __init__(self, settings: TrajectorySettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        layers = {_key(name): theta[name].new_zeros(()) for name in adapted}
        self.log_factor = nn.ParameterDict({key: nn.Parameter(zero) for key, zero in layers.items()})

    def factor(self, name: str) -> Tensor:
        """The factor f of a parameter's layer, a scalar."""
        return (SPEED * self.log_factor[_key(name)].detach()).exp()

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        return LayerRates(super().rule(names, steps), [self.factor(name) for name in names])

    def own_gradients(
        self, trajectory: Trajectory, query_gradients: Sequence[Parameters], visit: Visit | None
    ) -> Parameters:
        if visit is not None and trajectory.visits <= JUDGED * self.settings.trajectory_visits:
            return {}
        of_factors: Parameters = {}
        for name in trajectory.displacement:
            moved = self.displacement(trajectory, name, visit)
            key = f"{META_PREFIX}log_factor.{_key(name)}"
            for gradients in query_gradients:
                if name in gradients:
                    product = (gradients[name] * moved).sum() / len(query_gradients)
                    of_factors[key] = of_factors[key] + product if key in of_factors else product
        return of_factors


def _key(name: str) -> str:
    return parameter_key(layer_of(name))
