"""ULR against the naive formula (per position, dense) and against a plain embedding: time and memory.

A language has 32,000 pieces; there are 20,000 universal tokens, and the width is 512. A batch of 2,000 tokens, drawn by
Zipf's law, goes forward and backward. The naive formula is the paper's, computed at every position: a softmax over all
universal tokens, then a mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure import Row, apart, compare, in_turns, peak_of
from benchmarks.settings import Settings
from meta_nmt.modules.ulr_embedding import ULREmbedding

PIECES, UNIVERSAL, WIDTH, QUERY, SPECIAL = 32_000, 20_000, 512, 300, 4
SIDES = ("ours", "naive", "plain")


def draw(tokens: int) -> Tensor:
    """A batch (tokens / 25, 25) of ids of the language."""
    weights = 1.0 / np.arange(1, PIECES + 1)
    ids = np.random.default_rng(1).choice(PIECES, (max(1, tokens // 25), 25), p=weights / weights.sum())
    return torch.from_numpy(ids) + SPECIAL


def make(side: str, tokens: int) -> Callable[[], None]:
    """A function that makes a forward and a backward pass of a side, and frees the gradients."""
    torch.manual_seed(1)
    batch = draw(tokens)
    if side == "plain":
        module: nn.Module = nn.Embedding(PIECES + SPECIAL, WIDTH, padding_idx=1)
        forward: Callable[[], Tensor] = lambda: module(batch)  # noqa: E731
    else:
        keys = nn.functional.normalize(torch.randn(UNIVERSAL, QUERY), dim=-1)
        queries = nn.functional.normalize(torch.randn(PIECES, QUERY), dim=-1)
        # as in an episode: only the rows of the pieces in the batch
        rows = batch.unique() - SPECIAL
        local = torch.searchsorted(rows, batch - SPECIAL) + SPECIAL
        module = embedding = ULREmbedding(keys, queries[rows], WIDTH)
        forward = lambda: embedding(local) if side == "ours" else naive(embedding, local)  # noqa: E731

    def step() -> None:
        forward().sum().backward()
        module.zero_grad(set_to_none=True)

    return step


def naive(embedding: ULREmbedding, tokens: Tensor) -> Tensor:
    """The embeddings of tokens (B, S) by the paper's formula at every position, with weights (B, S, M)."""
    rows = tokens - SPECIAL
    scores = embedding.queries[rows] @ embedding.transform @ embedding.keys.t() / embedding.temperature
    return torch.softmax(scores, -1) @ embedding.values + embedding.residual[rows]


def memory(side: str, tokens: int, threads: int) -> dict[str, float]:
    """The MiB of two passes of a side; to be called in a process of its own."""
    torch.set_num_threads(threads)
    step = make(side, tokens)
    return peak_of(lambda: [step(), step()])


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of time, then of peak memory."""
    tokens = 1000 if settings.quick else 2000
    seconds = in_turns({side: make(side, tokens) for side in SIDES}, settings.rounds)
    what = f"forward and backward of {tokens} tokens, M = {UNIVERSAL}, V = {PIECES}; ratio: our time over theirs"
    for side in SIDES[1:]:
        yield compare(f"ulr_vs_{side}_time", "s", seconds["ours"], seconds[side], what)
    repeats = 1 if settings.quick else 5
    peaks: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side in SIDES:
            peaks[side].append(apart(memory, side, tokens, settings.threads)["added"])
    for side in SIDES[1:]:
        yield compare(f"ulr_vs_{side}_peak_memory", "MiB", peaks["ours"], peaks[side],
                      "added to the module and the batch; lower is better")  # fmt: skip
