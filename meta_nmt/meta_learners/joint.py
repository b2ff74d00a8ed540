"""Joint multilingual training, the baseline that MetaNMT is measured against (MultiNMT in Gu et al. 2018,
section 4): the same batches, every one of them used for an ordinary gradient at theta, no inner loop."""

from __future__ import annotations

from collections.abc import Sequence

from meta_nmt.meta_learners.base import Episode, EpisodeResult, MetaLearner, average, register_meta_learner
from meta_nmt.meta_learners.inner_loop import UpdateRule, gradients_of_each
from meta_nmt.meta_learners.settings import InnerRule, Settings


@register_meta_learner("joint")
class Joint(MetaLearner):
    """Support and query batches weigh the same: a task's gradient is their mean.

    A language's residual embeddings stay zero, so that the universal values carry all that is learnt about
    words and a language that was not trained on starts from the same place.
    """

    settings_type = Settings  # none: it has no inner loop

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        """The rule at meta-test alone, where a joint model is fine-tuned as any other."""
        return InnerRule().rule()

    def episode(self, episode: Episode) -> EpisodeResult:
        batches, support = [*episode.support, *episode.query], len(episode.support)
        losses, gradients = gradients_of_each(episode.loss, dict(episode.theta), batches)
        return EpisodeResult(average(gradients), losses[:support], losses[support:])
