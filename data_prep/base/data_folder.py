"""The layout of a data folder: where every file lies that meta-nmt-preprocess and meta-nmt-add-language make.

    DATA/data.json                              the record of a finished folder
    DATA/text/<xx>-en/                          clean text of a language (`TextFolder`)
        <split>.<xx>, <split>.en                    a sentence a line, line-aligned
        cleaning.json, cleaning.txt                 what became of every line read
        samples.json                                rows of the low-resource samples
    DATA/lang/<xx>/                             a language pack (`PackFolder`)
        spm.model, dict.txt, vectors.npy, card.json
        vectors.<sample>.npy                        the same vectors, aligned with that sample too
        words.tsv                                   the word lists that they are aligned with
    DATA/universal/keys.npy, tokens.txt         the universal tokens (`UniversalFolder`)
    DATA/bin/<split>.<xx>-en.<side>.bin, .idx   binarised text, as fairseq names it
    DATA/work/                                  what preparation needs, and self-training:
        held-out.en.npy                             hashes of the match keys of all dev and test English
        mono/<xx>.domain.txt, .extra.txt, ...       clean monolingual text (`MonoFiles`)
        vectors/<xx>.npy                            monolingual vectors, not yet aligned
        audit/<xx>.json                             what the leakage audit found

Beside the outputs of a stage lies its record, ``*.stage.json`` (data_prep/base/stage_records.py). No other file of
data_prep and meta_nmt spells one of these paths: tests/unit/test_layout.py.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError, fault_of
from data_prep.base.files import read_json
from data_prep.base.languages import check_language

STAGE_RECORD = ".stage.json"  # ends the names of records of stages
SAMPLES = "samples.json"
TABLE = ".npy"  # ends the names of tables of vectors


@dataclass(frozen=True)
class PackFolder:
    """A language pack: a SentencePiece model, its pieces as a fairseq dictionary, their vectors and a card.

    The folder's name is the language's code.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

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
        """The fairseq dictionary of the pieces: lines ``piece count``."""
        return self.path / "dict.txt"

    @property
    def segmentation(self) -> tuple[Path, Path]:
        """What cuts text into indices: the model and the dictionary."""
        return self.model, self.dictionary

    @property
    def vectors(self) -> Path:
        """(V, Q) float32 vectors in the English space, a row for each index of the dictionary."""
        return self.path / "vectors.npy"

    def vectors_with(self, sample: str) -> Path:
        """The vectors of a target language as they are aligned with the pairs of one of its samples, too.

        A ``sample`` that ends in .npy is the path of such vectors, outside the pack (self-training makes them).
        """
        return Path(sample) if sample.endswith(TABLE) else self.path / f"vectors.{sample}{TABLE}"

    @property
    def aligned_samples(self) -> list[str]:
        """The samples that the pack has vectors of its own for, sorted."""
        return sorted(path.name.split(".")[1] for path in self.path.glob(self.vectors_with("*").name))

    @property
    def card(self) -> Path:
        """What the pack was made from, and how well it is aligned."""
        return self.path / "card.json"

    @property
    def words(self) -> Path:
        """The word lists that the vectors are aligned with, as lines ``word<TAB>English``; absent without lists."""
        return self.path / "words.tsv"

    def record(self, stage: str) -> Path:
        """The record of a stage that made something of this pack."""
        return self.path / f"{stage}{STAGE_RECORD}"


