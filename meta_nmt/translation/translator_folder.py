"""The layout of a translator folder, which meta-nmt-adapt and meta-nmt-export write. It is enough to translate.

    translator.json             languages, and what the translator was made from
    source.spm, target.spm      SentencePiece models
    dict.<xx>.txt, dict.en.txt  fairseq dictionaries
    model.pt                    fairseq `transformer` checkpoint (for torch and for plain fairseq), and/or
    ctranslate2/                CTranslate2 model
    neighbours.json             the universal tokens that each source piece is made of
    MODEL_CARD.md               what the model is, and how good it is
    unfinished.json             what will be translator.json, while the other files are put into place

No other file of meta_nmt spells one of these names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError, fault_of
from data_prep.base.files import check_given, read_json, sha256
from data_prep.base.languages import check_language
from meta_nmt.cards import model_card

FORMAT = 1
MOST_CARD, MOST_TABLE, MOST_WEIGHTS = 1 << 20, 1 << 28, 1 << 36  # bytes of a card, of a table, of weights
Neighbours = dict[str, list[tuple[str, float]]]


@dataclass(frozen=True)
class TranslatorFolder:
    """The paths in a translator folder, by the path of the folder, and the reading of its two JSON files."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def record(self) -> Path:
        """The file of the languages and of what the translator was made from; a folder that has this file is whole."""
        return self.path / "translator.json"

    @property
    def unfinished(self) -> Path:
        """The file of the record of a translator that is being put into place; a killed run leaves it."""
        return self.path / "unfinished.json"

    @property
    def source_pieces(self) -> Path:
        """The SentencePiece model that cuts the source language."""
        return self.path / "source.spm"

    @property
    def target_pieces(self) -> Path:
        """The SentencePiece model that the target language was cut by."""
        return self.path / "target.spm"

    def dictionary(self, lang: str) -> Path:
        """The dictionary of a language, lines `piece count`, under the name that plain fairseq looks for."""
        return self.path / f"dict.{lang}.txt"

    @property
    def torch_model(self) -> Path:
        """The checkpoint of fairseq's `transformer`."""
        return self.path / "model.pt"

    @property
    def ctranslate2_model(self) -> Path:
        """The folder of the CTranslate2 model."""
        return self.path / "ctranslate2"

    @property
    def neighbours(self) -> Path:
        """The file of each source piece's nearest universal tokens, with their weights."""
        return self.path / "neighbours.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / model_card.FILE_NAME

    @property
    def files(self) -> list[Path]:
        """All files and folders of a translator, whole or not, that are there, its record first."""
        paths = [
            self.record, self.card, self.source_pieces, self.target_pieces, *sorted(self.path.glob("dict.*.txt")),
            self.torch_model, self.ctranslate2_model, self.neighbours, self.unfinished,
        ]  # fmt: skip
        return [path for path in paths if path.exists()]

    def digests(self) -> dict[str, str]:
        """The sha256 of each file that is read to translate, by its name in the folder; the card may change."""
        given = [path for path in self.files if path not in (self.record, self.card, self.unfinished)]
        return {str(file.relative_to(self.path)): sha256(file) for path in given for file in _files_of(path)}

    def check_digests(self, record: dict[str, Any], *paths: Path) -> None:
        """Check files, and those of folders, that are about to be read; those of older versions have no digests.

        What is damaged can end the process inside of a library, or translate with weights that nobody trained.

        Raises:
            InputError: one is not as it was made, by the sha256 in the record.
        """
        digests = record.get("files", {})
        if not isinstance(digests, dict):
            raise InputError(f"{self.record}: must give the sha256 of each file in `files`, but does not")
        for file in (file for path in paths for file in _files_of(path)):
            made = digests.get(str(file.relative_to(self.path)))
            if made is not None and made != sha256(file):
                raise InputError(
                    f"{file}: must be as it was made, by its sha256 in {self.record.name}, but is damaged or changed: "
                    "copy or export the translator again"
                )

    def read_record(self) -> dict[str, Any]:
        """The content of translator.json.

        Raises:
            InputError: the folder is no translator, or one of another format, or a file of it is too large or a link
                out of it.
        """
        if self.unfinished.is_file() and not self.record.is_file():
            raise InputError(f"{self.path}: the translator is not finished; run the command that makes it again")
        if not self.record.is_file():
            raise InputError(
                f"{self.path}: must be a translator folder (made by meta-nmt-adapt or meta-nmt-export), but "
                + fault_of(self.path, f"has no {self.record.name}")
            )
        check_given(self.path, {self.record: MOST_CARD})
        content = read_json(self.record)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{self.record}: must be of format {FORMAT}")
        for name in ("source_lang", "target_lang"):
            try:
                check_language(str(content.get(name)))  # it becomes a part of a file's name
            except InputError as error:
                raise InputError(f"{self.record}: {name!r} must be a language code: {error}") from None
        check_given(self.path, self._most_bytes(content["source_lang"], content["target_lang"]))
        return content

    def _most_bytes(self, *languages: str) -> dict[Path, int]:
        """Every file that a translator reads, and the most bytes that it may have."""
        weights, folder = [self.torch_model], self.ctranslate2_model
        weights += [folder] if folder.is_symlink() else [path for path in folder.rglob("*") if not path.is_dir()]
        tables = [self.source_pieces, self.target_pieces, *map(self.dictionary, languages), self.neighbours]
        return {self.card: MOST_CARD, **dict.fromkeys(tables, MOST_TABLE), **dict.fromkeys(weights, MOST_WEIGHTS)}

    def read_card(self) -> str:
        """The model card; empty where there is none. InputError where it is no UTF-8 text."""
        if not self.card.is_file():
            return ""
        check_given(self.path, {self.card: MOST_CARD})
        try:
            return self.card.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.card}: must be UTF-8 text: {error.reason}") from None

    def read_neighbours(self) -> Neighbours:
        """The content of neighbours.json; {} where the folder does not have it."""
        if not self.neighbours.is_file():
            return {}
        try:
            content = read_json(self.neighbours)
            table = {piece: [(str(name), float(weight)) for name, weight in near] for piece, near in content.items()}
            if not all(math.isfinite(weight) for near in table.values() for _, weight in near):
                raise InputError(f"{self.neighbours}: must give finite weights, but has others")
            return table
        except InputError:
            raise
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{self.neighbours}: must give [token, weight] pairs for each piece: {error}") from None


def _files_of(path: Path) -> list[Path]:
    """The files in a folder, sorted; a file itself; nothing where there is neither."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path] * path.is_file()
