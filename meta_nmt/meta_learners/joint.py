"""Joint multilingual training, the baseline that MetaNMT is measured against (MultiNMT in Gu et al. 2018,
section 4): the same batches, every one of them used for an ordinary gradient at theta, no inner loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from meta_nmt.meta_learners.base import EpisodeResult, MetaLearner, average, register_meta_learner
from meta_nmt.meta_learners.inner_loop import LossFunction, loss_and_gradients


@register_meta_learner("joint")
class Joint(MetaLearner):
    """Support and query batches weigh the same: a task's gradient is their mean.

    A language's residual embeddings stay zero, so that the universal values carry all that is learnt about
    words and a language that was not trained on starts from the same place.
    """

    uses = frozenset()  # no inner loop

    def episode(
        self,
        loss_fn: LossFunction,
        theta: Mapping[str, Tensor],
        adapted: Sequence[str],
        support: Sequence[Any],
        query: Sequence[Any],
    ) -> EpisodeResult:
        losses, gradients = [], []
        for batch in [*support, *query]:
            loss, found = loss_and_gradients(loss_fn, dict(theta), batch, list(theta))
            gradients.append(found)
            losses.append(loss)
        weights = [1 / len(gradients)] * len(gradients)
        return EpisodeResult(average(gradients, weights), losses[: len(support)], losses[len(support) :])
