"""The meta-learner that a configuration asks for, or that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.meta_learners import META_LEARNERS, META_PREFIX, MetaLearner, SettingError, Settings, select_parameters
from meta_nmt.meta_learners.settings import names_of

AUTO = "auto"  # in checkpoints of an earlier version: a setting that was left open


def flag(name: str) -> str:
    """The flag of a setting or field: support_weight -> --support-weight."""
    return f"--{name.replace('_', '-')}"


def given_settings(cfg: Any, kind: type[MetaLearner]) -> dict[str, Any]:
    """The settings of a kind of learner that a configuration gives, without those that were left open."""
    values = {name: getattr(cfg, name, None) for name in names_of(kind.settings_type)}
    return {name: value for name, value in values.items() if value not in (None, AUTO)}


def learner_settings(cfg: Any) -> Settings:
    """The settings of the learner that a configuration asks for; InputError where one is out of its bounds."""
    kind = META_LEARNERS[cfg.meta_learner]
    try:
        return kind.settings_type(**given_settings(cfg, kind))
    except SettingError as error:
        raise InputError(f"`{flag(error.setting)}` {error.reason}") from None


def adapted_group(cfg: Any) -> str:
    """The group of parameters that the inner loop moves: ``--adapt-params``, or else the learner's default."""
    group: str | None = cfg.adapt_params
    return META_LEARNERS[cfg.meta_learner].group if group in (None, AUTO) else str(group)


def adapted_names(cfg: Any, names: list[str]) -> list[str]:
    """The parameter names of a model that ``--adapt-params`` selects; InputError where it selects none."""
    try:
        return select_parameters(names, adapted_group(cfg))
    except ValueError as error:
        raise InputError(f"`--adapt-params` {error}") from None


def build_meta_learner(cfg: Any, theta: Mapping[str, Tensor]) -> tuple[MetaLearner, list[str]]:
    """The learner of a task's configuration, and the names of the parameters that adapt.

    Raises:
        InputError: `--adapt-params` selects nothing, or the learner refuses a setting.
    """
    adapted = adapted_names(cfg, list(theta))
    settings = learner_settings(cfg)
    try:
        return META_LEARNERS[cfg.meta_learner](settings, theta, adapted), adapted
    except SettingError as error:
        raise InputError(f"`{flag(error.setting)}` {error.reason}") from None


def own_parameters(cfg: Any) -> str:
    """The flags that decide which parameters of its own the learner of a configuration has."""
    kind = META_LEARNERS.get(getattr(cfg, "meta_learner", ""))
    if kind is None or not kind.learned_rule:
        return "a learner without parameters"
    settings = kind.settings_type(**given_settings(cfg, kind))
    shaping = [name for name, field in kind.settings_type.__dataclass_fields__.items() if field.metadata["shapes"]]
    flags = {"meta_learner": cfg.meta_learner, "adapt_params": adapted_group(cfg)}
    flags |= {name: getattr(settings, name) for name in shaping}
    return " ".join(f"{flag(name)} {value}" for name, value in flags.items())


def saved_meta_learner(path: str, state: dict[str, Any], names: list[str]) -> tuple[MetaLearner, list[str]]:
    """The learner that a meta-trained checkpoint holds, as it was trained, and the names of what it adapts.

    Args:
        path: the path of the checkpoint, for messages.
        state: the contents of the checkpoint.
        names: the names of the model's parameters.

    Raises:
        InputError: its meta-learner learnt no update rule.
    """
    cfg = state["cfg"]["task"]
    learner_name = str(getattr(cfg, "meta_learner", ""))
    kind = META_LEARNERS.get(learner_name)
    if kind is None and learner_name:
        raise InputError(
            f"{path}: its meta-learner {learner_name} must be known, but is not: `--user-dir` names its file"
        )
    if kind is None or not kind.learned_rule:
        learned = [name for name, cls in META_LEARNERS.items() if cls.learned_rule]
        raise InputError(
            f"`--learned-rule` needs a checkpoint of `--meta-learner` {' or '.join(learned)}, but {path} is of "
            f"{learner_name or 'none'}"
        )
    learner, adapted = build_meta_learner(cfg, {name: state["model"][name] for name in names})
    learner.load_state_dict(
        {name.removeprefix(META_PREFIX): v for name, v in state["model"].items() if name.startswith(META_PREFIX)}
    )
    return learner, adapted
