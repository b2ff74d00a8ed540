"""An estimate of how long meta-nmt-adapt takes from raw text, by a probe of this machine and by arithmetic."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from data_prep.pipeline.estimate import ALIGN, BINARISE, CLEAN, MARGIN, SUBWORDS_AND_VECTORS, spell
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.translation.self_training import LONGER

PROBE = 8, 32  # sentences and pieces of the batch that the probe times
CHARACTERS_PER_PIECE = 4
HELD_OUT_SHARE = 10  # a tenth of the pairs each, for dev and for test
START_S = 5.0  # to load, and to write the first checkpoint
SAVE_S_PER_GB = 6.0  # at a validation fairseq writes three checkpoints, with the state of the optimiser
PIECES_PER_LINE = 30  # of monolingual text; CTranslate2 translates a piece in the time that one takes in an update
DECODING = 3.0  # greedy search of one piece takes as long as so many pieces in an update


def update_seconds_per_piece(model: Namespace) -> float:
    """Seconds for each target piece, forward and backward, measured now on a Transformer of the model's sizes."""
    sentences, width = PROBE
    transformer = nn.Transformer(
        model.encoder_embed_dim, model.encoder_attention_heads, model.encoder_layers, model.decoder_layers,
        model.encoder_ffn_embed_dim, batch_first=True,
    )  # fmt: skip
    device = "cuda" if torch.cuda.is_available() else "cpu"
    transformer, batch = transformer.to(device), torch.randn(sentences, width, model.encoder_embed_dim, device=device)
    times_s = []
    for _ in range(3):  # the first warms up
        start = time.perf_counter()
        transformer(batch, batch).sum().backward()
        times_s.append(time.perf_counter() - start)
    return min(times_s) / (sentences * width)


def characters(pairs: Sequence[tuple[str, str]]) -> int:
    """The characters of pairs, both sides together."""
    return sum(len(x) + len(english) for x, english in pairs)


def seconds(
    checkpoint: Path,
    pairs_of: Mapping[str, Sequence[tuple[str, str]]],
    mono: Sequence[Path],
    training: Namespace,
    strategies: int,
    self_train: int = 0,
) -> float:
    """Seconds to the end of the command, or fewer where ``--patience`` ends it early.

    Args:
        checkpoint: the checkpoint that is adapted.
        pairs_of: the pairs by split.
        mono: files of monolingual text.
        training: arguments of fine-tuning.
        strategies: how many strategies are tried.
        self_train: how many lines of the monolingual text are translated, for a second adaptation.
    """
    train_characters = characters(pairs_of["train"])
    extra_characters = train_characters // 2 + sum(path.stat().st_size for path in mono)  # bytes stand for characters
    pack_s = (
        CLEAN.of(train_characters)
        + SUBWORDS_AND_VECTORS.of(extra_characters)
        + ALIGN.of(extra_characters)
        + BINARISE.of(train_characters)
    )
    state = read_checkpoint(checkpoint)
    piece_s = update_seconds_per_piece(state["cfg"].model)
    pieces = min(training.max_tokens, train_characters / 2 / CHARACTERS_PER_PIECE)
    sizes = [
        characters(pairs_of[name]) if name in pairs_of else train_characters / HELD_OUT_SHARE
        for name in ("valid", "test")
    ]
    dev, test = (size / 2 / CHARACTERS_PER_PIECE * DECODING for size in sizes)
    gigabytes = 3 * sum(value.numel() * value.element_size() for value in state["model"].values()) / 1e9
    ways = 2 if training.r_drop else 1  # R-Drop reads each sentence twice
    validations = training.max_update / training.save_interval_updates
    updates_s = ways * training.max_update * pieces * piece_s
    strategy_s = START_S + updates_s + validations * (dev * piece_s + gigabytes * SAVE_S_PER_GB)
    lines = min(self_train, sum(path.stat().st_size for path in mono) // (PIECES_PER_LINE * CHARACTERS_PER_PIECE))
    again_s = LONGER * strategy_s + lines * PIECES_PER_LINE * piece_s if lines else 0.0
    return pack_s + strategies * strategy_s + again_s + START_S + test * piece_s


def describe(pair: str, strategies: Sequence[str], time_s: float) -> str:
    """The estimate as a line for a person who is about to wait."""
    return (
        f"{pair}: language pack -> fine-tuning ({', '.join(strategies)}) -> export; "
        f"about {spell(time_s)} (between {spell(time_s / MARGIN)} and {spell(time_s * MARGIN)})"
    )
