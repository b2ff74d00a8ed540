"""One language pair through ULR: fine-tuning on a low-resource pair, and generation.

fairseq's translation task with the language's pack in place of its dictionary, the choice of what adapts
(MetaNMT, Gu et al. 2018, section 4) and the Gaussian prior around the meta-trained parameters (ibid.,
section 3.1).
"""

# no `from __future__ import annotations`: fairseq reads the types of configuration fields at run time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.logging import metrics
from fairseq.tasks import FairseqTask, register_task
from fairseq.tasks.translation import EVAL_BLEU_ORDER, TranslationTask
from omegaconf import II
from sacrebleu.metrics import BLEU
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt import compat
from meta_nmt.data.language_pack import (
    LanguagePack,
    check_finite,
    language_folder,
    load_dictionary,
    load_universal_keys,
)
from meta_nmt.data.parallel_corpus import ParallelCorpus
from meta_nmt.meta_learners import MetaLearner, select_parameters
from meta_nmt.meta_learners.inner_loop import map_tensors
from meta_nmt.runs import workers
from meta_nmt.runs.checkpoint_files import why_unreadable
from meta_nmt.tasks.config import TranslationDataConfig
from meta_nmt.tasks.learner import saved_meta_learner


@dataclass
class ULRTranslationConfig(TranslationDataConfig):
    source_lang: str = field(
        default="", metadata={"help": "code of the language translated from", "argparse_alias": "-s"}
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
    learned_rule: bool = field(
        default=False,
        metadata={
            "help": "fine-tune with the update rule that the meta-learner of --finetune-from-model learnt (meta_sgd, "
            "lstm, lslr), on the parameters that it learnt it for, instead of --optimizer and its schedule; on one "
            "worker"
        },
    )
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")  # noqa: UP045  fairseq reads it
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    max_update: int = II("optimization.max_update")


def check_workers(cfg: Any) -> None:
    """InputError where a learned rule would see another loss, and so take other steps, in each worker."""
    if cfg.learned_rule and cfg.distributed_world_size > 1:
        raise InputError(f"`--learned-rule` needs `--distributed-world-size 1`, but it is {cfg.distributed_world_size}")


def trainable_names(names: list[str], group: str) -> list[str]:
    """Names that fine-tuning trains; "scratch" is everything, the universal values included."""
    if group == "scratch":
        return names
    try:
        return select_parameters(names, group)
    except ValueError as error:
        raise InputError(f"`--adapt-params` {error}") from None


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint of ours; InputError as `read_fairseq_checkpoint`, or where it is another model's."""
    state = read_fairseq_checkpoint(path)
    model = state["cfg"]["model"]
    if not hasattr(model, "ulr_temperature"):
        raise InputError(f"{path}: must be a ulr_transformer checkpoint, but is {getattr(model, 'arch', '')!r}")
    return state


def read_fairseq_checkpoint(path: str | Path) -> dict[str, Any]:
    """A fairseq checkpoint's contents, of any model.

    Raises:
        InputError: it is missing, truncated, no checkpoint, or carries more than tensors and plain values.
    """
    try:
        state = dict(checkpoint_utils.load_checkpoint_to_cpu(str(path)))
    except Exception as error:  # torch raises many types for a damaged file; all mean the same to the user
        reason = why_unreadable(error)
        raise InputError(f"{path}: must be a whole fairseq checkpoint, but cannot be loaded: {reason}") from None
    model, cfg = state.get("model"), state.get("cfg")
    if not isinstance(model, dict) or not all(isinstance(value, Tensor) for value in model.values()) or not model:
        raise InputError(f"{path}: must be a fairseq checkpoint, but holds no model")
    if cfg is None or not all(cfg.get(part) for part in ("model", "task")):
        raise InputError(f"{path}: must be a fairseq checkpoint with the configuration of its model, but has none")
    return state


@dataclass
class LearnedRule:
    """The update rule that a meta-learner learnt, in fine-tuning.

    names: of the parameters that it moves; steps: of the whole fine-tuning, None where that is not known; state: the
    rule's, after the updates so far; loss and size: sums over the batches of the update in preparation.
    """

    learner: MetaLearner
    names: list[str]
    steps: int | None
    state: Any = None
    loss: float = 0.0
    size: float = 0.0

    @torch.no_grad()
    def step(self, parameters: dict[str, Tensor]) -> None:
        """Moves the parameters, whose ``grad`` is that of the loss per token."""
        params = [parameters[name] for name in self.names]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        device = params[0].device
        rule = self.learner.to(device).rule(self.names, self.steps)
        state = map_tensors(lambda t: t.to(device), self.state)  # a resumed one comes from the CPU
        moved, self.state = rule(params, grads, state, torch.tensor(self.loss / self.size, device=device))
        for p, value in zip(params, moved, strict=True):
            p.copy_(value)
        self.loss = self.size = 0.0


def log_bleu_of_nothing(logging_outputs: list[dict[str, Any]]) -> None:
    """fairseq logs no BLEU of a batch whose hypotheses are all empty, and fails for want of it where no batch of a
    validation has one. This logs the counts of such a batch, in the meters that fairseq has, so that the BLEU of the
    validation is that of all its batches, whichever came first, and 0 where every hypothesis is empty."""
    if any("_bleu_sys_len" in log for log in logging_outputs):
        if not sum(log.get("_bleu_totals_0", 0) for log in logging_outputs):
            for name in ("_bleu_counts", "_bleu_totals"):
                metrics.log_scalar(name, np.zeros(EVAL_BLEU_ORDER, dtype=int))
            metrics.log_scalar("_bleu_sys_len", 0)
            metrics.log_scalar("_bleu_ref_len", int(sum(log["_bleu_ref_len"] for log in logging_outputs)))
            metrics.log_derived("bleu", bleu_of_meters)


def bleu_of_meters(meters: Any) -> float:
    """BLEU, 0 to 100, of the sums that fairseq's translation task logs; computed as it does."""
    counts, totals = (meters[f"_bleu_{name}"].sum.tolist() for name in ("counts", "totals"))
    words, wanted = (int(meters[f"_bleu_{name}_len"].sum) for name in ("sys", "ref"))
    return round(BLEU.compute_bleu(counts, totals, words, wanted, smooth_method="exp").score, 2)


class CountsTokens(FairseqTask):
    """A task that counts the tokens it took gradients on, of all workers and across resumed runs (fairseq's task state
    is not resumed), and that keeps the state of early stopping in the checkpoint."""

    train_tokens = 0

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        self.train_tokens += sum(int(log.get("train_tokens", 0)) for log in logging_outputs)
        super().reduce_metrics(logging_outputs, criterion)

    def get_checkpoint_dict(self) -> dict[str, Any]:
        return {
            type(self).__name__: {
                "train_tokens": self.train_tokens,
                "early_stopping": compat.early_stopping_state(),
            }
        }

    def set_checkpoint_dict(self, saved: dict[str, Any]) -> None:
        self.train_tokens = saved["train_tokens"]
        compat.set_early_stopping_state(saved.get("early_stopping", {}))


def trained_tokens(checkpoint: dict[str, Any]) -> int:
    """What `CountsTokens` left in a checkpoint."""
    extra = checkpoint.get("extra_state", {})
    return sum(
        int(entry["train_tokens"]) for entry in extra.values() if isinstance(entry, dict) and "train_tokens" in entry
    )


@register_task("ulr_translation", dataclass=ULRTranslationConfig)
class ULRTranslationTask(CountsTokens, TranslationTask):
    """Translate one language with a model whose source embedding is a universal lexical representation."""

    cfg: ULRTranslationConfig

    def __init__(self, cfg: ULRTranslationConfig, pack: LanguagePack, target_dictionary: Dictionary) -> None:
        super().__init__(cfg, pack.dictionary, target_dictionary)
        if cfg.prior_weight < 0:
            raise InputError(f"`--prior-weight` must be at least 0, but is {cfg.prior_weight}")
        self.universal_keys = load_universal_keys(cfg.data)
        check_finite(pack.queries, pack.file)
        self.language_queries = torch.from_numpy(pack.queries.copy())
        self._prior_center: dict[str, Tensor] | None = None
        self.learned_rule: LearnedRule | None = None

    @classmethod
    def setup_task(cls, cfg: ULRTranslationConfig, **_: Any) -> "ULRTranslationTask":
        for name in ("source_lang", "target_lang"):
            if not getattr(cfg, name):
                raise InputError(
                    f"`--{name.replace('_', '-')}` must be given: the code of a language pack in {cfg.data}"
                )
        pack = LanguagePack.load(cfg.data, cfg.source_lang)
        return cls(cfg, pack, load_dictionary(language_folder(cfg.data, cfg.target_lang).dictionary))

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **_: Any) -> None:
        limits = self.cfg.max_source_positions, self.cfg.max_target_positions
        if split != self.cfg.train_subset:
            limits = (10**9, 10**9)  # no dev or test sentence is ever left out
        cfg, symbols = self.cfg, (len(self.src_dict), len(self.tgt_dict))
        corpus = ParallelCorpus.load(cfg.data, split, cfg.source_lang, cfg.target_lang, limits, symbols)
        corpus.check_all_ids()
        self.datasets[split] = LanguagePairDataset(
            corpus.source,
            corpus.source_sizes,
            self.src_dict,
            corpus.target,
            corpus.target_sizes,
            self.tgt_dict,
            # fairseq would deal sentences of a length to batches by the epoch in which a run was started or resumed;
            # the order of the batches is shuffled each epoch all the same
            shuffle=False,
        )

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        # fairseq drops the last batch of every split, test sentences included, where its size is no multiple of this
        kwargs["required_batch_size_multiple"] = 1
        return super().get_batch_iterator(dataset, *args, **kwargs)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        model = super().build_model(cfg, from_checkpoint)
        parameters = dict(model.named_parameters())
        if self.cfg.learned_rule and not from_checkpoint:
            self.learned_rule = self._load_learned_rule(list(parameters))
            chosen = set(self.learned_rule.names)
        else:
            chosen = set(trainable_names(list(parameters), self.cfg.adapt_params))
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in chosen)
        return model

    def _load_learned_rule(self, names: list[str]) -> LearnedRule:
        path = self.cfg.finetune_from_model
        if path is None:
            raise InputError("`--learned-rule` needs a meta-trained checkpoint: give `--finetune-from-model`")
        check_workers(self.cfg)
        learner, adapted = saved_meta_learner(path, read_checkpoint(path), names)
        if learner.keeps_trajectories and not self.cfg.max_update:
            raise InputError(
                "`--max-update` must be above 0 for a learned rule whose rates fall to zero over all updates, but is 0"
            )
        return LearnedRule(learner, adapted, self.cfg.max_update or None)

    def get_checkpoint_dict(self) -> dict[str, Any]:
        saved = super().get_checkpoint_dict()
        if self.learned_rule is not None:
            saved[type(self).__name__]["rule_state"] = self.learned_rule.state
        return saved

    def set_checkpoint_dict(self, saved: dict[str, Any]) -> None:
        super().set_checkpoint_dict(saved)
        if self.learned_rule is not None:
            self.learned_rule.state = saved["rule_state"]

    def prior_center(self, model: torch.nn.Module) -> dict[str, Tensor]:
        """theta0: the checkpoint that fine-tuning started from; zero for the language's own residual rows."""
        if self._prior_center is None:
            if self.cfg.finetune_from_model is None:
                raise InputError("`--prior-weight` needs a checkpoint to stay near: give `--finetune-from-model`")
            saved = read_checkpoint(self.cfg.finetune_from_model)["model"]
            self._prior_center = {
                name: saved[name].to(p) if saved[name].shape == p.shape else torch.zeros_like(p)
                for name, p in model.named_parameters()
                if p.requires_grad
            }
        return self._prior_center

    def train_step(
        self,
        sample: Any,
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, dict[str, Any]]:
        def autocast_criterion(*args: Any) -> Any:  # inside fairseq's own context, which ends any other
            with torch.autocast(sample["target"].device.type, dtype=torch.bfloat16):
                return criterion(*args)

        loss, sample_size, logging_output = super().train_step(
            sample,
            model,
            autocast_criterion if self.cfg.bf16_autocast else criterion,
            optimizer,
            update_num,
            ignore_grad,
        )
        if self.cfg.prior_weight and not ignore_grad:
            network = workers.unwrapped(model)
            center = self.prior_center(network)
            with torch.no_grad():  # the trainer divides every gradient by sample_size
                for name, p in network.named_parameters():
                    if p.grad is not None:
                        p.grad.add_(p - center[name], alpha=2 * self.cfg.prior_weight * float(sample_size))
        logging_output["train_tokens"] = 0 if ignore_grad else count_tokens(sample)
        if self.learned_rule is not None and not ignore_grad:
            self.learned_rule.loss += float(loss)
            self.learned_rule.size += float(sample_size)
        return loss, sample_size, logging_output

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        super().reduce_metrics(logging_outputs, criterion)
        log_bleu_of_nothing(logging_outputs)

    def optimizer_step(self, optimizer: Any, model: torch.nn.Module, update_num: int) -> None:
        if self.learned_rule is None:
            super().optimizer_step(optimizer, model, update_num)
        else:
            self.learned_rule.step(dict(model.named_parameters()))


def count_tokens(batch: dict[str, Any]) -> int:
    """Source and target tokens of a fairseq batch, padding not counted."""
    return int(batch["net_input"]["src_lengths"].sum()) + int(batch["ntokens"])
