"""Batches of sentences of similar length: fairseq's own, sentence by sentence, on random lengths."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from meta_nmt.runs import batch_by_size

ROUNDS = 400


def slow(indices: np.ndarray, lengths: np.ndarray, max_tokens: int, max_sentences: int, multiple: int) -> list[Any]:
    """The loop of fairseq's data_utils_fast.pyx, step by step."""
    if not len(indices):
        return []
    ends = [0] * (len(indices) + 1)
    last, start, tail_longest, longest = 0, 0, 0, 0
    for position, length in enumerate(lengths.tolist()):
        tail_longest = max(tail_longest, length)
        end = position + 1
        new_longest = max(longest, tail_longest)
        sentences = end - start
        overflow = sentences > max_sentences > 0 or sentences * new_longest > max_tokens > 0
        if overflow:
            if tail_longest * (end - ends[last]) > max_tokens > 0:
                last += 1
                ends[last] = position
                tail_longest = length
            start = ends[last]
            last += 1
            new_longest = tail_longest
        if overflow or sentences < multiple or sentences % multiple == 0:
            ends[last] = end
            longest = new_longest
            tail_longest = 0
    if ends[last] != len(indices):
        last += 1
    return np.split(indices, ends[:last])


def compiled(name: str) -> Any:
    """A function of fairseq's compiled module; the test is skipped where fairseq was installed without it."""
    module = pytest.importorskip("fairseq.data.data_utils_fast")
    if module is batch_by_size:
        pytest.skip("fairseq is installed without its compiled parts: there is nothing to compare with")
    return getattr(module, name)


def assert_same(found: list[Any], wanted: list[Any]) -> None:
    assert [list(batch) for batch in found] == [list(batch) for batch in wanted]


def assert_equal_on_random_lengths(other: Callable[..., list[Any]]) -> None:
    rng, batches = np.random.default_rng(1), 0
    for _ in range(ROUNDS):
        longest = int(rng.integers(1, 30))
        lengths = rng.integers(rng.random() > 0.1, longest + 1, rng.integers(0, 60)).astype(np.int64)
        if rng.random() < 0.5:
            lengths.sort()
        limits = (
            int(rng.choice([-1, 0, 1, 2, 5, 20]) * longest), int(rng.choice([-1, 0, 1, 2, 3, 7, 8, 9, 20])),
            int(rng.choice([1, 2, 3, 7, 8, 16])),
        )  # fmt: skip
        indices = rng.permutation(1000)[: len(lengths)].astype(np.int64)
        found = batch_by_size.batch_by_size_vec(indices, lengths, *limits)
        assert_same(found, other(indices, lengths, *limits))
        length_of = dict(zip(indices.tolist(), lengths.tolist(), strict=True))
        assert_same(batch_by_size.batch_by_size_fn(indices, length_of.__getitem__, *limits), found)
        batches += len(found)
    assert batches > 3 * ROUNDS, "the lengths must make several batches"


def test_batches_are_those_of_fairseqs_loop() -> None:
    assert_equal_on_random_lengths(slow)


def test_batches_are_those_of_the_compiled_module() -> None:
    assert_equal_on_random_lengths(compiled("batch_by_size_vec"))


def test_a_sentence_that_fits_into_no_batch_is_refused() -> None:
    with pytest.raises(AssertionError, match="Sentences lengths should not exceed max_tokens=5"):
        batch_by_size.batch_by_size_vec(np.arange(2), np.array([3, 6]), 5, -1, 1)


def test_fixed_shapes() -> None:
    shapes = np.array([[4, 5], [2, 10]])  # 4 short sentences, or 2 long ones
    lengths = [5, 4, 3, 5, 2, 9, 8, 9]
    batches = batch_by_size.batch_fixed_shapes_fast(np.arange(8), lengths.__getitem__, shapes)
    assert batches == [[0, 1, 2, 3], [4, 5], [6, 7]]


def test_fixed_shapes_are_those_of_the_compiled_module() -> None:
    other, rng = compiled("batch_fixed_shapes_fast"), np.random.default_rng(1)
    for _ in range(ROUNDS):
        lengths = rng.integers(1, 20, rng.integers(0, 40)).tolist()
        shapes = np.sort(rng.integers(1, 24, (3, 2)), axis=0).astype(np.int64)
        arguments = np.arange(len(lengths), dtype=np.int64), lengths.__getitem__, shapes
        assert_same(batch_by_size.batch_fixed_shapes_fast(*arguments), other(*arguments))
