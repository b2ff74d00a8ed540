"""A start that knows a dictionary: embeddings from word vectors, and attention that copies.

The universal tokens are pieces of the target language, with their vectors as keys. A random projection of these vectors
to the model's width is where the universal values and the target embeddings start, both from the same rows: what the
encoder reads of a word is from the first update on what the decoder writes for its translations. A projection by an
orthogonal matrix keeps most of the cosines between words. In neural machine translation of few sentences, pretrained
embeddings help most where the languages share one space (Qi et al., NAACL 2018, arXiv 1804.06323).

The decoder's attention to the encoder starts as a copy of what it attends to. So the representation of a source word
that is attended to raises the scores of its translations before anything is trained, and where to look is all that is
left to learn. (Structured starts of attention: Trockman and Kolter, ICML 2023, arXiv 2305.09828, for self-attention.)
"""

import torch
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn


@torch.no_grad()
def start_from_vectors(values: Tensor, keys: Tensor, embeddings: Tensor, vectors: Tensor) -> None:
    """Let the universal values and the target embeddings start from their vectors, in place.

    Both get the standard deviation D^-0.5 that random embeddings have. A token without a vector keeps its random row.
    Where all vectors are the same, or only one is there, everything keeps its random rows.

    Args:
        values: (M, D) the universal values.
        keys: (M, Q) the vectors of the universal tokens.
        embeddings: (V, D) the target embeddings.
        vectors: (V, Q) the vectors of the target dictionary's symbols, zero rows for symbols without one.
    """
    width = values.size(1)
    projection = nn.init.orthogonal_(torch.empty(vectors.size(1), width))
    filled = vectors.any(dim=1)
    mean = vectors[filled].mean(dim=0)
    projected = (vectors[filled] - mean) @ projection
    spread = projected.std()
    if not spread > 0:  # NaN for a single vector
        return
    scale = width**-0.5 / spread
    embeddings[filled] = projected * scale
    values.copy_((keys - mean) @ projection * scale)


@torch.no_grad()
def start_as_copy(attention: MultiheadAttention) -> None:
    """Let the value and output matrices of an attention start as an orthogonal matrix and its transpose, in place."""
    nn.init.orthogonal_(attention.v_proj.weight)
    attention.out_proj.weight.copy_(attention.v_proj.weight.t())
