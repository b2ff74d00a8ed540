"""Reptile: theta moves towards where the inner loop ended.

Nichol, Achiam and Schulman, "On First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999), algorithm 1
(serial) and 2 (batched):

    theta'_k = K steps of the inner rule from theta on task k
    theta   <- theta + epsilon * mean_k (theta'_k - theta)

There is no query set: the batches of support and query are all inner steps, one each.

Deviations:
- what is returned is (theta - theta'_k) / (alpha * K), which has the scale of a gradient (with SGD inside it is
  the mean of the gradients along the way; section 3 names this form), and the trainer's optimiser applies it;
- parameters outside ``adapted``, such as the universal values, do not move in the inner loop: they get the mean
  of their gradients along the way, which is the same thing with SGD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from meta_nmt.meta_learners.base import EpisodeResult, MetaLearner, average, register_meta_learner
from meta_nmt.meta_learners.inner_loop import LossFunction, adapt


@register_meta_learner("reptile")
class Reptile(MetaLearner):
    """The inner loop's way, as a gradient."""

    def episode(
        self,
        loss_fn: LossFunction,
        theta: Mapping[str, Tensor],
        adapted: Sequence[str],
        support: Sequence[Any],
        query: Sequence[Any],
    ) -> EpisodeResult:
        batches = [*support, *query]
        others = [name for name in theta if name not in set(adapted)]
        inner = adapt(loss_fn, theta, adapted, batches, self.rule(adapted), gradients_of=others)
        gradients = average(inner.gradients, [1 / len(batches)] * len(batches))
        scale = self.settings.alpha * len(batches)
        with torch.no_grad():
            gradients |= {name: (theta[name] - inner.theta_prime[name]) / scale for name in adapted}
        return EpisodeResult(gradients, inner.losses[: len(support)], inner.losses[len(support) :])
