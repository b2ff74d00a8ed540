"""The flags of the task ``ulr_translation``, and checks of them."""

# no `from __future__ import annotations`: fairseq reads the types of configuration fields at run time
from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import II

from data_prep.base.errors import InputError
from meta_nmt.meta_learners import META_LEARNERS, select_parameters
from meta_nmt.tasks.config import TranslationDataConfig


@dataclass
class ULRTranslationConfig(TranslationDataConfig):
    """The flags of the task for one language pair."""

    source_lang: str = field(
        default="", metadata={"help": "code of the language translated from", "argparse_alias": "-s"}
    )
    aligned_with: Optional[str] = field(  # noqa: UP045  fairseq reads it
        default=None,
        metadata={
            "help": "the sample whose pairs the vectors of --source-lang are aligned with, beside its word lists, as "
            "train-16000-s1; if not given: meta-nmt-adapt takes that of --train-subset, meta-nmt-generate that of the "
            "checkpoint, and the word lists alone where there is none"
        },
    )
    train_prefix: str = field(
        default="",
        metadata={
            "help": "train on other pairs than those of --train-subset in DATA: the path that the names of their four "
            "binarised files begin with, as RUN/self/train.ro-en (meta-nmt-adapt --self-train makes such files)"
        },
    )
    adapt_params: str = field(
        default="emb_enc",
        metadata={
            "help": "what is trained: emb (residual embeddings and the query transform), emb_enc (and the encoder), "
            "all (and the decoder), small (residual embeddings, query transform, LayerNorm and biases), none of them "
            "with the universal values; scratch (everything); or a regular expression for whole parameter names"
        },
    )
    prior_weight: float = field(
        default=0.0,
        metadata={
            "help": "weight beta of the Gaussian prior beta * ||theta - theta0||^2 around --finetune-from-model, "
            "added to the loss per token; 0 for none"
        },
    )
    r_drop: float = field(
        default=0.0,
        metadata={
            "help": "weight alpha of R-Drop (Liang et al. 2021): each sentence is read twice with other dropout, and "
            "the two translations are drawn together; twice the time for an update; 0 for none"
        },
    )
    learned_rule: bool = field(
        default=False,
        metadata={
            "help": f"fine-tune with the update rule that the meta-learner of --finetune-from-model learnt "
            f"({', '.join(name for name, kind in META_LEARNERS.items() if kind.learned_rule)}, or your own), on the "
            "parameters that it learnt it for, instead of --optimizer and its schedule; on one "
            "worker"
        },
    )
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")  # noqa: UP045  fairseq reads it
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    max_update: int = II("optimization.max_update")


def check_workers(cfg: Any) -> None:
    """InputError for a learned rule with several workers: each would see another loss and take other steps."""
    if cfg.learned_rule and cfg.distributed_world_size > 1:
        raise InputError(f"`--learned-rule` needs `--distributed-world-size 1`, but it is {cfg.distributed_world_size}")


def trainable_names(names: list[str], group: str) -> list[str]:
    """The names of parameters that fine-tuning trains; "scratch" is all, the universal values included."""
    if group == "scratch":
        return names
    try:
        return select_parameters(names, group)
    except ValueError as error:
        raise InputError(f"`--adapt-params` {error}") from None
