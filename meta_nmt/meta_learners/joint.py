"""Joint multilingual training, the baseline that MetaNMT is measured against (MultiNMT in Gu et al. 2018, section 4).

It takes the same batches as other learners, each for an ordinary gradient at theta. There is no inner loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from meta_nmt.meta_learners.base import Episode, EpisodeResult, MetaLearner, average, register_meta_learner
from meta_nmt.meta_learners.inner_loop import UpdateRule, gradients_of_each
from meta_nmt.meta_learners.settings import InnerRule, Settings


@register_meta_learner("joint")
class Joint(MetaLearner):
    """Joint training: a task's gradient is the mean over its support and query batches alike.

    The residual embeddings of a language stay zero. So the universal values carry all that is learnt about words, and a
    language that was not trained on starts from the same place.
    """

    settings_type = Settings  # no settings, since there is no inner loop
    inner_loop = False

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        """The rule at meta-test, where a joint model is fine-tuned as any other model is."""
        return InnerRule().rule()

    def episode(self, episode: Episode) -> EpisodeResult:
        batches, support = [*episode.support, *episode.query], len(episode.support)
        losses, gradients = gradients_of_each(episode.loss, dict(episode.theta), batches)
        return EpisodeResult(average(gradients), losses[:support], losses[support:])
