"""What meta-learning and ULR cost: a FOMAML step against stock fairseq training, in turns in one process.

    python -m benchmarks.meta_step [--json FILE] [--arch metanmt] [--tokens 2000] [--repeats 5]

Both sides train the same Transformer on the same batches, through fairseq's own train_step, criterion, clipping
and Adam; the peer is fairseq's `transformer` with an ordinary embedding table. One step is `--tasks` tasks of a
support and a query batch: FOMAML makes an inner step for each task and one outer update, the peer accumulates
the gradients of all the batches and makes one update (``--update-freq``), which is the cheapest way it has.

Tokens are drawn from Zipf's law over a vocabulary of 8,000 pieces, lengths like those of news text.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import meta_nmt  # noqa: F401  registers the architectures; before fairseq, which it keeps from setting up logging

# isort: split
import numpy as np
import torch
from fairseq import optim
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate
from fairseq.models.transformer import TransformerModel
from fairseq.tasks.translation import TranslationTask
from tqdm import tqdm

from meta_nmt.meta_learners import FOMAML, MetaLearnerSettings
from meta_nmt.meta_learners.inner_loop import Adam
from meta_nmt.models import ulr_transformer
from meta_nmt.tasks.faults import StepGuard
from meta_nmt.tasks.meta_translation import MetaTranslationTask

VOCABULARY = 8000
UNIVERSAL_TOKENS = 20_000
QUERY_WIDTH = 300


def dictionary() -> Dictionary:
    symbols = Dictionary()
    for i in range(VOCABULARY):
        symbols.add_symbol(f"p{i}")
    return symbols


def make_batch(rng: np.random.Generator, symbols: Dictionary, tokens: int) -> dict[str, Any]:
    """Sentences of about 25 pieces of similar length, as bucketing by length makes them."""
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


def make_episodes(rng: np.random.Generator, symbols: Dictionary, tasks: int, tokens: int) -> list[dict[str, Any]]:
    """Tasks over the whole vocabulary: ``queries`` has a row for every piece, so ids need no renumbering."""
    queries = rng.standard_normal((VOCABULARY, QUERY_WIDTH)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return [
        {
            "language": str(i),
            "queries": torch.from_numpy(queries),
            "support": [make_batch(rng, symbols, tokens)],
            "query": [make_batch(rng, symbols, tokens)],
        }
        for i in range(tasks)
    ]


def batches_of(episodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [batch for episode in episodes for batch in [*episode["support"], *episode["query"]]]


def renumber(episodes: list[dict[str, Any]], special: int) -> list[dict[str, Any]]:
    """The episodes as the data loader makes them: only the rows in play, ids renumbered."""
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
    """What fairseq's trainer does after the gradients are there."""
    optimizer.multiply_grads(1.0 / size)
    optimizer.clip_grad_norm(1.0)
    optimizer.step()
    optimizer.zero_grad()


def plain_step(model: Any, criterion: Any, symbols: Dictionary, episodes: list[dict[str, Any]]) -> Callable[[], None]:
    """Stock fairseq: translation task, gradients accumulated over the batches, one update."""
    task = TranslationTask(Namespace(eval_bleu=False), symbols, symbols)
    optimizer = optimizer_of(model)

    def step() -> None:
        size = 0
        for batch in batches_of(episodes):
            size += task.train_step(batch, model, criterion, optimizer, 0)[1]
        update(model, optimizer, size)

    return step


def fomaml_step(model: Any, criterion: Any, symbols: Dictionary, episodes: list[dict[str, Any]]) -> Callable[[], None]:
    """Our task's train_step, without the data folder that its constructor reads."""
    task = MetaTranslationTask.__new__(MetaTranslationTask)
    TranslationTask.__init__(task, Namespace(bf16_autocast=False, seed=1, inner_steps=1), Dictionary(), symbols)
    task.guard = StepGuard()
    task.meta_learner = FOMAML(MetaLearnerSettings(Adam(1e-3), alpha=1e-3), {}, [])
    task.adapted = [n for n, _ in model.named_parameters() if n.startswith("encoder.") and not n.endswith("values")]
    optimizer = optimizer_of(model)

    def step() -> None:
        _, size, _ = task.train_step({"episodes": episodes}, model, criterion, optimizer, 0)
        update(model, optimizer, size)

    return step