@dataclass(frozen=True)
class UniversalFolder:
    """The folder of the universal tokens: their vectors and their names."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def keys(self) -> Path:
        """(M, Q) float32 vectors of the universal tokens."""
        return self.path / "keys.npy"

    @property
    def tokens(self) -> Path:
        """Names of the M universal tokens, a line each, in the order of the keys."""
        return self.path / "tokens.txt"

    @property
    def files(self) -> tuple[Path, Path]:
        """The files ``keys`` and ``tokens``."""
        return self.keys, self.tokens


@dataclass(frozen=True)
class TextFolder:
    """The folder of a language's clean parallel text, two line-aligned files a split.

    ``lang`` is the code of the source side, ``english`` that of the side translated into.
    """

    path: Path
    lang: str
    english: str

    def file(self, split: str, side: str) -> Path:
        """The file of one side (a language code) of a split or of a low-resource sample."""
        return self.path / f"{split}.{side}"

    def sides(self, split: str) -> tuple[Path, Path]:
        """The two files of a split: the source side, then English."""
        return self.file(split, self.lang), self.file(split, self.english)

    def training(self, side: str) -> list[Path]:
        """All files of a side's training text that exist, samples included, sorted."""
        return sorted(self.path.glob(f"train*.{side}"))

    @property
    def cleaning(self) -> Path:
        """What became of every line read, by split and by reason."""
        return self.path / "cleaning.json"

    @property
    def cleaning_table(self) -> Path:
        """The counts of ``cleaning`` as a table for people."""
        return self.path / "cleaning.txt"

    @property
    def samples(self) -> Path:
        """Rows of the low-resource samples of a target language."""
        return self.path / SAMPLES

    @property
    def record(self) -> Path:
        """The record of the stage that cleaned the text."""
        return self.path / f"text{STAGE_RECORD}"


@dataclass(frozen=True)
class MonoFiles:
    """The files of a language's clean monolingual text."""

    folder: Path
    lang: str

    @property
    def domain(self) -> Path:
        """Text of the domain: the language's side of the parallel training text."""
        return self.folder / f"{self.lang}.domain.txt"

    @property
    def extra(self) -> Path:
        """All other monolingual text; the file may be empty."""
        return self.folder / f"{self.lang}.extra.txt"

    @property
    def texts(self) -> tuple[Path, Path]:
        """The files ``domain`` and ``extra``."""
        return self.domain, self.extra

    @property
    def counts(self) -> Path:
        """The file that says what became of every line read."""
        return self.folder / f"{self.lang}.counts.json"

    @property
    def record(self) -> Path:
        """The record of the stage that cleaned the text."""
        return self.folder / f"{self.lang}{STAGE_RECORD}"


def sides_of(stem: Path, lang: str, english: str) -> tuple[Path, Path]:
    """The path prefixes of both sides of a binarised set, whose files' names begin with ``stem``."""
    return stem.with_name(f"{stem.name}.{lang}"), stem.with_name(f"{stem.name}.{english}")


def files_of(stem: Path, lang: str, english: str) -> list[Path]:
    """The four files of a binarised set: .bin and .idx of both sides."""
    return [
        side.with_name(f"{side.name}.{suffix}") for side in sides_of(stem, lang, english) for suffix in ("bin", "idx")
    ]


