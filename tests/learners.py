"""Meta-learners made from settings of which each takes those that it has: for tests that try several alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from meta_nmt.meta_learners import MetaLearner


def make(kind: type[MetaLearner], settings: Mapping[str, Any], theta: Mapping[str, Tensor], adapted: Sequence[str]):
    """A learner of a kind, told those of the settings that it knows."""
    return kind(kind.settings_type.fitting(settings), theta, adapted)
