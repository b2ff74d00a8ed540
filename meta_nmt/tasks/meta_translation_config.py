"""The flags of the task ``meta_translation``, and what they must be."""

# no `from __future__ import annotations`: fairseq reads the types of configuration fields at run time
import math
from dataclasses import dataclass, field
from typing import Optional

from omegaconf import II

from data_prep.base.errors import InputError
from meta_nmt.meta_learners import INNER_OPTIMIZERS, META_LEARNERS
from meta_nmt.tasks.config import TranslationDataConfig
from meta_nmt.tasks.learner import AUTO, FLAGS


@dataclass
class MetaTranslationConfig(TranslationDataConfig):
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
    meta_learner: str = field(
        default="fomaml",
        metadata={"help": "one of " + ", ".join(META_LEARNERS) + "; joint is the MultiNMT baseline"},
    )
    meta_batch_size: int = field(default=4, metadata={"help": "tasks a meta-step, over all workers"})
    support_tokens: int = field(
        default=2000, metadata={"help": "tokens (the longer side) of the support batch of each inner step"}
    )
    query_tokens: int = field(default=2000, metadata={"help": "tokens (the longer side) of the query batch"})
    inner_steps: int = field(default=1, metadata={"help": "gradient steps of the inner loop, a support batch each"})
    inner_lr: Optional[float] = field(  # noqa: UP045  fairseq reads it
        default=None,
        metadata={
            "help": "inner learning rate alpha, where the rates start that meta_sgd, lstm and lslr learn; left out it "
            "is 0.001 for adam and 0.1 for the others; cts's and lslr's fall to zero over a trajectory"
        },
    )
    inner_optimizer: str = field(
        default=AUTO,
        metadata={
            "help": "inner rule: adam (its state made anew in each episode, with cts and lslr in each trajectory) or "
            "sgd; auto is adam for fomaml, reptile, cts and lslr, sgd for maml and anil; meta_sgd and lstm have a rule "
            "of their own"
        },
    )
    adapt_params: str = field(
        default=AUTO,
        metadata={
            "help": "what the inner loop moves: emb, emb_enc, all, small (residual embeddings, query transform, "
            "LayerNorm and biases), or a regular expression for whole names; auto is emb_enc, for anil all, for lstm "
            "small"
        },
    )
    support_weight: float = field(
        default=0.0,
        metadata={
            "help": "share, 0 to 1, of the support gradients in fomaml's, cts's and lslr's outer update; 0 is the paper"
        },
    )
    trajectory_visits: int = field(
        default=80,
        metadata={"help": "cts, lslr: episodes of a language, --inner-steps each, before its trajectory starts anew"},
    )
    trajectory_tokens: int = field(
        default=16000,
        metadata={"help": "cts, lslr: target tokens of the sample that a trajectory reads over and over"},
    )
    checkpoint_inner_steps: bool = field(
        default=False,
        metadata={
            "help": "maml, anil, meta_sgd: keep no inner step's activations, recompute them on the way back: the "
            "memory of one inner step however many there are, about a quarter more time"
        },
    )
    head_params: str = field(
        default=AUTO,
        metadata={
            "help": "what anil's inner loop moves, of --adapt-params: a regular expression for whole names; auto is "
            "the decoder's last layer, and its output projection where that is not tied"
        },
    )
    lstm_hidden: int = field(default=20, metadata={"help": "hidden units of each layer of the lstm meta-learner"})
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
            "help": "learning rate of the first of these steps, falling to zero over them (Adam; meta_sgd, lslr and "
            "lstm take their own)"
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


def idle_flags(learner: str) -> list[str]:
    """Names of the configuration's fields that do nothing with this meta-learner."""
    kind = META_LEARNERS[learner]
    idle = [flag for setting, flag in FLAGS.items() if setting not in kind.uses]
    idle += [] if kind.keeps_trajectories else ["trajectory_visits", "trajectory_tokens"]
    return [*idle, "valid_lr"] if kind.learned_rule else idle


def check_config(cfg: MetaTranslationConfig) -> None:
    """All contradictions at once, before any work starts (InputError)."""
    optimizers = [AUTO, *INNER_OPTIMIZERS]
    rules = [
        ("source_langs", bool(cfg.source_langs), "must name at least one language"),
        ("target_lang", bool(cfg.target_lang), "must be given"),
        ("meta_learner", cfg.meta_learner in META_LEARNERS, f"must be one of {', '.join(META_LEARNERS)}"),
        ("inner_optimizer", cfg.inner_optimizer in optimizers, f"must be one of {', '.join(optimizers)}"),
        ("meta_batch_size", cfg.meta_batch_size >= 1, "must be at least 1"),
        ("support_tokens", cfg.support_tokens >= 1, "must be at least 1"),
        ("query_tokens", cfg.query_tokens >= 1, "must be at least 1"),
        ("inner_steps", cfg.inner_steps >= 1, "must be at least 1"),
        ("inner_lr", cfg.inner_lr is None or 0 < cfg.inner_lr < math.inf, "must be above 0, and finite"),
        ("support_weight", 0 <= cfg.support_weight <= 1, "must be from 0 to 1"),
        ("trajectory_visits", cfg.trajectory_visits >= 1, "must be at least 1"),
        ("trajectory_tokens", cfg.trajectory_tokens >= 1, "must be at least 1"),
        ("lstm_hidden", cfg.lstm_hidden >= 1, "must be at least 1"),
        ("sampling_temperature", cfg.sampling_temperature > 0, "must be above 0"),
        ("query_noise", 0 <= cfg.query_noise < math.inf, "must be at least 0, and finite"),
        ("updates_per_epoch", cfg.updates_per_epoch >= 1, "must be at least 1"),
        ("valid_steps", cfg.valid_steps >= 0, "must be at least 0"),
        ("valid_lr", 0 < cfg.valid_lr < math.inf, "must be above 0, and finite"),
        ("valid_batch_tokens", cfg.valid_batch_tokens >= 1, "must be at least 1"),
        ("valid_sample_tokens", cfg.valid_sample_tokens >= 1, "must be at least 1"),
    ]
    if cfg.meta_learner in META_LEARNERS:
        defaults, idle = MetaTranslationConfig(), f"does nothing with --meta-learner {cfg.meta_learner}"
        rules += [(name, getattr(cfg, name) == getattr(defaults, name), idle) for name in idle_flags(cfg.meta_learner)]
    broken = [
        f"`--{name.replace('_', '-')}` {rule}, but is {getattr(cfg, name)!r}" for name, ok, rule in rules if not ok
    ]
    if broken:
        raise InputError("; ".join(broken))
