"""The meta-learners, one paper a file, in pure torch: any module, any loss function.

Every file of this folder is loaded with the package. So a new learner is a new file here, or a file anywhere else that
`--user-dir` names (docs/extending.md).
"""

from importlib import import_module
from pkgutil import iter_modules

from meta_nmt.meta_learners.base import (
    META_LEARNERS,
    META_PREFIX,
    Episode,
    EpisodeResult,
    MetaLearner,
    Visit,
    average,
    mixed,
    register_meta_learner,
)
from meta_nmt.meta_learners.inner_loop import (
    INNER_OPTIMIZERS,
    FallingRate,
    InnerLoopResult,
    UpdateRule,
    adapt,
    gradients_of_each,
)
from meta_nmt.meta_learners.parameter_groups import GROUPS, select_parameters
from meta_nmt.meta_learners.settings import InnerRule, SettingError, Settings, setting

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "GROUPS", "INNER_OPTIMIZERS", "META_LEARNERS", "META_PREFIX", "Episode", "EpisodeResult", "FallingRate",
    "InnerLoopResult", "InnerRule", "MetaLearner", "SettingError", "Settings", "UpdateRule", "Visit", "adapt",
    "average", "gradients_of_each", "mixed", "register_meta_learner", "select_parameters", "setting",
]  # fmt: skip
