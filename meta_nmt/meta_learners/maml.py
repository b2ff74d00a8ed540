"""Model-agnostic meta-learning, first order.

Finn, Abbeel and Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML 2017
(arXiv 1703.03400), algorithm 1 with the first-order approximation of section 5.2; the form that MetaNMT
uses (Gu et al. 2018, arXiv 1808.08437, section 3.2):

    theta'_k = inner loop from theta on the support set of task k
    theta   <- theta - beta * mean_k grad_theta' L_k(theta'_k; query set)

Deviation: ``support_weight`` w mixes in the support gradients g_s, which were computed for the inner steps
anyway: (1 - w) * query gradient + w * mean over steps of g_s. w = 0 is the paper; summing them is what
Reptile (Nichol et al. 2018, arXiv 1803.02999, equation 27) does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from meta_nmt.meta_learners.base import EpisodeResult, MetaLearnerSettings, average, register_meta_learner
from meta_nmt.meta_learners.inner_loop import LossFunction, adapt, differentiate


@register_meta_learner("fomaml")
class FOMAML:
    """The query gradient is taken at theta' and applied to theta as it is."""

    def __init__(self, settings: MetaLearnerSettings) -> None:
        self.settings = settings

    def episode(
        self,
        loss_fn: LossFunction,
        theta: Mapping[str, Tensor],
        adapted: Sequence[str],
        support: Sequence[Any],
        query: Sequence[Any],
    ) -> EpisodeResult:
        weight = self.settings.support_weight
        names = list(theta)
        inner = adapt(loss_fn, theta, adapted, support, self.settings.rule, gradients_of=names if weight else ())
        query_losses, gradients = [], []
        for batch in query:
            loss = loss_fn(inner.theta_prime, batch)
            gradients.append(differentiate(loss, inner.theta_prime, names))
            query_losses.append(loss.detach())
        weights = [(1 - weight) / len(query)] * len(query)
        if weight:
            gradients += inner.gradients
            weights += [weight / len(support)] * len(support)
        return EpisodeResult(average(gradients, weights), inner.losses, query_losses)
