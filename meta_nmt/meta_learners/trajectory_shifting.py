"""Continual trajectory shifting: inner loops as long as adaptation, at the price of one step an episode.

Shin, Lee, Gong and Hwang, "Large-Scale Meta-Learning with Continual Trajectory Shifting", ICML 2021 (arXiv 2102.07215).
Each task k has a displacement from theta that is kept from one of its episodes to the next. An episode moves it on by
some inner steps. theta moves without waiting for the end of the trajectory. All trajectories shift by as much as theta
moved, because their distance from theta is what is kept:

    delta_k <- inner step from theta + delta_k on the support set of task k, minus theta
    theta   <- theta - beta * mean_k grad L_k(theta + delta_k; query set)

FOMAML's one step from theta says little about a fine-tuning of two hundred steps. Here the query gradient is taken
along the whole way that fine-tuning goes.

Deviations:
- the outer gradient is FOMAML's, and the trainer's optimiser applies it; ``support_weight`` as in fomaml;
- an episode says which trajectory it belongs to (`Episode.visit`): tasks start their trajectories at different times,
  so that a meta-step sees short and long ones together;
- the inner rate falls to zero over a trajectory, as in fine-tuning;
- parameters outside ``adapted``, such as the universal values, have no displacement.

Trajectories are in no checkpoint, since each task's is three times the size of what adapts: a resumed run starts them
anew.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from meta_nmt.meta_learners.base import (
    Episode,
    EpisodeResult,
    MetaLearner,
    Visit,
    mixed,
    register_meta_learner,
)
from meta_nmt.meta_learners.inner_loop import (
    INNER_OPTIMIZERS,
    FallingRate,
    Parameters,
    UpdateRule,
    gradients_of_each,
    loss_and_gradients,
)
from meta_nmt.meta_learners.maml import support_weight_setting
from meta_nmt.meta_learners.settings import InnerRule, setting


@dataclass(frozen=True)
class Trajectory:
    """The way that a task has gone from theta.

    displacement: the distance from theta, by name; of a parameter of which episodes bring rows, for all its rows.
    state: the state of the inner rule.
    visits: how many episodes the trajectory has had.
    """

    name: Hashable
    displacement: Parameters
    state: Any = None
    visits: int = 0


@dataclass(frozen=True)
class TrajectorySettings(InnerRule):
    """Settings of learners that keep trajectories: cts and lslr."""

    support_weight: float = support_weight_setting()
    trajectory_visits: int = setting(
        80, "episodes of a task, --inner-steps each, before its trajectory starts anew; the inner rate falls to zero "
        "over them", least=1,
    )  # fmt: skip
    trajectory_tokens: int = setting(
        16_000, "target tokens of the sample that a trajectory reads over and over", least=1
    )


@register_meta_learner("cts")
class TrajectoryShifting(MetaLearner):
    """The learner that keeps a displacement from theta for each task.

    An episode without a visit, and the first of a trajectory, start from theta itself.
    """

    settings_type = TrajectorySettings
    keeps_trajectories = True
    one_worker = True  # each would have trajectories of its own
    settings: TrajectorySettings

    def __init__(self, settings: TrajectorySettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        self._of_rows = {name for name in adapted if theta[name].dim() and not theta[name].size(0)}
        self._kept: dict[Hashable, Trajectory] = {}

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        """The inner rule; its rate falls to zero over ``steps`` where these are known, as in fine-tuning."""
        if steps is None:
            return self.settings.rule()
        return FallingRate(INNER_OPTIMIZERS[self.settings.inner_optimizer], self.settings.alpha, steps)

    def episode(self, episode: Episode) -> EpisodeResult:
        theta, adapted, visit = episode.theta, episode.adapted, episode.visit
        trajectory = self._kept.get(visit.task) if visit else None
        if trajectory is None or visit is None or trajectory.name != visit.trajectory:
            trajectory = Trajectory(visit and visit.trajectory, {n: self._zeros(n, theta, visit) for n in adapted})
        weight = self.settings.support_weight
        losses, gradients = [], []
        rule = self.rule(adapted, self.settings.trajectory_visits * len(episode.support) if visit else None)
        for batch in episode.support:
            point = self._point(theta, trajectory, visit)
            gradients_of = list(theta) if weight else list(adapted)
            loss, of_batch = loss_and_gradients(episode.loss, point, batch, gradients_of)
            trajectory = self._step(trajectory, rule, adapted, of_batch, visit, loss)
            losses.append(loss)
            gradients.append(of_batch)
        point = self._point(theta, trajectory, visit)
        query_losses, query_gradients = gradients_of_each(episode.loss, point, episode.query)
        trajectory = replace(trajectory, visits=trajectory.visits + 1)
        of_learner = self.own_gradients(trajectory, query_gradients, visit)
        if visit:
            self._kept.pop(visit.task, None)
            if all(bool(loss.isfinite()) for loss in [*losses, *query_losses]):  # else the next visit starts from theta
                self._kept[visit.task] = trajectory
        return EpisodeResult(mixed(query_gradients, gradients, weight) | of_learner, losses, query_losses)

    def own_gradients(
        self, trajectory: Trajectory, query_gradients: Sequence[Parameters], visit: Visit | None
    ) -> Parameters:
        """Gradients of the learner's own parameters, under META_PREFIX; none here, a subclass may have some.

        query_gradients: of each query batch, at the point that the trajectory has reached.
        """
        return {}

    def displacement(self, trajectory: Trajectory, name: str, visit: Visit | None) -> Tensor:
        """The displacement of a parameter; where episodes bring rows of it, only of the rows of this episode."""
        delta = trajectory.displacement[name]
        return delta[visit.rows] if visit is not None and name in self._of_rows else delta

    def _zeros(self, name: str, theta: Mapping[str, Tensor], visit: Visit | None) -> Tensor:
        value = theta[name].detach()
        if visit is not None and name in self._of_rows:
            return value.new_zeros(visit.vocabulary, *value.shape[1:])
        return torch.zeros_like(value)

    def _point(self, theta: Mapping[str, Tensor], trajectory: Trajectory, visit: Visit | None) -> Parameters:
        """The parameters theta + delta, each a new leaf."""
        point = dict(theta)
        for name in trajectory.displacement:
            moved = self.displacement(trajectory, name, visit)
            point[name] = (theta[name].detach() + moved).requires_grad_()
        return point

    def _step(
        self,
        trajectory: Trajectory,
        rule: UpdateRule,
        adapted: Sequence[str],
        gradients: Parameters,
        visit: Visit | None,
        loss: Tensor,
    ) -> Trajectory:
        """One step of the inner rule on all rows; a row without a gradient in the episode counts as zero."""
        full_grads = []
        for name in adapted:
            delta = trajectory.displacement[name]
            grad = gradients.get(name)
            if grad is None:
                grad = torch.zeros_like(delta)
            elif visit is not None and name in self._of_rows:
                grad = torch.zeros_like(delta).index_copy(0, visit.rows, grad)
            full_grads.append(grad)
        with torch.no_grad():
            displacements = [trajectory.displacement[name] for name in adapted]
            moved, state = rule(displacements, full_grads, trajectory.state, loss)
        return replace(trajectory, displacement=dict(zip(adapted, moved, strict=True)), state=state)
