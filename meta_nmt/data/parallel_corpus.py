"""One binarised language pair: sentences by index, and their lengths without reading them."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fairseq.data import Dictionary, data_utils, indexed_dataset
from fairseq.data.language_pair_dataset import collate

from data_prep.base.data_folder import DataFolder, sides_of
from data_prep.base.errors import InputError

Batch = dict[str, Any]


def _check_files(prefix: Path) -> None:
    """InputError unless both files of a fairseq memory-mapped dataset are there and as long as their headers say.

    This is checked before fairseq opens them: fairseq would silently map a truncated file.
    """
    for path in (f"{prefix}.idx", f"{prefix}.bin"):
        if not os.path.exists(path):
            raise InputError(f"{path}: must exist (made by meta-nmt-preprocess), but does not")
    header = struct.Struct("<9sQBQ")  # magic, version, type of the ids, number of sentences
    with open(f"{prefix}.idx", "rb") as file:
        head = file.read(header.size)
        magic, version, kind, count = header.unpack(head) if len(head) == header.size else (b"", 0, 0, 0)
        if magic != b"MMIDIDX\x00\x00" or version != 1 or kind not in indexed_dataset._code_to_dtype:
            raise InputError(f"{prefix}.idx: must be the index of a fairseq mmap dataset, but its header is not")
        expected = header.size + count * (4 + 8)  # a size and a pointer for each sentence
        if (actual := os.path.getsize(f"{prefix}.idx")) != expected:
            raise InputError(f"{prefix}.idx: must have {expected} bytes for {count} sentences, but has {actual}")
        sizes = np.fromfile(file, dtype=np.int32, count=count)
        pointers = np.fromfile(file, dtype=np.int64, count=count)
    width = np.dtype(indexed_dataset._code_to_dtype[kind]).itemsize
    ends = sizes.cumsum(dtype=np.int64) * width
    if count and (sizes.min() < 1 or not np.array_equal(pointers, ends - sizes * width)):
        raise InputError(f"{prefix}.idx: must say where each sentence lies, one behind the other, but does not")
    expected = int(ends[-1]) if count else 0
    if (actual := os.path.getsize(f"{prefix}.bin")) != expected:
        raise InputError(f"{prefix}.bin: must have {expected} bytes, as its index says, but has {actual}")
    if count == 0:
        raise InputError(f"{prefix}.idx: must have at least one sentence, but is empty")


def _load_side(prefix: Path) -> Any:
    _check_files(prefix)
    return data_utils.load_indexed_dataset(str(prefix), dataset_impl="mmap")


@dataclass(frozen=True)
class ParallelCorpus:
    """A binarised language pair.

    source, target: fairseq indexed datasets.
    source_sizes, target_sizes: pieces of each sentence, end symbol included.
    usable: indices of the sentences that are not too long.
    stem: how the files' names begin.
    symbols: the sizes of both sides' dictionaries, where these are known.
    """

    language: str
    source: Any
    target: Any
    source_sizes: np.ndarray
    target_sizes: np.ndarray
    usable: np.ndarray
    stem: Path = Path()
    symbols: tuple[int, int] | None = None

    @classmethod
    def load(
        cls,
        data: str | Path,
        split: str,
        source_lang: str,
        target_lang: str,
        max_positions: tuple[int, int],
        symbols: tuple[int, int] | None = None,
    ) -> ParallelCorpus:
        """The binarised split of a data folder.

        Raises:
            InputError: a file is missing or truncated, the two sides differ in length, or nothing is usable.
        """
        return cls.of_files(
            DataFolder(data, target_lang).binary(source_lang, split), source_lang, target_lang, max_positions, symbols
        )

    @classmethod
    def of_files(
        cls,
        stem: Path,
        source_lang: str,
        target_lang: str,
        max_positions: tuple[int, int],
        symbols: tuple[int, int] | None = None,
    ) -> ParallelCorpus:
        """The pairs in four binarised files, whose names begin with ``stem``, anywhere; errors as those of `load`."""
        source, target = map(_load_side, sides_of(stem, source_lang, target_lang))
        if len(source) != len(target):
            raise InputError(f"{stem}.*: both sides must have as many lines, but have {len(source)} and {len(target)}")
        sizes = np.asarray(source.sizes), np.asarray(target.sizes)
        usable = np.flatnonzero((sizes[0] <= max_positions[0]) & (sizes[1] <= max_positions[1]))
        if len(usable) == 0:
            raise InputError(f"{stem}.*: must have sentences of at most {max_positions} pieces, but has none")
        return cls(source_lang, source, target, sizes[0], sizes[1], usable, stem, symbols)

    def costs(self, indices: np.ndarray) -> np.ndarray:
        """Tokens of each sentence as ``--max-tokens`` counts them: the longer of its two sides."""
        return np.maximum(self.source_sizes[indices], self.target_sizes[indices])

    def batch(self, indices: Sequence[int] | np.ndarray, dictionary: Dictionary) -> Batch:
        """Sentences as one padded fairseq batch; source ids are those of the language's own dictionary."""
        samples = [{"id": int(i), "source": self.source[int(i)], "target": self.target[int(i)]} for i in indices]
        self._check_ids(samples)
        return collate(samples, dictionary.pad(), dictionary.eos())

    def check_all_ids(self) -> None:
        """Check the ids of every sentence, of a corpus that is small enough to be read twice (InputError).

        The ids of a batch are always checked.
        """
        for i in range(len(self.source)):
            self._check_ids([{"source": self.source[i], "target": self.target[i]}])

    def _check_ids(self, samples: Sequence[dict[str, Any]]) -> None:
        """InputError where an id is in no dictionary: a later lookup would fail, or read a row of another language."""
        for side, symbols in zip(("source", "target"), self.symbols or (), strict=False):
            highest = max(int(sample[side].max()) for sample in samples)
            if highest >= symbols:
                raise InputError(
                    f"{self.stem}.*: {side} ids must be below {symbols}, the dictionary's size, but one is {highest}"
                )
