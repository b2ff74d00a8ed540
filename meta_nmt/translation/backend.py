"""The interface of what runs a translator's model: pieces in, pieces and scores out.

There are two backends, fairseq and CTranslate2. They search alike, by fairseq's beam search: hypotheses have at most
``1.5 S + 10`` pieces, where S is the longest source of the batch with its end symbol, and scores are divided by the
length. Neither backend may write an empty hypothesis. CTranslate2 takes the end symbol out before the softmax, and
fairseq after it; this only shows where a model wants to write nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

MAX_LEN_A, MAX_LEN_B = 1.5, 10  # the longest hypothesis: A times the length of the source, plus B pieces
LONGEST = 1023  # pieces; fairseq's sinusoidal positions end there

Batch = Sequence[Sequence[str]]  # sentences as pieces, of similar length


class Scored(NamedTuple):
    """A hypothesis with its score: the mean log-probability of its pieces, the end symbol included."""

    pieces: list[str]
    score: float


class Backend(Protocol):
    """A loaded model that searches with a fixed beam width, fastest in batches of up to ``batch_sentences``."""

    batch_sentences: int

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        """For each batch in order, the ``nbest`` best hypotheses of each of its sentences, best first."""
        ...


def longest_hypothesis(batch: Batch) -> int:
    """How many pieces a hypothesis of this batch may have, without the end symbol."""
    return min(int(MAX_LEN_A * (max(map(len, batch)) + 1) + MAX_LEN_B), LONGEST)
