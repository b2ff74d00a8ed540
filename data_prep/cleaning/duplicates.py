"""Sets of lines as sorted arrays of 64-bit hashes: 8 bytes a line, whatever the line's length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from xxhash import xxh3_64_intdigest


def hash_keys(keys: Sequence[bytes]) -> np.ndarray:
    """(n,) 64-bit hashes of keys.

    The probability that any two of 5 million different keys have the same hash is below one in a million.
    """
    return np.fromiter(map(xxh3_64_intdigest, keys), np.uint64, len(keys))


def hash_sorted(keys: Iterable[str]) -> np.ndarray:
    """(n,) sorted hashes of match keys, for ``Filters.held_out``."""
    return np.sort(hash_keys([key.encode() for key in keys]))


def combine(hashes: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) hashes of whole pairs, from the hashes (n,) of each side; the order of the sides counts."""
    total = hashes[0]
    for side_hashes in hashes[1:]:
        total = total * np.uint64(0x9E3779B97F4A7C15) + side_hashes  # the odd number of Fibonacci hashing; modulo 2^64
    return total


def contains(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) whether each of ``values`` (n,) is in the sorted array ``ordered``."""
    if not len(ordered):
        return np.zeros(len(values), bool)
    return ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values


@dataclass
class Seen:
    """A set of 64-bit numbers, 8 bytes each, as sorted arrays that are merged when they are of similar size."""

    runs: list[np.ndarray] = field(default_factory=list)

    def holds(self, values: np.ndarray) -> np.ndarray:
        """(n,) whether each of ``values`` (n,) is in the set."""
        return np.logical_or.reduce([contains(run, values) for run in self.runs] or [np.zeros(len(values), bool)])

    def add(self, values: np.ndarray) -> np.ndarray:
        """Add ``values`` (n,); returns (n,) whether each is new: not in the set before, nor earlier in ``values``."""
        distinct, first = np.unique(values, return_index=True)
        new = ~self.holds(distinct)
        self.runs.append(distinct[new])
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            self.runs[-2:] = [np.sort(np.concatenate(self.runs[-2:]), kind="stable")]
        fresh = np.zeros(len(values), bool)
        fresh[first[new]] = True
        return fresh
