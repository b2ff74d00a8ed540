"""The flags of the task ``meta_translation``, and what they must be.

A meta-learner declares its own settings (meta_learners/settings.py); its flags are made from these.
"""

# no `from __future__ import annotations`: fairseq reads the types of configuration fields at run time
import math
from argparse import ArgumentParser
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from typing import Any, Optional

from fairseq.dataclass.configs import FairseqConfig
from fairseq.registry import REGISTRIES
from omegaconf import II

from data_prep.base.errors import InputError, did_you_mean
from meta_nmt.meta_learners import META_LEARNERS
from meta_nmt.meta_learners.settings import broken, names_of, types_of
from meta_nmt.models.ulr_transformer import ULRTransformer
from meta_nmt.tasks.config import TranslationDataConfig
from meta_nmt.tasks.learner import AUTO, flag, given_settings


@dataclass
class TaskConfig(TranslationDataConfig):
    """The task's own flags; `with_settings` adds the flags of the learners' settings."""

    source_langs: str = field(
        default="", metadata={"help": "codes of the languages to meta-train on, separated by commas"}
    )
    valid_langs: str = field(
        default="",
        metadata={
            "help": "codes of the held-out languages to validate on, separated by commas: the model adapts to a fixed "
            "sample of each and is scored on its dev set"
        },
    )
    meta_learner: str = field(default="fomaml", metadata={"help": "one of {learners}; joint is the MultiNMT baseline"})
    meta_batch_size: int = field(default=4, metadata={"help": "tasks a meta-step, over all workers"})
    support_tokens: int = field(
        default=2000, metadata={"help": "tokens (the longer side) of the support batch of each inner step"}
    )
    query_tokens: int = field(default=2000, metadata={"help": "tokens (the longer side) of the query batch"})
    inner_steps: int = field(default=1, metadata={"help": "gradient steps of the inner loop, a support batch each"})
    adapt_params: Optional[str] = field(  # noqa: UP045  fairseq reads it
        default=None,
        metadata={
            "help": "what the inner loop moves: emb, emb_enc, all, small (residual embeddings, query transform, "
            "LayerNorm and biases), or a regular expression for whole names; if not given, {groups}"
        },
    )
    sampling_temperature: float = field(
        default=1.0, metadata={"help": "T of p(language) proportional to tokens^(1/T); 1 follows the data"}
    )
    query_noise: float = field(
        default=0.0,
        metadata={
            "help": "noise added to the aligned vectors of source tokens, as a share of their length, drawn anew for "
            "each episode: languages aligned as badly as a new one"
        },
    )
    updates_per_epoch: int = field(default=1000, metadata={"help": "meta-steps that count as an epoch"})
    valid_steps: int = field(default=20, metadata={"help": "adaptation steps before each meta-validation"})
    valid_lr: float = field(
        default=1e-3,
        metadata={
            "help": "learning rate of the first of these steps, falling to zero over them (Adam; a learner with "
            "a rule that it has learnt takes that)"
        },
    )
    valid_batch_tokens: int = field(
        default=1000,
        metadata={
            "help": "tokens, padding included, of a batch of these steps: the same for learners whose episodes differ"
        },
    )
    valid_sample_tokens: int = field(
        default=16000, metadata={"help": "target tokens of the fixed sample that meta-validation adapts to"}
    )
    seed: int = II("common.seed")


@dataclass
class SettingFlag:
    """One flag for a setting that several learners may have.

    help, default: each help text, or default, with the learners that have it.
    """

    type: type
    help: dict[str, list[str]]
    default: dict[str, list[str]]

    def text(self) -> str:
        """The help of the flag: the learners that have it, what it is, and its default."""
        helps = [f"{', '.join(learners)}: {text.replace('%', '%%')}" for text, learners in self.help.items()]
        return "; ".join(helps) + (f" (default: {self.defaults()})" if self.defaults() else "")

    def defaults(self) -> str:
        """The defaults other than None and False, each with its learners where these differ."""
        learners_of = {value: learners for value, learners in self.default.items() if value not in ("None", "False")}
        alike = len(self.default) == 1
        return "; ".join(value if alike else f"{value} for {', '.join(who)}" for value, who in learners_of.items())


def setting_flags() -> dict[str, SettingFlag]:
    """The flags of all registered learners' settings, by name.

    Raises:
        ValueError: two learners have a setting of one name and different types.
    """
    flags: dict[str, SettingFlag] = {}
    for learner, kind in META_LEARNERS.items():
        for f in fields(kind.settings_type):
            plain = types_of(kind.settings_type)[f.name]
            entry = flags.setdefault(f.name, SettingFlag(plain, {}, {}))
            if entry.type is not plain:
                raise ValueError(
                    f"setting {f.name} of meta-learner {learner} must be of type {entry.type.__name__}, as another "
                    f"learner's is, but is of type {plain.__name__}"
                )
            entry.help.setdefault(f.metadata["help"], []).append(learner)
            entry.default.setdefault(str(f.default), []).append(learner)
    return flags


