"""Language packs and the universal space, as `data_prep` leaves them in a data folder.

``DATA/lang/<xx>/`` holds a language's SentencePiece model, dictionary and query vectors. ``DATA/universal/`` holds the
keys. Vectors are memory-mapped: a run over a hundred languages reads only the rows that it uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq.data import Dictionary
from torch import Tensor

from data_prep.base.data_folder import LAYOUT, TABLE, DataFolder, PackFolder
from data_prep.base.errors import InputError
from data_prep.base.languages import LANGUAGE
from data_prep.base.text_files import read_lines


def _read_vectors(path: Path) -> np.ndarray:
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: must be a NumPy file of float32 vectors: {error}") from None
    if not isinstance(vectors, np.ndarray):
        raise InputError(f"{path}: must be a NumPy file of one array, but holds several")
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise InputError(f"{path}: must be a float32 matrix, but is {vectors.dtype} of shape {vectors.shape}")
    return vectors


def load_dictionary(path: Path) -> Dictionary:
    """A fairseq dictionary; InputError if the file is missing or malformed."""
    try:
        dictionary = Dictionary.load(str(path))
    except Exception as error:  # fairseq raises a plain Exception for a wrong encoding
        raise InputError(f"{path}: must be a fairseq dictionary (`piece count` on each line): {error}") from None
    if len(dictionary) == dictionary.nspecial:
        raise InputError(f"{path}: must have at least one line `piece count`, but is empty")
    return dictionary


def language_folder(data: str | Path, code: str) -> PackFolder:
    """The folder of a language pack; where there is none, an InputError that lists the languages there are."""
    folder = DataFolder(data)
    if not LANGUAGE.fullmatch(code) or not folder.pack(code).path.is_dir():
        codes = folder.pack_codes
        raise InputError(
            f"{data}: has no language pack `{LAYOUT.pack(code)}` (unknown language code {code!r}; "
            + (f"there are {', '.join(codes)})" if codes else "is this a folder made by meta-nmt-preprocess?)")
        )
    return folder.pack(code)


def has_alignment(data: str | Path, code: str, sample: str) -> bool:
    """Whether a language pack has vectors that are aligned with the pairs of a sample."""
    return bool(code) and sample in DataFolder(data).pack(code).aligned_samples


@dataclass(frozen=True)
class LanguagePack:
    """One source language.

    queries: (V, Q) vectors, memory-mapped; row r is that of dictionary id ``nspecial + r``.
    file: where the vectors are.
    """

    code: str
    dictionary: Dictionary
    queries: np.ndarray
    file: Path = Path()

    @classmethod
    def load(cls, data: str | Path, code: str, sample: str | None = None) -> LanguagePack:
        """The pack of a language.

        Args:
            sample: the low-resource sample whose pairs the vectors are to be aligned with, too; or the path of other
                vectors of the pack (.npy).

        Raises:
            InputError: there is no such pack or sample, or its files do not fit together.
        """
        pack = language_folder(data, code)
        if sample and not sample.endswith(TABLE) and sample not in pack.aligned_samples:
            there = ", ".join(pack.aligned_samples) or "none"
            raise InputError(
                f"`--aligned-with` must be a sample that {pack} has vectors for, but is {sample} (there are {there})"
            )
        dictionary = load_dictionary(pack.dictionary)
        file = pack.vectors_with(sample) if sample else pack.vectors
        vectors = _read_vectors(file)
        if len(vectors) != len(dictionary):
            raise InputError(
                f"{file}: must have one row per dictionary entry ({len(dictionary)}), but has {len(vectors)}"
            )
        return cls(code, dictionary, vectors[dictionary.nspecial :], file)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process maps the vectors itself: pickled, those of all languages would be copied to each of them."""
        if isinstance(self.queries, np.memmap):
            return _mapped, (self.code, self.dictionary, self.file)
        return LanguagePack, (self.code, self.dictionary, self.queries, self.file)


def _mapped(code: str, dictionary: Dictionary, file: Path) -> LanguagePack:
    return LanguagePack(code, dictionary, _read_vectors(file)[dictionary.nspecial :], file)


def load_universal_keys(data: str | Path) -> Tensor:
    """The keys (M, Q) of the universal tokens; InputError where they cannot be read."""
    path = DataFolder(data).universal.keys
    keys = np.array(_read_vectors(path))
    if not keys.size:
        raise InputError(f"{path}: must have a row for each universal token, but its shape is {keys.shape}")
    check_finite(keys, path)
    return torch.from_numpy(keys)


def load_target_vectors(data: str | Path, code: str, symbols: int) -> Tensor:
    """The vectors (V, Q) of the target language's dictionary; InputError where there is not one for each symbol."""
    path = language_folder(data, code).vectors
    vectors = np.array(_read_vectors(path))
    if len(vectors) != symbols:
        raise InputError(f"{path}: must have one row per dictionary entry ({symbols}), but has {len(vectors)}")
    check_finite(vectors, path)
    return torch.from_numpy(vectors)


def load_universal_names(data: str | Path, tokens: int) -> list[str]:
    """The names of the M universal tokens, in the order of their keys: pieces of the target language.

    Raises:
        InputError: there is no such file, or it does not have ``tokens`` lines, one for each key of the model.
    """
    path = DataFolder(data).universal.tokens
    names = read_lines(path)
    if len(names) != tokens:
        raise InputError(f"{path}: must have a line for each of the {tokens} universal tokens, but has {len(names)}")
    return names


def check_finite(vectors: np.ndarray, path: Path) -> None:
    """InputError where a number of the vectors is infinite or NaN."""
    if not np.isfinite(vectors).all():
        raise InputError(f"{path}: must hold finite numbers, but has others")
