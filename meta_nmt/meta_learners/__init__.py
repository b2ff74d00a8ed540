"""The meta-learners, one paper a file, in pure torch: any module, any loss function."""

from meta_nmt.meta_learners.anil import ANIL
from meta_nmt.meta_learners.base import (
    META_LEARNERS,
    META_PREFIX,
    EpisodeResult,
    MetaLearner,
    MetaLearnerSettings,
    Visit,
)
from meta_nmt.meta_learners.base import register_meta_learner as register_meta_learner
from meta_nmt.meta_learners.inner_loop import INNER_OPTIMIZERS, FallingRate, InnerLoopResult, UpdateRule, adapt
from meta_nmt.meta_learners.joint import Joint
from meta_nmt.meta_learners.layer_rates import LSLR
from meta_nmt.meta_learners.lstm_meta_learner import LSTMMetaLearner
from meta_nmt.meta_learners.maml import FOMAML, MAML
from meta_nmt.meta_learners.meta_sgd import MetaSGD
from meta_nmt.meta_learners.parameter_groups import GROUPS, select_parameters
from meta_nmt.meta_learners.reptile import Reptile
from meta_nmt.meta_learners.trajectory_shifting import TrajectoryShifting

__all__ = [
    "ANIL",
    "FOMAML",
    "GROUPS",
    "INNER_OPTIMIZERS",
    "MAML",
    "META_LEARNERS",
    "META_PREFIX",
    "EpisodeResult",
    "FallingRate",
    "InnerLoopResult",
    "Joint",
    "LSLR",
    "LSTMMetaLearner",
    "MetaLearner",
    "MetaLearnerSettings",
    "MetaSGD",
    "Reptile",
    "TrajectoryShifting",
    "UpdateRule",
    "Visit",
    "adapt",
    "register_meta_learner",
    "select_parameters",
]
