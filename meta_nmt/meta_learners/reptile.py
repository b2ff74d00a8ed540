"""Reptile: theta moves towards where the inner loop ended.

Nichol, Achiam and Schulman, "On First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999), algorithm 1
(serial) and 2 (batched):

    theta'_k = K steps of the inner rule from theta on task k
    theta   <- theta + epsilon * mean_k (theta'_k - theta)

There is no query set: the batches of support and query are all inner steps, one each.

Deviations:
- a task's share is (theta - theta'_k) / (alpha * K), and the trainer's optimiser applies it. It has the scale of a
  gradient: with SGD inside, it is the mean of the gradients along the way (section 3 names this form);
- parameters outside ``adapted``, such as the universal values, do not move in the inner loop: they get the mean
  of their gradients along the way, which with SGD is the same.
"""

from __future__ import annotations

import torch

from meta_nmt.meta_learners.base import Episode, EpisodeResult, MetaLearner, average, register_meta_learner
from meta_nmt.meta_learners.inner_loop import adapt


@register_meta_learner("reptile")
class Reptile(MetaLearner):
    """The learner whose gradient is the way that the inner loop went."""

    def episode(self, episode: Episode) -> EpisodeResult:
        theta, adapted, support = episode.theta, episode.adapted, len(episode.support)
        batches = [*episode.support, *episode.query]
        not_adapted = [name for name in theta if name not in set(adapted)]
        inner = adapt(episode.loss, theta, adapted, batches, self.rule(adapted), gradients_of=not_adapted)
        gradients = average(inner.gradients)
        scale = self.settings.alpha * len(batches)
        with torch.no_grad():
            gradients |= {name: (theta[name] - inner.theta_prime[name]) / scale for name in adapted}
        return EpisodeResult(gradients, inner.losses[:support], inner.losses[support:])
