"""Folding of an adapted model's universal lexical representation into an ordinary embedding table."""

from __future__ import annotations

from typing import Any

import torch

from meta_nmt.modules.ulr_embedding import ULREmbedding

FOLDED_ROWS = 1024  # rows that are computed at once, with (rows, M) weights in memory


@torch.no_grad()
def folded_table(embedding: ULREmbedding) -> torch.Tensor:
    """The table (nspecial + V, D): what the embedding gives for every id of its language's dictionary."""
    rows = torch.arange(embedding.queries.size(0), device=embedding.queries.device)
    return torch.cat([embedding.special, *(embedding.lexical(part) for part in rows.split(FOLDED_ROWS))])


def fold(model: Any) -> None:
    """Replace a model's universal lexical representation by an ordinary embedding with the same numbers."""
    embedding = model.encoder.embed_tokens
    model.encoder.embed_tokens = torch.nn.Embedding.from_pretrained(
        folded_table(embedding), padding_idx=embedding.padding_idx
    )