def flags_of_fairseq() -> set[str]:
    """Names of the flags that fairseq's trainer, and what it may be told to use, and our models have."""
    groups = [f.type for f in fields(FairseqConfig) if is_dataclass(f.type)]
    groups += [kind for registry in REGISTRIES.values() for kind in registry["dataclass_registry"].values()]
    names = {f.name for group in groups if is_dataclass(group) for f in fields(group)}
    parser = ArgumentParser()
    ULRTransformer.add_args(parser)
    return names | {f.name for f in fields(FairseqConfig)} | {a.dest for a in parser._actions} | {"arch", "help"}


def with_settings(task_config: type[TaskConfig]) -> type[TaskConfig]:
    """The configuration with a field for each setting of the registered learners; None is a setting left open.

    Raises:
        ValueError: a setting has the name of another flag.
    """
    if taken := setting_flags().keys() & ({f.name for f in fields(task_config)} | flags_of_fairseq()):
        raise ValueError(f"a meta-learner's setting must not be called {min(taken)}: there is a flag of that name")
    derived: list[tuple[str, Any, Any]] = [
        (name, bool, field(default=False, metadata={"help": of.text()}))
        if of.type is bool
        else (name, Optional[of.type], field(default=None, metadata={"help": of.text()}))  # noqa: UP045
        for name, of in setting_flags().items()
    ]
    groups = SettingFlag(str, {}, {})
    for learner, kind in META_LEARNERS.items():
        groups.default.setdefault(kind.group, []).append(learner)
    words = {"learners": ", ".join(META_LEARNERS), "groups": groups.defaults()}
    for f in (f for f in fields(task_config) if f.name in ("meta_learner", "adapt_params")):
        text = f.metadata["help"].format(**words)  # these two texts list the learners
        derived.append((f.name, f.type, field(default=f.default, metadata={"help": text})))
    config = make_dataclass("MetaTranslationConfig", derived, bases=(task_config,))
    config.__module__ = __name__  # fairseq pickles it for its workers
    return config


MetaTranslationConfig: Any = with_settings(TaskConfig)  # a class; `refresh` makes it anew


def refresh() -> type[TaskConfig]:
    """Make the configuration anew, after a learner was registered."""
    global MetaTranslationConfig
    MetaTranslationConfig = with_settings(TaskConfig)
    return MetaTranslationConfig


def idle_flags(cfg: Any) -> list[str]:
    """The fields that a configuration sets although they do nothing with its meta-learner, by name."""
    kind, task = META_LEARNERS[cfg.meta_learner], TaskConfig()
    of_others = setting_flags().keys() - set(names_of(kind.settings_type))
    values = {name: getattr(cfg, name, None) for name in of_others}
    idle = [name for name, value in values.items() if value not in (None, AUTO) and value is not False]  # 0 is a value
    return sorted(idle) + (["valid_lr"] if kind.learned_rule and cfg.valid_lr != task.valid_lr else [])


def check_config(cfg: Any) -> None:
    """InputError with all contradictions at once, before any work starts."""
    rules = [
        ("source_langs", bool(cfg.source_langs), "must name at least one language"),
        ("target_lang", bool(cfg.target_lang), "must be given"),
        ("meta_learner", cfg.meta_learner in META_LEARNERS, f"must be one of {', '.join(META_LEARNERS)}"),
        ("meta_batch_size", cfg.meta_batch_size >= 1, "must be at least 1"),
        ("support_tokens", cfg.support_tokens >= 1, "must be at least 1"),
        ("query_tokens", cfg.query_tokens >= 1, "must be at least 1"),
        ("inner_steps", cfg.inner_steps >= 1, "must be at least 1"),
        # tokens^(1/T) must be a number, however many tokens a language has
        ("sampling_temperature", cfg.sampling_temperature >= 0.1, "must be at least 0.1"),
        ("query_noise", 0 <= cfg.query_noise < math.inf, "must be at least 0, and finite"),
        ("updates_per_epoch", cfg.updates_per_epoch >= 1, "must be at least 1"),
        ("valid_steps", cfg.valid_steps >= 0, "must be at least 0"),
        ("valid_lr", 0 < cfg.valid_lr < math.inf, "must be above 0, and finite"),
        ("valid_batch_tokens", cfg.valid_batch_tokens >= 1, "must be at least 1"),
        ("valid_sample_tokens", cfg.valid_sample_tokens >= 1, "must be at least 1"),
    ]
    wrong = [f"`{flag(name)}` {rule}, but is {getattr(cfg, name)!r}" for name, ok, rule in rules if not ok]
    if cfg.meta_learner in META_LEARNERS:
        kind, idle = META_LEARNERS[cfg.meta_learner], f"does nothing with --meta-learner {cfg.meta_learner}"
        errors = broken(kind.settings_type, given_settings(cfg, kind))
        wrong += [f"`{flag(error.setting)}` {error.reason}" for error in errors]
        wrong += [f"`{flag(name)}` {idle}, but is {getattr(cfg, name)!r}" for name in idle_flags(cfg)]
    if wrong:
        meant = "" if cfg.meta_learner in META_LEARNERS else did_you_mean(cfg.meta_learner, META_LEARNERS)
        raise InputError("; ".join(wrong) + meant)
