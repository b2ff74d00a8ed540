"""Meta-training over many languages: episodes -> meta-learner -> gradients for fairseq's trainer.

This is MetaNMT (Gu et al. 2018, arXiv 1808.08437, figure 2 and section 3). The trainer calls `train_step` with the
tasks of one meta-step. The gradient of each task, normalised by the task's own tokens, is added to ``p.grad``.
``sample_size`` is the number of tasks, because the trainer divides by it. Checkpoints, schedules, clipping,
logging, resume, early stopping and workers are the trainer's own.
"""

from __future__ import annotations

import copy
import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from fairseq.data import Dictionary
from fairseq.logging import metrics
from fairseq.tasks import TASK_DATACLASS_REGISTRY, register_task
from hydra.core.config_store import ConfigStore
from torch import Tensor

from data_prep.base.data_folder import LAYOUT
from data_prep.base.errors import InputError
from meta_nmt.data.episodes import EpisodeDataset, EpisodeSample, EpisodeSizes, MetaValidationDataset
from meta_nmt.data.language_pack import (
    LanguagePack,
    language_folder,
    load_dictionary,
    load_target_vectors,
    load_universal_keys,
)
from meta_nmt.data.parallel_corpus import ParallelCorpus
from meta_nmt.data.trajectories import TrajectoryDataset
from meta_nmt.meta_learners import (
    INNER_OPTIMIZERS,
    META_LEARNERS,
    META_PREFIX,
    Episode,
    EpisodeResult,
    FallingRate,
    InnerLoopResult,
    Visit,
    adapt,
)
from meta_nmt.meta_learners.base import ON_REGISTRATION
from meta_nmt.roles import refuse_held_out
from meta_nmt.runs import workers
from meta_nmt.tasks.episode_loss import RESIDUAL, EpisodeLoss, accumulate_gradients, sum_logs
from meta_nmt.tasks.faults import StepGuard, run_in_pieces, zero
from meta_nmt.tasks.learner import ask, build_meta_learner, learner_settings
from meta_nmt.tasks.meta_translation_config import MetaTranslationConfig, check_config, refresh
from meta_nmt.tasks.smoothed_loss import lean
from meta_nmt.tasks.token_counts import CountsTokens, count_tokens
from meta_nmt.tasks.validation_bleu import ScoresText, log_bleu_of_nothing

logger = logging.getLogger(__name__)


def split_codes(text: str, flag: str) -> list[str]:
    """Language codes separated by commas; InputError for a code given twice."""
    codes = [code.strip() for code in text.split(",") if code.strip()]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise InputError(f"`{flag}` must name each language once, but names {', '.join(twice)} again")
    return codes


NAME = "meta_translation"