class DataFolder:
    """A data folder: the paths inside it. Nothing is written, and nothing is read unless it is asked for.

    Args:
        path: the data folder.
        english: code of the language translated into; if not given, it is read from the folder's record when needed.
    """

    def __init__(self, path: str | Path, english: str | None = None) -> None:
        self.path = Path(path)
        self._english = english

    def __str__(self) -> str:
        return str(self.path)

    @property
    def record(self) -> Path:
        """The record of the whole folder: what it was made from and holds. It is written when all is made."""
        return self.path / "data.json"

    def read_record(self) -> dict[str, Any]:
        """The content of the folder's record; InputError if it is missing or is no such record."""
        if not self.record.is_file():
            raise InputError(
                f"{self.path}: must be a folder made by meta-nmt-preprocess, but "
                + fault_of(self.path, f"has no {self.record.name}")
            )
        content = read_json(self.record)
        if not isinstance(content, dict) or not isinstance(content.get("target_lang"), str):
            raise InputError(
                f"{self.record}: must be the record that meta-nmt-preprocess writes, but has no `target_lang`"
            )
        languages = content.get("languages")
        if not isinstance(languages, dict) or not all(isinstance(entry, dict) for entry in languages.values()):
            raise InputError(f"{self.record}: must have an entry for each language in `languages`, but has not")
        for code in (content["target_lang"], *languages):  # they become names of folders
            try:
                check_language(code)
            except InputError as error:
                raise InputError(f"{self.record}: {error}") from None
        return content

    @cached_property
    def english(self) -> str:
        """The code of the language translated into."""
        return str(self.read_record()["target_lang"]) if self._english is None else self._english

    @property
    def stage_records(self) -> list[Path]:
        """The records of all stages, finished or not, sorted."""
        return sorted(self.path.rglob(f"*{STAGE_RECORD}"))

    def pack(self, lang: str) -> PackFolder:
        """The folder of a language's pack, English included; it need not exist."""
        return PackFolder(self.path / "lang" / lang)

    @property
    def pack_codes(self) -> list[str]:
        """Codes of the languages that have a pack, sorted."""
        return sorted(folder.name for folder in (self.path / "lang").glob("*") if folder.is_dir())

    @property
    def universal(self) -> UniversalFolder:
        """The universal tokens."""
        return UniversalFolder(self.path / "universal")

    def text(self, lang: str) -> TextFolder:
        """The clean parallel text of a language."""
        return TextFolder(self.path / "text" / f"{lang}-{self.english}", lang, self.english)

    @property
    def binaries(self) -> Path:
        """The folder of the binarised data of all languages."""
        return self.path / "bin"

    def binaries_of(self, lang: str) -> list[Path]:
        """All binarised files of a language that exist, sorted."""
        return sorted(self.binaries.glob(f"*.{lang}-{self.english}.*"))

    def binary(self, lang: str, split: str) -> Path:
        """The path that the names of a split's four files begin with: DATA/bin/train.ro-en."""
        return self.binaries / f"{split}.{lang}-{self.english}"

    def binary_sides(self, lang: str, split: str) -> tuple[Path, Path]:
        """The two path prefixes of a split, one a side, without .bin and .idx: train.ro-en.ro and train.ro-en.en."""
        return sides_of(self.binary(lang, split), lang, self.english)

    def binary_files(self, lang: str, split: str) -> list[Path]:
        """The four binarised files of a split: .bin and .idx of both sides."""
        return files_of(self.binary(lang, split), lang, self.english)

    def binary_record(self, lang: str) -> Path:
        """The record of the stage that binarised a language's text."""
        return self.binaries / f"{lang}-{self.english}{STAGE_RECORD}"

    @property
    def held_out(self) -> Path:
        """(n,) uint64 sorted hashes of the match keys of all dev and test English."""
        return self.path / "work" / f"held-out.{self.english}.npy"

    @property
    def held_out_keys(self) -> Path:
        """The keys themselves, one a line, as an earlier version wrote them in place of their hashes."""
        return self.held_out.with_suffix("")

    def mono(self, lang: str) -> MonoFiles:
        """The clean monolingual text of a language, English included."""
        return MonoFiles(self.path / "work" / "mono", lang)

    def raw_vectors(self, lang: str) -> Path:
        """(V, Q) monolingual vectors of a language's pieces, not yet aligned."""
        return self.path / "work" / "vectors" / f"{lang}.npy"

    def raw_vectors_record(self, lang: str) -> Path:
        """The record of the stage that made the monolingual vectors."""
        return self.raw_vectors(lang).with_suffix(STAGE_RECORD)

    def audit(self, lang: str) -> Path:
        """What the leakage audit of a language found, English included."""
        return self.path / "work" / "audit" / f"{lang}.json"

    def audit_record(self, lang: str) -> Path:
        """The record of the stage that audited a language."""
        return self.audit(lang).with_suffix(STAGE_RECORD)


LAYOUT = DataFolder("")  # paths as they are inside any data folder, for messages
