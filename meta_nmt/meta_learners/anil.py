"""ANIL, "almost no inner loop": MAML whose inner loop moves the head only.

Raghu, Raghu, Bengio and Vinyals, "Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of
MAML", ICLR 2020 (arXiv 1909.09157), section 4. With theta = (body, head),

    head'_k = inner loop from the head on the support set of task k, the body as it is
    theta  <- theta - beta * mean_k grad_theta L_k(body, head'_k(theta); query set)

Second order, as MAML. The head is ``settings.head``, among the adapted parameters.

Deviation: in translation the head is not a new classifier for each task, but the decoder's last layer (and its
output projection, where that is not tied to the target embedding), since all tasks share their target language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from meta_nmt.meta_learners.base import MetaLearnerSettings, register_meta_learner
from meta_nmt.meta_learners.maml import MAML


@register_meta_learner("anil")
class ANIL(MAML):
    """Raises ValueError where the head is no regular expression, or matches none of the adapted parameters."""

    uses = MAML.uses | {"head"}

    def __init__(self, settings: MetaLearnerSettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        try:
            self.head = re.compile(settings.head)
        except re.error as error:
            raise ValueError(f"head must be a regular expression, but {settings.head!r} has: {error}") from None
        if not self.inner_names(adapted):
            raise ValueError(
                f"head must match the whole name of at least one adapted parameter, but {settings.head!r} matches none "
                f"(they look like {adapted[0]!r})"
            )

    def inner_names(self, adapted: Sequence[str]) -> list[str]:
        return [name for name in adapted if self.head.fullmatch(name)]
