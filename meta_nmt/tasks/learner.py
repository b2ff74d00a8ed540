"""The meta-learner that a configuration asks for, or that a checkpoint holds."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.meta_learners import (
    META_LEARNERS,
    META_PREFIX,
    Episode,
    EpisodeResult,
    MetaLearner,
    SettingError,
    Settings,
    select_parameters,
)
from meta_nmt.meta_learners.settings import names_of
from meta_nmt.tasks.faults import StepError

Answer = TypeVar("Answer")

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


def has_own_parameters(cfg: Any, weights: Mapping[str, Tensor]) -> bool:
    """Whether the learner of a configuration, on a model of these weights, has parameters of its own.

    Raises:
        InputError: as `build_meta_learner`.
    """
    theta = {name: value for name, value in weights.items() if not name.startswith(META_PREFIX)}
    learner = build_meta_learner(cfg, theta)[0]
    learner.meet({"": 0})  # it may have parameters for each task
    return bool(learner.state_dict())


def useful_in_adaptation(learner: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a model that a learner trained, without the learner's own where it learnt no update rule.

    A learner that is not known keeps its own.
    """
    kind = META_LEARNERS.get(learner)
    if kind is None or kind.learned_rule:
        return weights
    return {name: value for name, value in weights.items() if not name.startswith(META_PREFIX)}


def own_parameters(cfg: Any) -> str:
    """The flags that decide which parameters of its own the learner of a configuration has, if it has any.

    Raises:
        InputError: a setting is out of its bounds.
    """
    name = str(getattr(cfg, "meta_learner", ""))
    if name not in META_LEARNERS:
        return f"--meta-learner {name}"
    settings, declared = learner_settings(cfg), META_LEARNERS[name].settings_type.__dataclass_fields__
    shaping = [field for field, declaration in declared.items() if declaration.metadata["shapes"]]
    flags = {"meta_learner": name, "adapt_params": adapted_group(cfg)}
    flags |= {name: getattr(settings, name) for name in shaping}
    if META_LEARNERS[name].meet is not MetaLearner.meet:
        flags["source_langs"] = cfg.source_langs
    return " ".join(f"{flag(name)} {value}" for name, value in flags.items())


def ask(learner: MetaLearner, method: str, episode: Episode, answer: type[Answer]) -> Answer:
    """What a learner's method makes of an episode: an object of the class ``answer``.

    An exception that the learner's own code raises is passed on unchanged.

    Raises:
        StepError: the method takes no episode, or returns something else. The message names the learner and its file.
    """
    kind = type(learner)
    file = getattr(sys.modules.get(kind.__module__), "__file__", kind.__module__)
    who = f"{method} of the meta-learner {kind.__name__} ({file})"
    call = getattr(learner, method)
    try:
        inspect.signature(call).bind(episode)
    except TypeError as error:
        raise StepError(f"{who} must take an Episode, but is {method}{inspect.signature(call)}: {error}") from None
    value = call(episode)
    if not isinstance(value, answer):
        raise StepError(f"{who} must return an {answer.__name__}, but returns a {type(value).__name__}")
    if isinstance(value, EpisodeResult):
        _check_result(value, who)
    return value


def _check_result(result: EpisodeResult, who: str) -> None:
    """StepError unless a learner's result has gradients by name, and a loss."""
    gradients, losses = result.gradients, (result.support_losses, result.query_losses)
    if not isinstance(gradients, dict) or not all(isinstance(value, Tensor) for value in gradients.values()):
        raise StepError(f"{who} must give a gradient, a tensor, for each name, but gives other things")
    if not all(isinstance(part, (list, tuple)) for part in losses) or not all(
        isinstance(loss, Tensor) and loss.numel() == 1 for part in losses for loss in part
    ):
        raise StepError(f"{who} must give lists of losses, of a number each, but gives other things")
    if not any(losses):
        raise StepError(f"{who} must give the losses of its support or query batches, but gives none")


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
