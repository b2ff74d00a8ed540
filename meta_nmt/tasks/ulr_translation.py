"""One language pair through ULR: fine-tuning on a low-resource pair, and generation.

This is fairseq's translation task with three changes. The language's pack takes the place of its dictionary. A group
of parameters is chosen to adapt (MetaNMT, Gu et al. 2018, section 4). There may be a Gaussian prior around the
meta-trained parameters (same paper, section 3.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.tasks import register_task
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.data.language_pack import (
    LanguagePack,
    check_finite,
    language_folder,
    load_dictionary,
    load_target_vectors,
    load_universal_keys,
)
from meta_nmt.data.parallel_corpus import ParallelCorpus
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.runs import workers
from meta_nmt.tasks.learned_rule import LearnedRule, load_learned_rule
from meta_nmt.tasks.r_drop import RDrop
from meta_nmt.tasks.smoothed_loss import lean
from meta_nmt.tasks.token_counts import CountsTokens, count_tokens
from meta_nmt.tasks.ulr_translation_config import ULRTranslationConfig, trainable_names
from meta_nmt.tasks.validation_bleu import ScoresText, log_bleu_of_nothing


@register_task("ulr_translation", dataclass=ULRTranslationConfig)
class ULRTranslationTask(CountsTokens, ScoresText):
    """Translate one language with a model whose source embedding is a universal lexical representation.

    Args:
        pack: of the language.
        universal_keys: (M, Q) vectors of the universal tokens.
        target: dictionary of the language translated into.
        target_vectors: (V, Q) vectors of its symbols.
    """

    cfg: ULRTranslationConfig

    def __init__(
        self,
        cfg: ULRTranslationConfig,
        pack: LanguagePack,
        universal_keys: Tensor,
        target: Dictionary,
        target_vectors: Tensor,
    ) -> None:
        super().__init__(cfg, pack.dictionary, target)
        if cfg.prior_weight < 0:
            raise InputError(f"`--prior-weight` must be at least 0, but is {cfg.prior_weight}")
        if cfg.r_drop < 0:
            raise InputError(f"`--r-drop` must be at least 0, but is {cfg.r_drop}")
        self.universal_keys, self.target_vectors = universal_keys, target_vectors
        check_finite(pack.queries, pack.file)
        self.language_queries = torch.from_numpy(pack.queries.copy())
        self._prior_center: dict[str, Tensor] | None = None
        self.learned_rule: LearnedRule | None = None

    @classmethod
    def setup_task(cls, cfg: ULRTranslationConfig, **_: Any) -> ULRTranslationTask:
        for name in ("source_lang", "target_lang"):
            if not getattr(cfg, name):
                raise InputError(
                    f"`--{name.replace('_', '-')}` must be given: the code of a language pack in {cfg.data}"
                )
        pack = LanguagePack.load(cfg.data, cfg.source_lang, cfg.aligned_with)
        target = load_dictionary(language_folder(cfg.data, cfg.target_lang).dictionary)
        vectors = load_target_vectors(cfg.data, cfg.target_lang, len(target))
        return cls(cfg, pack, load_universal_keys(cfg.data), target, vectors)

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **_: Any) -> None:
        limits = self.cfg.max_source_positions, self.cfg.max_target_positions
        if split != self.cfg.train_subset:
            limits = (10**9, 10**9)  # no dev or test sentence is ever left out
        cfg, symbols = self.cfg, (len(self.src_dict), len(self.tgt_dict))
        languages = cfg.source_lang, cfg.target_lang
        if split == cfg.train_subset and cfg.train_prefix:
            corpus = ParallelCorpus.of_files(Path(cfg.train_prefix), *languages, limits, symbols)
        else:
            corpus = ParallelCorpus.load(cfg.data, split, *languages, limits, symbols)
        corpus.check_all_ids()
        self.datasets[split] = LanguagePairDataset(
            corpus.source,
            corpus.source_sizes,
            self.src_dict,
            corpus.target,
            corpus.target_sizes,
            self.tgt_dict,
            # otherwise the batches would depend on the epoch in which a run was started or resumed; the order of the
            # batches is shuffled each epoch nevertheless
            shuffle=False,
        )

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        # fairseq drops the last batch of every split, test sets included, where its size is no multiple of this
        kwargs["required_batch_size_multiple"] = 1
        return super().get_batch_iterator(dataset, *args, **kwargs)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        model = super().build_model(cfg, from_checkpoint)
        parameters = dict(model.named_parameters())
        if self.cfg.learned_rule and not from_checkpoint:
            self.learned_rule = load_learned_rule(self.cfg, list(parameters))
            chosen = set(self.learned_rule.names)
        else:
            chosen = set(trainable_names(list(parameters), self.cfg.adapt_params))
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in chosen)
        return model

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
        """The center theta0: the parameters that fine-tuning started from; zero for the language's residual rows."""
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
        in_training = RDrop(criterion, self.cfg.r_drop) if self.cfg.r_drop else lean(criterion)

        def autocast_criterion(*args: Any) -> Any:  # within fairseq's autocast context, which ends any outer one
            with torch.autocast(sample["target"].device.type, dtype=torch.bfloat16):
                return in_training(*args)

        loss, sample_size, logging_output = super().train_step(
            sample,
            model,
            autocast_criterion if self.cfg.bf16_autocast else in_training,
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