def in_turns(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each step: one warm-up, then all in turns, so that a slow minute of the machine hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in tqdm(range(repeats + 1), desc="rounds", disable=not sys.stderr.isatty()):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def lexical_step(model: Any, episodes: list[dict[str, Any]]) -> Callable[[], None]:
    """ULR alone, forward and backward, once for each batch of the step."""
    embedding = model.encoder.embed_tokens
    embedding.queries = episodes[0]["queries"]
    embedding.residual = torch.nn.Parameter(torch.zeros(VOCABULARY, embedding.embedding_dim))

    def step() -> None:
        for batch in batches_of(episodes):
            embedding(batch["net_input"]["src_tokens"]).sum().backward()
        embedding.zero_grad()

    return step


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--arch", default="metanmt", choices=["tiny", "small", "metanmt", "base"])
    parser.add_argument("--tasks", type=int, default=1, help="tasks a step")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens of each batch")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--json", help="file for the rows")
    args = parser.parse_args(argv)
    torch.manual_seed(1)
    rng, symbols = np.random.default_rng(1), dictionary()
    cfg = architecture(args.arch)
    keys = torch.nn.functional.normalize(torch.randn(UNIVERSAL_TOKENS, QUERY_WIDTH), dim=-1)
    lexical = Namespace(source_dictionary=Dictionary(), target_dictionary=symbols, universal_keys=keys)
    lexical.language_queries = torch.empty(0, QUERY_WIDTH)
    ours = ulr_transformer.ULRTransformer.build_model(cfg, lexical)
    alone = ulr_transformer.ULRTransformer.build_model(cfg, lexical)
    peer = TransformerModel.build_model(cfg, Namespace(source_dictionary=symbols, target_dictionary=symbols))
    criterion = LabelSmoothedCrossEntropyCriterion(Namespace(target_dictionary=symbols), False, 0.1)
    whole = make_episodes(rng, symbols, args.tasks, args.tokens)
    seconds = in_turns(
        {
            "fomaml": fomaml_step(ours, criterion, symbols, renumber(whole, symbols.nspecial)),
            "plain": plain_step(peer, criterion, symbols, whole),
            "ulr": lexical_step(alone, whole),
        },
        args.repeats,
    )
    tokens = sum(int(b["net_input"]["src_lengths"].sum()) + int(b["ntokens"]) for b in batches_of(whole))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    speed = {name: tokens / value for name, value in median.items()}
    ratios = [plain / fomaml for plain, fomaml in zip(seconds["plain"], seconds["fomaml"], strict=True)]
    rows = [
        {
            "name": "fomaml_vs_fairseq_tokens_per_s",
            "ours": round(speed["fomaml"], 1),
            "peer": round(speed["plain"], 1),
            "ratio": round(statistics.median(ratios), 3),
            "unit": "tokens/s",
        },
        {
            "name": "ulr_share_of_step",
            "ours": round(median["ulr"], 4),
            "peer": round(median["fomaml"], 4),
            "ratio": round(statistics.median(u / f for u, f in zip(seconds["ulr"], seconds["fomaml"], strict=True)), 3),
            "unit": "s",
        },
    ]
    print(
        f"{args.arch}: {args.tasks} task(s) of 2 x {args.tokens} tokens, {torch.get_num_threads()} threads, "
        f"M = {UNIVERSAL_TOKENS}, medians of {args.repeats}"
    )
    for row in rows:
        print(f"{row['name']:32} ours {row['ours']:>10} peer {row['peer']:>10} {row['unit']:9} ratio {row['ratio']}")
    print("seconds: " + ", ".join(f"{n} {min(v):.2f} to {max(v):.2f}" for n, v in seconds.items()))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
