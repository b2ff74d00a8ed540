"""The meta-learners, one paper a file, in pure torch: any module, any loss function."""

from meta_nmt.meta_learners.base import META_LEARNERS, EpisodeResult, MetaLearner, MetaLearnerSettings
from meta_nmt.meta_learners.base import register_meta_learner as register_meta_learner
from meta_nmt.meta_learners.inner_loop import INNER_OPTIMIZERS, adapt
from meta_nmt.meta_learners.joint import Joint
from meta_nmt.meta_learners.maml import FOMAML
from meta_nmt.meta_learners.parameter_groups import GROUPS, select_parameters

__all__ = [
    "FOMAML",
    "GROUPS",
    "INNER_OPTIMIZERS",
    "META_LEARNERS",
    "EpisodeResult",
    "Joint",
    "MetaLearner",
    "MetaLearnerSettings",
    "adapt",
    "register_meta_learner",
    "select_parameters",
]
