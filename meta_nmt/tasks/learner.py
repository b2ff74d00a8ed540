"""The meta-learner that a configuration asks for, or that a checkpoint holds."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.meta_learners import (
    INNER_OPTIMIZERS,
    META_LEARNERS,
    META_PREFIX,
    FallingRate,
    MetaLearner,
    MetaLearnerSettings,
    UpdateRule,
    select_parameters,
)

AUTO = "auto"
DEFAULT_GROUP = "emb_enc"
DEFAULT_GROUPS = {"anil": "all", "lstm": "small"}  # of learners for which DEFAULT_GROUP does not fit
# Where the inner step is differentiated it is SGD's: almost everywhere Adam's first step has the derivative 0, as the
# sign has, and near a gradient of 0 a huge one.
DEFAULT_RULES = dict.fromkeys(("maml", "anil", "meta_sgd", "lstm"), "sgd")
DEFAULT_RATES = {"adam": 1e-3, "sgd": 0.1}
# settings of a meta-learner (MetaLearnerSettings) -> field of the configuration
FLAGS = {
    "rule": "inner_optimizer",
    "alpha": "inner_lr",
    "support_weight": "support_weight",
    "checkpoint_inner_steps": "checkpoint_inner_steps",
    "head": "head_params",
    "lstm_hidden": "lstm_hidden",
}


def inner_rule(cfg: Any) -> tuple[str, float]:
    """``--inner-optimizer`` and ``--inner-lr``, with what was left open filled in."""
    rule = cfg.inner_optimizer
    if rule == AUTO:
        rule = DEFAULT_RULES.get(cfg.meta_learner, "adam")
    return rule, DEFAULT_RATES[rule] if cfg.inner_lr is None else cfg.inner_lr


def adapted_group(cfg: Any) -> str:
    """``--adapt-params``, with auto resolved."""
    group: str = cfg.adapt_params
    return DEFAULT_GROUPS.get(cfg.meta_learner, DEFAULT_GROUP) if group == AUTO else group


def adapted_names(cfg: Any, names: list[str]) -> list[str]:
    """What ``--adapt-params`` selects of a model's parameter names (InputError where that is nothing)."""
    try:
        return select_parameters(names, adapted_group(cfg))
    except ValueError as error:
        raise InputError(f"`--adapt-params` {error}") from None


def head_pattern(cfg: Any, names: list[str]) -> str:
    """``--head-params``; auto is the decoder's last layer, and its output projection where that is not tied."""
    if cfg.head_params != AUTO:
        return str(cfg.head_params)
    last = max(int(name.split(".")[2]) for name in names if name.startswith("decoder.layers."))
    return rf"decoder\.(layers\.{last}|output_projection)\..*"


def build_meta_learner(cfg: Any, theta: Mapping[str, Tensor]) -> tuple[MetaLearner, list[str]]:
    """The learner of a task's configuration, and the names of the parameters that adapt.

    Raises:
        InputError: `--adapt-params` selects nothing, or the learner refuses a setting.
    """
    names = list(theta)
    adapted = adapted_names(cfg, names)
    name, alpha = inner_rule(cfg)
    rule: UpdateRule = INNER_OPTIMIZERS[name](alpha)
    if META_LEARNERS[cfg.meta_learner].keeps_trajectories:  # each is a fine-tuning, and has its schedule
        rule = FallingRate(INNER_OPTIMIZERS[name], alpha, cfg.trajectory_visits * cfg.inner_steps)
    settings = MetaLearnerSettings(
        rule=rule,
        alpha=alpha,
        support_weight=cfg.support_weight,
        checkpoint_inner_steps=cfg.checkpoint_inner_steps,
        head=head_pattern(cfg, names),
        lstm_hidden=cfg.lstm_hidden,
    )
    try:
        return META_LEARNERS[cfg.meta_learner](settings, theta, adapted), adapted
    except ValueError as error:  # its message begins with the setting
        setting, _, reason = str(error).partition(" ")
        raise InputError(f"`--{FLAGS[setting].replace('_', '-')}` {reason}") from None


def saved_meta_learner(path: str, state: dict[str, Any], names: list[str]) -> tuple[MetaLearner, list[str]]:
    """The learner that a meta-trained checkpoint holds, as it was trained, and the names of what it adapts.

    Args:
        path: of the checkpoint, for messages.
        state: its contents.
        names: the model's parameters.

    Raises:
        InputError: its meta-learner learnt no update rule.
    """
    cfg = state["cfg"]["task"]
    kind = META_LEARNERS.get(getattr(cfg, "meta_learner", ""))
    if kind is None or not kind.learned_rule:
        learned = [name for name, cls in META_LEARNERS.items() if cls.learned_rule]
        raise InputError(
            f"`--learned-rule` needs a checkpoint of `--meta-learner` {' or '.join(learned)}, but {path} is of "
            f"{getattr(cfg, 'meta_learner', 'none')}"
        )
    learner, adapted = build_meta_learner(cfg, {name: state["model"][name] for name in names})
    learner.load_state_dict(
        {name.removeprefix(META_PREFIX): v for name, v in state["model"].items() if name.startswith(META_PREFIX)}
    )
    return learner, adapted
