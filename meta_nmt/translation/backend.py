"""What a translator needs of whatever runs its model: pieces in, pieces and scores out.

Both that there are search alike: fairseq's beam search with hypotheses of at most ``1.5 S + 10`` pieces, S being the
longest source of the batch with its end symbol, and scores divided by the length. (Neither may write nothing:
CTranslate2 takes the end symbol out before the softmax and fairseq after it, which only shows where a model wants to
write nothing.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

MAX_LEN_A, MAX_LEN_B = 1.5, 10  # longest hypothesis: A times the source's length, and B pieces
LONGEST = 1023  # fairseq's sinusoidal positions end there

Batch = Sequence[Sequence[str]]  # sentences as pieces, of similar length


class Scored(NamedTuple):
    """A hypothesis; score: mean log-probability of its pieces, the end symbol included."""

    pieces: list[str]
    score: float


class Backend(Protocol):
    """A loaded model that searches with a fixed beam width, best in batches of up to ``batch_sentences``."""

    batch_sentences: int

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        """For each batch in order, the ``nbest`` best hypotheses of each of its sentences, best first."""
        ...


def longest_hypothesis(batch: Batch) -> int:
    """Most pieces of a hypothesis of this batch, the end symbol not counted."""
    return min(int(MAX_LEN_A * (max(map(len, batch)) + 1) + MAX_LEN_B), LONGEST)
