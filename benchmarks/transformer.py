"""The Transformer, the batches and the training steps that the benchmarks share: ours, and stock fairseq's.

Both sides train the same Transformer on the same batches, with clipping, Adam, and label-smoothed cross entropy, which
each computes in its own way. The peer is fairseq's `transformer` with an ordinary embedding table, all of it fairseq's.

A step has a number of tasks, each with support batches and a query batch. Ours makes its inner steps for each task,
then one outer update. The peer accumulates the gradients of all batches, then makes one update (``--update-freq``),
which is its cheapest way.

Tokens are drawn by Zipf's law from a vocabulary of 8,000 pieces; lengths are like those of news text.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import meta_nmt.plugin  # noqa: F401  registers the architectures; before fairseq, which it keeps from setting up logging

# isort: split
import numpy as np
import torch
from fairseq import optim, utils
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate
from fairseq.models.transformer import TransformerModel
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.tasks.translation import TranslationTask

from meta_nmt.data.language_pack import LanguagePack
from meta_nmt.models import ulr_transformer
from meta_nmt.tasks.learner import build_meta_learner
from meta_nmt.tasks.meta_translation import MetaTranslationTask
from meta_nmt.tasks.meta_translation_config import MetaTranslationConfig
from meta_nmt.tasks.smoothed_loss import lean
from meta_nmt.tasks.ulr_translation import ULRTranslationTask
from meta_nmt.tasks.ulr_translation_config import ULRTranslationConfig, trainable_names

VOCABULARY = 8000
UNIVERSAL_TOKENS = 20_000
QUERY_WIDTH = 300


def dictionary() -> Dictionary:
    symbols = Dictionary()
    for i in range(VOCABULARY):
        symbols.add_symbol(f"p{i}")
    return symbols


def make_batch(rng: np.random.Generator, symbols: Dictionary, tokens: int) -> dict[str, Any]:
    """A batch of sentences of similar length, about 25 pieces, as bucketing by length makes it."""
    length = int(np.clip(rng.normal(25, 8), 6, 60))
    frequencies = 1.0 / np.arange(1, VOCABULARY + 1)
    samples = []
    for i in range(max(1, tokens // length)):
        sides = [
            torch.from_numpy(
                rng.choice(VOCABULARY, max(2, length + rng.integers(-1, 2)), p=frequencies / frequencies.sum())
            )
            for _ in range(2)
        ]
        source, target = (torch.cat([side + symbols.nspecial, torch.tensor([symbols.eos()])]) for side in sides)
        samples.append({"id": i, "source": source, "target": target})
    return collate(samples, symbols.pad(), symbols.eos())


def make_episodes(
    rng: np.random.Generator, symbols: Dictionary, tasks: int, tokens: int, inner_steps: int = 1
) -> list[dict[str, Any]]:
    """Episodes over the whole vocabulary: ``queries`` has a row for every piece, so ids need no renumbering."""
    queries = rng.standard_normal((VOCABULARY, QUERY_WIDTH)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return [
        {
            "language": str(i),
            "queries": torch.from_numpy(queries),
            "support": [make_batch(rng, symbols, tokens) for _ in range(inner_steps)],
            "query": [make_batch(rng, symbols, tokens)],
        }
        for i in range(tasks)
    ]


def batches_of(episodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [batch for episode in episodes for batch in [*episode["support"], *episode["query"]]]


def renumber(episodes: list[dict[str, Any]], special: int) -> list[dict[str, Any]]:
    """The episodes as the data loader makes them: with the rows of their own pieces only, and ids renumbered."""
    renumbered = []
    for number, episode in enumerate(episodes):
        rows = torch.cat([b["net_input"]["src_tokens"].flatten() for b in batches_of([episode])]).unique()
        rows = rows[rows >= special] - special
        copies: dict[str, Any] = {"language": episode["language"], "number": number}
        copies["queries"] = episode["queries"][rows]
        for side in ("support", "query"):
            copies[side] = []
            for batch in episode[side]:
                source = batch["net_input"]["src_tokens"]
                local = torch.where(source < special, source, torch.searchsorted(rows, source - special) + special)
                copies[side].append({**batch, "net_input": {**batch["net_input"], "src_tokens": local}})
        renumbered.append(copies)
    return renumbered


def architecture(name: str) -> Namespace:
    args = Namespace(max_source_positions=1024, max_target_positions=1024)
    getattr(ulr_transformer, name)(args)
    return args


def optimizer_of(model: torch.nn.Module) -> Any:
    args = Namespace(optimizer="adam", lr=[1e-5], adam_betas="(0.9, 0.98)", adam_eps=1e-8, weight_decay=0.0)
    args.fp16_adam_stats = args.use_old_adam = args.tpu = False
    return optim.build_optimizer(args, [p for p in model.parameters() if p.requires_grad])


def update(model: Any, optimizer: Any, size: float) -> None:
    """Make an update from the gradients as fairseq's trainer does; ``size``: the sample size to divide them by."""
    optimizer.multiply_grads(1.0 / size)
    optimizer.clip_grad_norm(1.0)
    optimizer.step()
    optimizer.zero_grad()


def token_count(episodes: list[dict[str, Any]]) -> int:
    """The tokens of all batches of the episodes, both sides, without padding."""
    return sum(int(b["net_input"]["src_lengths"].sum()) + int(b["ntokens"]) for b in batches_of(episodes))


