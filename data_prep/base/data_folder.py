"""The layout of a data folder: where every file lies that meta-nmt-preprocess and meta-nmt-add-language make.

    DATA/data.json                            the record of a finished folder
    DATA/text/<xx>-en/<split>.<xx>, .en       clean text, a sentence a line
    DATA/text/<xx>-en/cleaning.json, .txt     what became of every line read
    DATA/text/<xx>-en/samples.json            rows of the low-resource samples
    DATA/lang/<xx>/                           a language pack (`PackFolder`)
    DATA/universal/keys.npy, tokens.txt       the universal tokens: vectors (M, Q), and names
    DATA/bin/<split>.<xx>-en.<side>.bin, .idx binarised text, as fairseq names it
    DATA/work/                                what only preparation needs

No other file of data_prep and meta_nmt spells one of these paths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError
from data_prep.base.files import read_json


@dataclass(frozen=True)
class PackFolder:
    """A language pack: a SentencePiece model, its pieces as a fairseq dictionary, their vectors (V, Q) and a card.

    The folder's name is the language's code.
    """

    path: Path

    @property
    def lang(self) -> str:
        """The language's code."""
        return self.path.name

    @property
    def model(self) -> Path:
        """The SentencePiece model."""
        return self.path / "spm.model"

    @property
    def dictionary(self) -> Path:
        """`piece count` lines, as fairseq reads them."""
        return self.path / "dict.txt"

    @property
    def vectors(self) -> Path:
        """(V, Q) float32 vectors in the English space, a row for each index of the dictionary."""
        return self.path / "vectors.npy"

    @property
    def card(self) -> Path:
        """What the pack was made from, and how well it is aligned."""
        return self.path / "card.json"

    def record(self, stage: str) -> Path:
        """The record of a stage that made something of this pack."""
        return self.path / f"{stage}.stage.json"

    @property
    def segmentation(self) -> tuple[Path, Path]:
        """What cuts text into indices: the model and the dictionary."""
        return self.model, self.dictionary


class DataFolder:
    """A data folder by its path; nothing is read but what is asked for, and nothing is written.

    Args:
        path: of the folder.
        english: code of the language translated into; from the folder's record if not given.
    """

    def __init__(self, path: str | Path, english: str | None = None) -> None:
        self.path = Path(path)
        self._english = english

    def __str__(self) -> str:
        return str(self.path)

    @property
    def record(self) -> Path:
        """data.json."""
        return self.path / "data.json"

    def read_record(self) -> dict[str, Any]:
        """The content of data.json; InputError where that is missing or no record."""
        if not self.record.is_file():
            raise InputError(
                f"{self.path}: must be a folder made by meta-nmt-preprocess, but has no {self.record.name}"
            )
        content = read_json(self.record)
        if not isinstance(content, dict) or not isinstance(content.get("target_lang"), str):
            raise InputError(f"{self.record}: must be the record that meta-nmt-preprocess writes, but is not")
        return content

    @cached_property
    def english(self) -> str:
        """The language translated into."""
        return str(self.read_record()["target_lang"]) if self._english is None else self._english

    def pair(self, lang: str) -> str:
        """ro-en."""
        return f"{lang}-{self.english}"

    # language packs and the universal space

    def pack(self, lang: str) -> PackFolder:
        """The language pack of a language, English included; it may not be there."""
        return PackFolder(self.path / "lang" / lang)

    @property
    def packs(self) -> list[str]:
        """Codes of the languages that have a pack, sorted."""
        return sorted(folder.name for folder in (self.path / "lang").glob("*") if folder.is_dir())

    @property
    def universal_keys(self) -> Path:
        """(M, Q) vectors of the universal tokens."""
        return self.path / "universal" / "keys.npy"

    @property
    def universal_tokens(self) -> Path:
        """Names of the universal tokens, a line each."""
        return self.path / "universal" / "tokens.txt"

    # text

    def texts(self, lang: str) -> Path:
        """The folder of a language's clean parallel text."""
        return self.path / "text" / self.pair(lang)

    def text(self, lang: str, split: str) -> tuple[Path, Path]:
        """The two sides of a split: the language's own, and English."""
        return text_sides(self.texts(lang), lang, self.english, split)

    def cleaning(self, lang: str) -> Path:
        """What became of every line read, by split and by reason."""
        return self.texts(lang) / CLEANING

    def samples(self, lang: str) -> Path:
        """Rows of the low-resource samples of a target language."""
        return self.texts(lang) / SAMPLES

    # binarised data

    @property
    def binaries(self) -> Path:
        """The folder of the binarised data of all languages."""
        return self.path / "bin"

    def binary(self, lang: str, split: str) -> Path:
        """What the four files of a split have in common: DATA/bin/train.ro-en."""
        return self.binaries / f"{split}.{self.pair(lang)}"

    def binary_sides(self, lang: str, split: str) -> tuple[Path, Path]:
        """The same for each side, without .bin and .idx: train.ro-en.ro and train.ro-en.en."""
        stem = self.binary(lang, split)
        return stem.with_name(f"{stem.name}.{lang}"), stem.with_name(f"{stem.name}.{self.english}")

    def binary_files(self, lang: str, split: str) -> list[Path]:
        """The four files of a split."""
        sides = self.binary_sides(lang, split)
        return [side.with_name(f"{side.name}.{suffix}") for side in sides for suffix in ("bin", "idx")]

    def binary_record(self, lang: str) -> Path:
        """The record of the stage that binarised a language's text."""
        return self.binaries / f"{self.pair(lang)}.stage.json"

    # what only preparation needs

    @property
    def held_out(self) -> Path:
        """Match keys of all dev and test English, one a line."""
        return self.path / "work" / f"held-out.{self.english}"

    def mono(self, lang: str) -> tuple[Path, Path]:
        """Clean monolingual text: of the domain (a side of the training text), and extra."""
        folder = self.path / "work" / "mono"
        return folder / f"{lang}.domain.txt", folder / f"{lang}.extra.txt"

    def mono_counts(self, lang: str) -> Path:
        """What became of the lines of the monolingual text."""
        return self.path / "work" / "mono" / f"{lang}.counts.json"

    def mono_record(self, lang: str) -> Path:
        """The record of the stage that cleaned the monolingual text."""
        return self.path / "work" / "mono" / f"{lang}.stage.json"

    def raw_vectors(self, lang: str) -> Path:
        """Monolingual vectors, not yet aligned."""
        return self.path / "work" / "vectors" / f"{lang}.npy"

    def raw_vectors_record(self, lang: str) -> Path:
        """The record of the stage that made them."""
        return self.path / "work" / "vectors" / f"{lang}.stage.json"

    def audit(self, lang: str) -> Path:
        """What the leakage audit of a language found."""
        return self.path / "work" / "audit" / f"{lang}.json"


CLEANING, CLEANING_TABLE, SAMPLES = "cleaning.json", "cleaning.txt", "samples.json"


def text_sides(folder: Path, lang: str, english: str, split: str) -> tuple[Path, Path]:
    """The two text files of a split in the folder of a language's text."""
    return folder / f"{split}.{lang}", folder / f"{split}.{english}"


def training_files(folder: Path, side: str) -> Sequence[Path]:
    """All training text of a side, samples included."""
    return sorted(folder.glob(f"train*.{side}"))
