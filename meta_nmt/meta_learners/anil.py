"""ANIL, "almost no inner loop": MAML whose inner loop moves the head only.

Raghu, Raghu, Bengio and Vinyals, "Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of
MAML", ICLR 2020 (arXiv 1909.09157), section 4. With theta = (body, head),

    head'_k = inner loop from the head on the support set of task k, the body as it is
    theta  <- theta - beta * mean_k grad_theta L_k(body, head'_k(theta); query set)

It is of second order, as MAML is. The head is those of the adapted parameters that ``head_params`` matches.

Deviation: the head is not a new classifier for each task, since all tasks of translation share their target language.
It is the decoder's last layer, and its output projection where that is not tied to the target embedding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from meta_nmt.meta_learners.base import register_meta_learner
from meta_nmt.meta_learners.maml import MAML, MAMLSettings
from meta_nmt.meta_learners.settings import SettingError, setting


@dataclass(frozen=True)
class ANILSettings(MAMLSettings):
    """Settings of anil: those of maml, and what the head is."""

    head_params: str | None = setting(
        None,
        "what the inner loop moves, of --adapt-params: a regular expression for whole names; if not given, the "
        "decoder's last layer, and its output projection where that is not tied",
    )


def last_layer(names: Sequence[str]) -> str:
    """The head of fairseq's Transformer, as a regular expression: the decoder's last layer and output projection."""
    layers = [int(name.split(".")[2]) for name in names if name.startswith("decoder.layers.")]
    if not layers:
        raise SettingError(
            "head_params",
            f"must be given, as the decoder's last layer matches none of what adapts (it looks like {names[0]!r})",
        )
    return rf"decoder\.(layers\.{max(layers)}|output_projection)\..*"


@register_meta_learner("anil")
class ANIL(MAML):
    """MAML whose inner loop moves the head alone.

    Raises:
        SettingError: the head is no regular expression, or matches none of the adapted parameters.
    """

    settings_type = ANILSettings
    group = "all"

    def __init__(self, settings: ANILSettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        head = last_layer(adapted) if settings.head_params is None else settings.head_params
        try:
            self.head = re.compile(head)
        except re.error as error:
            raise SettingError("head_params", f"must be a regular expression, but {head!r} has: {error}") from None
        if not self.inner_names(adapted):
            raise SettingError(
                "head_params",
                f"must match the whole name of at least one adapted parameter, but {head!r} matches none "
                f"(they look like {adapted[0]!r})",
            )

    def inner_names(self, adapted: Sequence[str]) -> list[str]:
        return [name for name in adapted if self.head.fullmatch(name)]
