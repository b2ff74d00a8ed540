"""The universal tokens that the representation of a source piece mixes, nearest first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from fairseq.data import Dictionary
from torch import nn

from meta_nmt.modules.ulr_embedding import ULREmbedding


@torch.no_grad()
def nearest_universal(
    model: nn.Module, dictionary: Dictionary, names: Sequence[str], pieces: Sequence[str], k: int = 5
) -> list[list[tuple[str, float]]]:
    """For each piece, its ``k`` universal tokens of greatest weight: (name, softmax weight), greatest first.

    Args:
        model: a `ULRTransformer` with the language in place (V rows), or its `ULREmbedding`.
        dictionary: that of the language; row r is id ``nspecial + r``.
        names: the M universal tokens, in the order of the keys (`language_pack.load_universal_names`).
        pieces: SentencePiece pieces of the language.
        k: how many tokens a piece gets at most, at least 1.

    Returns:
        a list for each piece, in order. It is empty for a piece that is not in the dictionary, and for a piece without
        a vector: such a piece attends to all universal tokens alike, so none is near.

    Raises:
        ValueError: there are not as many names as keys.
    """
    embedding = next(part for part in model.modules() if isinstance(part, ULREmbedding))
    if len(names) != embedding.keys.size(0):
        raise ValueError(f"there must be a name for each of the {embedding.keys.size(0)} keys, but are {len(names)}")
    ids = [dictionary.index(piece) for piece in pieces]
    rows = [i - dictionary.nspecial for i in ids if i >= dictionary.nspecial]
    nearest_of: dict[int, list[tuple[str, float]]] = {}
    distinct = sorted(set(rows))
    if distinct:
        index = torch.tensor(distinct, device=embedding.keys.device)
        best = embedding.mixture(index).topk(min(k, len(names)), dim=-1)
        filled = embedding.queries[index].any(dim=-1).tolist()
        for row, has_vector, weights, tokens in zip(
            distinct, filled, best.values.tolist(), best.indices.tolist(), strict=True
        ):
            nearest_of[row] = [(names[t], w) for t, w in zip(tokens, weights, strict=True)] if has_vector else []
    return [nearest_of.get(i - dictionary.nspecial, []) for i in ids]