@dataclass
class Bench:
    """Models, batches and steps of one architecture on one device, made when they are asked for.

    tasks: tasks of a step; each has as many support batches as there are inner steps, and one query batch.
    tokens: tokens of a batch.
    mixed: ours under bf16 autocast, the peer as fairseq's ``--amp`` trains (float16 autocast, scaled loss).
    """

    arch: str = "metanmt"
    tasks: int = 1
    tokens: int = 2000
    device: str = "cpu"
    mixed: bool = False
    symbols: Dictionary = field(default_factory=dictionary)

    def __post_init__(self) -> None:
        torch.manual_seed(1)
        self.cfg = architecture(self.arch)
        self.criterion = LabelSmoothedCrossEntropyCriterion(Namespace(target_dictionary=self.symbols), False, 0.1)
        self.whole: dict[int, list[dict[str, Any]]] = {}

    def on_device(self, value: Any) -> Any:
        return utils.move_to_cuda(value) if self.device == "cuda" else value

    def episodes(self, inner_steps: int = 1) -> list[dict[str, Any]]:
        """The episodes of a step over the whole vocabulary (`make_episodes`), the same at each call."""
        if inner_steps not in self.whole:
            rng = np.random.default_rng(inner_steps)
            self.whole[inner_steps] = make_episodes(rng, self.symbols, self.tasks, self.tokens, inner_steps)
        return self.whole[inner_steps]

    def renumbered(self, inner_steps: int = 1) -> list[dict[str, Any]]:
        """The episodes of a step as the data loader makes them (`renumber`), on the device."""
        episodes: list[dict[str, Any]] = self.on_device(renumber(self.episodes(inner_steps), self.symbols.nspecial))
        return episodes

    def ours(self, top_k: int = ulr_transformer.TOP_K) -> Any:
        """Our Transformer with M = 20,000 universal tokens and no language; ``top_k``: ``--ulr-top-k``, 0 for all."""
        keys = torch.nn.functional.normalize(torch.randn(UNIVERSAL_TOKENS, QUERY_WIDTH), dim=-1)
        lexical = Namespace(source_dictionary=Dictionary(), target_dictionary=self.symbols, universal_keys=keys)
        lexical.language_queries = lexical.target_vectors = torch.empty(0, QUERY_WIDTH)
        return ulr_transformer.ULRTransformer.build_model(
            Namespace(**{**vars(self.cfg), "ulr_top_k": top_k}), lexical
        ).to(self.device)

    def peer(self) -> Any:
        """The Transformer of stock fairseq."""
        task = Namespace(source_dictionary=self.symbols, target_dictionary=self.symbols)
        return TransformerModel.build_model(self.cfg, task).to(self.device)

    def meta_step(self, model: Any, learner: str, inner_steps: int = 1, **flags: Any) -> Callable[[], None]:
        """A function that makes a meta-step and an update of ours, by the train_step of our task.

        The task is made without a data folder. ``flags``: fields of its configuration.
        """
        cfg = MetaTranslationConfig(meta_learner=learner, inner_steps=inner_steps, seed=1, bf16_autocast=self.mixed)
        for name, value in flags.items():
            setattr(cfg, name, value)
        no_vectors = torch.empty(0, QUERY_WIDTH)
        task = MetaTranslationTask(Namespace(**vars(cfg)), {}, no_vectors, self.symbols, no_vectors)
        task.meta_learner, task.adapted = build_meta_learner(task.cfg, dict(model.named_parameters()))
        if task.meta_learner.state_dict():
            model.meta_learner = task.meta_learner.to(self.device)
        optimizer, episodes = optimizer_of(model), self.renumbered(inner_steps)
        criterion = lean(self.criterion)  # as the task builds it

        def step() -> None:
            _, size, _ = task.train_step({"episodes": episodes}, model, criterion, optimizer, 0)
            update(model, optimizer, size)

        return step

    def adapt_step(self, model: Any, adapt_params: str = "emb_enc") -> Callable[[], None]:
        """A function that fine-tunes ours for an update on all batches, by the train_step of our task for one pair.

        The model takes the language in: its query vectors and residual rows. ``adapt_params``: ``--adapt-params``.
        """
        queries = self.episodes()[0]["queries"]
        cfg = ULRTranslationConfig(bf16_autocast=self.mixed)
        pack, no_vectors = LanguagePack("xx", self.symbols, queries.numpy()), torch.empty(0, QUERY_WIDTH)
        task = ULRTranslationTask(Namespace(**vars(cfg)), pack, no_vectors, self.symbols, no_vectors)
        embedding = model.encoder.embed_tokens
        embedding.queries = queries.to(self.device)
        embedding.residual = torch.nn.Parameter(torch.zeros(len(queries), embedding.embedding_dim, device=self.device))
        parameters = dict(model.named_parameters())
        chosen = trainable_names(list(parameters), adapt_params)
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in chosen)
        optimizer, batches = optimizer_of(model), self.on_device(batches_of(self.episodes()))

        def step() -> None:
            size = sum(task.train_step(batch, model, self.criterion, optimizer, 0)[1] for batch in batches)
            update(model, optimizer, size)

        return step

    def plain_step(self, model: Any, inner_steps: int = 1) -> Callable[[], None]:
        """A function that makes a step of stock fairseq: its translation task, gradients of all batches, one update."""
        task = TranslationTask(Namespace(eval_bleu=False), self.symbols, self.symbols)
        optimizer = optimizer_of(model)
        if self.mixed:
            common = Namespace(fp16_init_scale=128, min_loss_scale=1e-4)
            optimizer = AMPOptimizer(Namespace(common=common, optimizer=None), None, optimizer)
        batches = self.on_device(batches_of(self.episodes(inner_steps)))

        def step() -> None:
            size = 0
            for batch in batches:
                size += task.train_step(batch, model, self.criterion, optimizer, 0)[1]
            update(model, optimizer, size)

        return step
