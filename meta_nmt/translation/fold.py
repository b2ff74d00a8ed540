"""An adapted model without its universal lexical representation: the same numbers, in an ordinary embedding table."""

from __future__ import annotations

from typing import Any

import torch

from meta_nmt.modules.ulr_embedding import ULREmbedding

FOLDED_ROWS = 1024  # rows of a table that are computed at once: (rows, M) weights are in memory


@torch.no_grad()
def folded_table(embedding: ULREmbedding) -> torch.Tensor:
    """(nspecial + V, D): what the embedding gives for every id of the dictionary of its language."""
    rows = torch.arange(embedding.queries.size(0), device=embedding.queries.device)
    return torch.cat([embedding.special, *(embedding.lexical(part) for part in rows.split(FOLDED_ROWS))])


def fold(model: Any) -> None:
    """Puts an ordinary embedding in place of a model's universal lexical representation: the same numbers, no ULR."""
    embedding = model.encoder.embed_tokens
    model.encoder.embed_tokens = torch.nn.Embedding.from_pretrained(
        folded_table(embedding), padding_idx=embedding.padding_idx
    )
