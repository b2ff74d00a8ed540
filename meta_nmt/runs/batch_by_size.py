"""Batches of sentences of similar length, in place of fairseq's compiled module ``fairseq.data.data_utils_fast``.

It is for a fairseq that was installed without a C++ compiler. Names, arguments and results are those of that module,
so that a training takes the same batches with and without it. The compiled module looks at each sentence. Here numpy
finds the runs of sentences of one length, and a loop goes over batches and runs alone: sentences are sorted by length
before they are cut into batches, so there are few runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np


def batch_by_size_vec(
    indices: np.ndarray, num_tokens_vec: np.ndarray, max_tokens: int, max_sentences: int, bsz_mult: int
) -> list[np.ndarray]:
    """Cut ``indices`` into batches, in their order.

    A batch costs its sentences times the tokens of its longest one. It is as large as the limits allow, and then cut
    to a multiple of ``bsz_mult`` sentences, where it has as many.

    Args:
        indices: (B,) sentences.
        num_tokens_vec: (B,) tokens of each of them.
        max_tokens: the highest cost of a batch; 0 or less for no limit.
        max_sentences: the most sentences of a batch; 0 or less for no limit.
        bsz_mult: what the number of sentences is a multiple of, or less than.

    Raises:
        AssertionError: a sentence has more than ``max_tokens``.
    """
    if not len(indices):
        return []
    assert max_tokens <= 0 or num_tokens_vec.max() <= max_tokens, (
        f"Sentences lengths should not exceed max_tokens={max_tokens}"
    )
    ends = _ends(num_tokens_vec, max_tokens, max_sentences, bsz_mult)
    return [indices[start:end] for start, end in pairwise([0, *ends])]


def batch_by_size_fn(
    indices: np.ndarray, num_tokens_fn: Callable[[int], int], max_tokens: int, max_sentences: int, bsz_mult: int
) -> list[np.ndarray]:
    """The batches of `batch_by_size_vec`, with a function that gives the tokens of a sentence."""
    num_tokens_vec = np.fromiter(map(num_tokens_fn, indices), np.int64, len(indices))
    return batch_by_size_vec(indices, num_tokens_vec, max_tokens, max_sentences, bsz_mult)


def batch_fixed_shapes_fast(
    indices: np.ndarray, num_tokens_fn: Callable[[int], int], fixed_shapes_sorted: np.ndarray
) -> list[list[int]]:
    """Cut ``indices`` into batches that each fit into one of a few shapes (sentences, tokens)."""
    shapes = fixed_shapes_sorted.tolist()
    batches: list[list[int]] = []
    batch: list[int] = []
    longest = 0
    for index in indices.tolist():
        longest = max(longest, num_tokens_fn(index))
        if not any(len(batch) < sentences and longest <= tokens for sentences, tokens in shapes):
            batches.append(batch)
            batch, longest = [], 0  # the first sentence of a batch does not count, as in fairseq
        batch.append(index)
    return [*batches, batch] if batch else batches


def _ends(lengths: np.ndarray, max_tokens: int, max_sentences: int, multiple: int) -> Iterator[int]:
    """The position behind the last sentence of each batch."""
    count = len(lengths)
    start, least, longest = 0, 1, 0  # a batch begins at `start`, ends at `least` or later, and has such a sentence

    def room() -> int:
        """The most sentences of a batch with this longest sentence."""
        by_tokens = max_tokens // longest if max_tokens > 0 and longest else count
        return min(by_tokens, max_sentences) if max_sentences > 0 else by_tokens

    def whole(sentences: int) -> int:
        return sentences if sentences < multiple else sentences - sentences % multiple

    begin = 0
    for stop, length in _runs(lengths):
        longest = max(longest, length)
        while (limit := start + room()) < stop:
            full = max(limit, begin)  # the first sentence that the batch has no room for
            end = max(start + whole(full - start), least)
            yield end
            rest = length if end >= begin else int(lengths[end : full + 1].max())
            if 0 < max_tokens < rest * (full + 1 - end):
                yield full
                end, rest = full, length
            start, least, longest = end, full + 1, rest
        begin = stop
    end = max(start + whole(count - start), least)
    if end < count:
        yield end
    yield count


def _runs(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """The runs of sentences of one length: the position behind each run, and the length."""
    stops = np.append(np.flatnonzero(lengths[1:] != lengths[:-1]) + 1, len(lengths))
    return zip(stops.tolist(), lengths[stops - 1].tolist(), strict=True)
