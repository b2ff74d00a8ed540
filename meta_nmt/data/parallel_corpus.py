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

from data_prep.errors import InputError

Batch = dict[str, Any]


def _check_files(prefix: Path) -> None:
    """Both files of a fairseq memory-mapped dataset are there and as long as their headers say (InputError).

    Before fairseq opens them: it would map a truncated file without a word.
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
        expected = header.size + count * (4 + 8)  # a size and a pointer each
        if (actual := os.path.getsize(f"{prefix}.idx")) != expected:
            raise InputError(f"{prefix}.idx: must have {expected} bytes for {count} sentences, but has {actual}")
        tokens = int(np.fromfile(file, dtype=np.int32, count=count).sum(dtype=np.int64))
    expected = tokens * np.dtype(indexed_dataset._code_to_dtype[kind]).itemsize
    if (actual := os.path.getsize(f"{prefix}.bin")) != expected:
        raise InputError(f"{prefix}.bin: must have {expected} bytes, as its index says, but has {actual}")
    if count == 0:
        raise InputError(f"{prefix}.idx: must have at least one sentence, but is empty")


def _load_side(prefix: Path) -> Any:
    _check_files(prefix)
    return data_utils.load_indexed_dataset(str(prefix), dataset_impl="mmap")


@dataclass(frozen=True)
class ParallelCorpus:
    """source, target: fairseq indexed datasets; source_sizes, target_sizes: pieces a sentence, end symbol
    included; usable: indices of the sentences that are not over-long."""

    language: str
    source: Any
    target: Any
    source_sizes: np.ndarray
    target_sizes: np.ndarray
    usable: np.ndarray

    @classmethod
    def load(
        cls, data: str | Path, split: str, source_lang: str, target_lang: str, max_positions: tuple[int, int]
    ) -> ParallelCorpus:
        """``DATA/bin/<split>.<source>-<target>.*``.

        Raises:
            InputError: a file is missing or truncated, the two sides differ in length, or nothing is usable.
        """
        stem = Path(data) / "bin" / f"{split}.{source_lang}-{target_lang}"
        source = _load_side(stem.with_name(f"{stem.name}.{source_lang}"))
        target = _load_side(stem.with_name(f"{stem.name}.{target_lang}"))
        if len(source) != len(target):
            raise InputError(f"{stem}.*: both sides must have as many lines, but have {len(source)} and {len(target)}")
        sizes = np.asarray(source.sizes), np.asarray(target.sizes)
        usable = np.flatnonzero((sizes[0] <= max_positions[0]) & (sizes[1] <= max_positions[1]))
        if len(usable) == 0:
            raise InputError(f"{stem}.*: must have sentences of at most {max_positions} pieces, but has none")
        return cls(source_lang, source, target, sizes[0], sizes[1], usable)

    def costs(self, indices: np.ndarray) -> np.ndarray:
        """Tokens of each sentence as ``--max-tokens`` counts them: the longer of its two sides."""
        return np.maximum(self.source_sizes[indices], self.target_sizes[indices])

    def batch(self, indices: Sequence[int] | np.ndarray, dictionary: Dictionary) -> Batch:
        """The sentences as one padded fairseq batch, source ids as they are in the language's own dictionary."""
        samples = [{"id": int(i), "source": self.source[int(i)], "target": self.target[int(i)]} for i in indices]
        return collate(samples, dictionary.pad(), dictionary.eos())