@register_task(NAME, dataclass=MetaTranslationConfig)
class MetaTranslationTask(CountsTokens, ScoresText):
    """Meta-train on ``--source-langs``, choose the checkpoint by adapting to ``--valid-langs``.

    Args:
        packs: language packs of all of these.
        universal_keys: (M, Q) vectors of the universal tokens, of the packs' width.
        target: dictionary of the language translated into.
        target_vectors: (V, Q) vectors of its symbols.
    """

    def __init__(
        self,
        cfg: Any,
        packs: dict[str, LanguagePack],
        universal_keys: Tensor,
        target: Dictionary,
        target_vectors: Tensor,
    ) -> None:
        # the model holds no language: its own source dictionary has the special symbols only
        super().__init__(cfg, Dictionary(), target)
        self.packs = packs
        self.guard = StepGuard()
        self.told_of_no_query_loss = False
        self.faults: Counter[str] = Counter()  # tasks left out or run in pieces, of all workers since the start
        self.universal_keys, self.target_vectors = universal_keys, target_vectors
        self.language_queries = torch.empty(0, universal_keys.size(1))
        for pack in packs.values():
            if pack.queries.shape[1] != universal_keys.size(1):
                raise InputError(
                    f"{pack.file}: must be {universal_keys.size(1)} wide, as "
                    f"{LAYOUT.universal.keys} is, but is {pack.queries.shape[1]}"
                )

    @classmethod
    def setup_task(cls, cfg: Any, **_: Any) -> MetaTranslationTask:
        check_config(cfg)
        sources = split_codes(cfg.source_langs, "--source-langs")
        valid = split_codes(cfg.valid_langs, "--valid-langs")
        refuse_held_out(cfg.data, sources, valid)
        packs = {code: LanguagePack.load(cfg.data, code) for code in [*sources, *valid]}
        target = load_dictionary(language_folder(cfg.data, cfg.target_lang).dictionary)
        vectors = load_target_vectors(cfg.data, cfg.target_lang, len(target))
        return cls(cfg, packs, load_universal_keys(cfg.data), target, vectors)

    def _corpora(self, split: str, codes: Iterable[str]) -> dict[str, ParallelCorpus]:
        cfg, target = self.cfg, len(self.target_dictionary)
        limits = cfg.max_source_positions, cfg.max_target_positions
        symbols = {code: (len(self.packs[code].dictionary), target) for code in codes}
        return {c: ParallelCorpus.load(cfg.data, split, c, cfg.target_lang, limits, symbols[c]) for c in symbols}

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **_: Any) -> None:
        cfg = self.cfg
        if split == cfg.train_subset:
            sources = split_codes(cfg.source_langs, "--source-langs")
            sizes = EpisodeSizes(cfg.support_tokens, cfg.query_tokens, cfg.inner_steps)
            drawn: dict[str, Any] = {
                "episodes": cfg.updates_per_epoch * cfg.meta_batch_size,
                "meta_batch_size": cfg.meta_batch_size,
                "temperature": cfg.sampling_temperature,
                "seed": cfg.seed,
                "num_shards": workers.count(),
                "query_noise": cfg.query_noise,
            }
            kind: type[EpisodeDataset] = EpisodeDataset
            learner = META_LEARNERS[cfg.meta_learner]
            if learner.one_worker and drawn["num_shards"] > 1:
                raise InputError(
                    f"`--distributed-world-size` must be 1 for `--meta-learner {cfg.meta_learner}`, but is "
                    f"{drawn['num_shards']}"
                )
            if learner.keeps_trajectories:
                kind = TrajectoryDataset
                settings: Any = learner_settings(cfg)
                drawn |= {"visits": settings.trajectory_visits, "sample_tokens": settings.trajectory_tokens}
            self.datasets[split] = kind(self._corpora(split, sources), self.packs, sizes, **drawn)
            return
        valid = split_codes(cfg.valid_langs, "--valid-langs")
        if not valid:
            raise InputError("`--valid-langs` must name a held-out language, or give `--disable-validation`")
        self.datasets[split] = MetaValidationDataset(
            self._corpora(cfg.train_subset, valid),
            self._corpora(split, valid),
            self.packs,
            steps=cfg.valid_steps,
            sample_tokens=cfg.valid_sample_tokens,
            batch_tokens=cfg.valid_batch_tokens,
            seed=cfg.seed,
        )

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """The model; what the meta-learner learns itself is a submodule of it, for the trainer to train and save."""
        model = super().build_model(cfg, from_checkpoint)
        self.meta_learner, self.adapted = build_meta_learner(self.cfg, dict(model.named_parameters()))
        sources = split_codes(self.cfg.source_langs, "--source-langs")
        self.meta_learner.meet({code: len(self.packs[code].queries) for code in sources})
        if self.meta_learner.state_dict():
            model.meta_learner = self.meta_learner
        return model

    def build_criterion(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """The criterion of fairseq's; its label-smoothed cross entropy takes less memory and time here."""
        return lean(super().build_criterion(cfg, from_checkpoint))

    def _loss(self, network: Any, criterion: Any, episode: EpisodeSample) -> EpisodeLoss:
        return EpisodeLoss(network, criterion, episode["queries"], self.target_dictionary.pad(), self.cfg.bf16_autocast)

    @staticmethod
    def _theta(network: torch.nn.Module, episode: EpisodeSample) -> dict[str, Tensor]:
        """The model's parameters by name, without the meta-learner's.

        Its residual rows are zeros (U, D), for the tokens in play.
        """
        theta: dict[str, Tensor] = {n: p for n, p in network.named_parameters() if not n.startswith(META_PREFIX)}
        residual = theta[RESIDUAL]
        rows = (len(episode["queries"]), residual.size(1))
        theta[RESIDUAL] = torch.zeros(rows, dtype=residual.dtype, device=residual.device, requires_grad=True)
        return theta

    def train_step(
        self,
        sample: Any,
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """This worker's share of one meta-step: ``sample["episodes"]`` -> gradients in ``p.grad``."""
        network = workers.unwrapped(model)
        model.train()
        model.set_num_updates(update_num)
        parameters = dict(network.named_parameters())
        logs, losses = [], []
        for episode in sample["episodes"]:
            result, log = self._run_episode(network, criterion, episode, update_num)
            if ignore_grad or self.guard.admits(episode["language"], result, update_num):
                losses += result.query_losses
                if not ignore_grad:
                    accumulate_gradients(parameters, result.gradients)
            else:
                log = {key: zero(value) for key, value in log.items()} | {"skipped_tasks": 1}
            logs.append(log)
        used = len(logs) - sum(log["skipped_tasks"] for log in logs)
        return torch.stack(losses).sum() if losses else torch.zeros(()), used, sum_logs(logs)

    def _run_episode(
        self, network: Any, criterion: Any, episode: EpisodeSample, update: int
    ) -> tuple[EpisodeResult, dict[str, Any]]:
        """The gradient of a task, and what the task reports.

        Dropout depends on the seed, the update and the task alone. It depends neither on the tasks before, nor on how
        many workers share them.
        """
        # a worker without a task is given a validation episode and takes as much of it as a task has
        support, query = episode["support"][: self.cfg.inner_steps], episode["query"][:1]
        number = episode.get("number", 0)
        seed = np.random.SeedSequence([self.cfg.seed, update, number]).generate_state(1, np.uint64)[0]

        def run(loss: EpisodeLoss) -> EpisodeResult:
            torch.manual_seed(int(seed))
            theta, visit = self._theta(network, episode), self._visit(episode)
            task = Episode(loss, theta, self.adapted, support, query, visit)
            return ask(self.meta_learner, "episode", task, EpisodeResult)

        loss = self._loss(network, criterion, episode)
        result = run_in_pieces(run, loss, [*support, *query])
        return result, self._query_log(loss, support, query) | {
            "support_loss": sum(result.support_losses, torch.zeros(())),
            "support_batches": len(result.support_losses),
            "train_tokens": sum(count_tokens(batch) for batch in [*support, *query]),
            "skipped_tasks": 0,
            "split_tasks": int(loss.pieces > 1),
        }

    def _visit(self, episode: EpisodeSample) -> Visit | None:
        """Whose episode it is; None for one of validation, whose language no learner knows, or of no language."""
        if not {"number", "rows"} <= episode.keys():
            return None
        language = episode["language"]
        return Visit(language, episode.get("trajectory"), episode["rows"], len(self.packs[language].queries))

    def _query_log(self, loss: EpisodeLoss, support: Sequence[Any], query: Sequence[Any]) -> dict[str, Any]:
        """What the criterion reported of the query set.

        For a learner that takes no query loss it is what the criterion reported of the support set, with one warning.
        """
        log = loss.log_of(query)
        if not log and not self.told_of_no_query_loss:
            self.told_of_no_query_loss = True
            logger.warning(
                f"the meta-learner {self.cfg.meta_learner} reports no query loss: `loss` in this log is that of its "
                "support sets"
            )
        return log or loss.log_of(support)

    def optimizer_step(self, optimizer: Any, model: torch.nn.Module, update_num: int) -> None:
        """Step, unless no worker had a task with a finite gradient: then momentum alone would move theta."""
        device = next(model.parameters()).device
        if self.guard.may_step(lambda used: workers.total(used, device)):
            super().optimizer_step(optimizer, model, update_num)

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> tuple[Tensor, int, dict[str, Any]]:
        """Adapt to each language's fixed sample, then score its dev set (loss, and BLEU with --eval-bleu)."""
        network = workers.unwrapped(model)
        logs: list[dict[str, Any]] = []
        for episode in sample["episodes"]:

            def adapt_and_score(loss: EpisodeLoss, episode: EpisodeSample = episode) -> dict[str, Tensor]:
                theta_prime = self._adapt(network, episode, loss)
                network.eval()
                with torch.no_grad():
                    for batch in episode["query"]:
                        loss(theta_prime, batch)
                return theta_prime

            loss = self._loss(network, criterion, episode)
            theta_prime = run_in_pieces(adapt_and_score, loss, [*episode["support"], *episode["query"]])
            logs.append(loss.log_of(episode["query"]))
            if self.cfg.eval_bleu:
                self._add_bleu(network, theta_prime, episode, logs)
        logging_output = sum_logs(logs)
        return logging_output["loss"], logging_output["sample_size"], logging_output

    def _adapt(self, network: Any, episode: EpisodeSample, loss: EpisodeLoss) -> dict[str, Tensor]:
        """The parameters theta_prime after fine-tuning on a held-out language, or after steps of a learnt rule."""
        support = episode["support"]
        with torch.random.fork_rng(), torch.enable_grad():  # training's random numbers are left alone
            torch.manual_seed(self.cfg.seed)  # the same dropout each time
            network.train()
            theta = self._theta(network, episode)
            if self.meta_learner.learned_rule:
                episode_of_rule = Episode(loss, theta, self.adapted, support)
                return ask(self.meta_learner, "adapt", episode_of_rule, InnerLoopResult).theta_prime
            # a constant rate would favour models that bear the noise of the last steps (docs/results/lab-book.md, 9)
            rule = FallingRate(INNER_OPTIMIZERS["adam"], self.cfg.valid_lr, len(support))
            return adapt(loss, theta, self.adapted, support, rule).theta_prime

    def _add_bleu(self, network: Any, theta_prime: dict[str, Tensor], episode: EpisodeSample, logs: list[Any]) -> None:
        """Decode the dev set by a copy of the model at theta_prime, and add the counts of BLEU to ``logs``."""
        adapted = copy.deepcopy(network)
        embedding = adapted.encoder.embed_tokens
        embedding.queries = episode["queries"]
        embedding.residual = torch.nn.Parameter(theta_prime[RESIDUAL].detach())
        with torch.no_grad():
            for name, value in theta_prime.items():
                adapted.get_parameter(name).copy_(value)
        adapted.eval()
        generator = self.bleu_generator(adapted)
        for batch in episode["query"]:
            bleu = self._inference_with_bleu(generator, batch, adapted)
            log = {"_bleu_sys_len": bleu.sys_len, "_bleu_ref_len": bleu.ref_len}
            for order, (count, total) in enumerate(zip(bleu.counts, bleu.totals, strict=True)):
                log |= {f"_bleu_counts_{order}": count, f"_bleu_totals_{order}": total}
            logs.append(log)

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        # shuffled one by one, batches would form other meta-steps for each number of workers
        batches = super().get_batch_iterator(dataset, *args, **{**kwargs, "grouped_shuffling": True})
        if isinstance(dataset, TrajectoryDataset):  # a visit goes on where the visit before it ended
            batches.disable_shuffling, batches.shuffle = True, False
        return batches

    def get_checkpoint_dict(self) -> dict[str, Any]:
        saved = super().get_checkpoint_dict()
        saved[type(self).__name__]["faults"] = dict(self.faults)
        return saved

    def set_checkpoint_dict(self, saved: dict[str, Any]) -> None:
        super().set_checkpoint_dict(saved)
        self.faults = Counter(saved.get("faults", {}))

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        for name, shown in (("skipped_tasks", "skipped"), ("split_tasks", "split")):
            self.faults[name] += sum(int(log.get(name, 0)) for log in logging_outputs)
            if self.faults[name]:
                metrics.log_scalar(shown, self.faults[name], weight=0)  # since the start of the run
        if not sum(log.get("sample_size", 0) for log in logging_outputs):
            metrics.log_scalar("loss", 0.0, weight=0)  # no task was used: nothing to average
            return
        super().reduce_metrics(logging_outputs, criterion)
        log_bleu_of_nothing(logging_outputs)
        steps = sum(log.get("support_batches", 0) for log in logging_outputs)
        if steps:
            support = sum(log.get("support_loss", 0) for log in logging_outputs) / steps / math.log(2)
            metrics.log_scalar("support_loss", support, steps, round=3)  # before the inner steps, base 2
            tokens = sum(log["train_tokens"] for log in logging_outputs)
            metrics.log_speed("tps", tokens, priority=90, round=1)  # support and query, both sides


def offer_new_learner() -> None:
    """Give the task the flags of a learner that was registered after the task, as fairseq's `register_task` does."""
    config = refresh()
    setattr(MetaTranslationTask, "__dataclass", config)
    TASK_DATACLASS_REGISTRY[NAME] = config
    node: Any = config()
    node._name = NAME
    ConfigStore.instance().store(name=NAME, group="task", node=node, provider="fairseq")


ON_REGISTRATION.append(offer_new_learner)
