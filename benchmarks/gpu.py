"""The meta-step on a GPU: bf16 autocast against fairseq's --amp, 8,000 tokens a task; the share of the card's rate."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.fraction import fraction_row
from benchmarks.measure import Row, unmeasured
from benchmarks.meta_step import speed_rows
from benchmarks.settings import Settings
from benchmarks.transformer import Bench

TOKENS = 4000  # tokens of the support batch and of the query batch: 8,000 a task


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of two sizes of model: MetaNMT's and Transformer base."""
    for arch in ("metanmt", "base"):
        names = f"gpu_{arch}_fomaml_vs_fairseq_tokens_per_s", f"gpu_{arch}_fomaml_fraction_of_machine"
        if not torch.cuda.is_available():
            yield unmeasured(names[0], "tokens/s", "no GPU here")
            yield unmeasured(names[1], "GFLOP/s", "no GPU here")
            continue
        bench = Bench(arch, tokens=TOKENS, device="cuda", mixed=True)
        yield from speed_rows(bench, settings.rounds, f"gpu_{arch}_", {"fomaml": ("fomaml", 1)}, ulr=False)
        step = bench.meta_step(bench.ours(), "fomaml")
        yield fraction_row(bench, names[1], step, settings.rounds, torch.bfloat16)
