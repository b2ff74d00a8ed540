"""From text to text, in five lines:

    from meta_nmt import Translator

    translator = Translator("models/qu-en")
    for line in translator.translate(["Wasiyman rini.", "Paqarin hamuy."]):
        print(line)

A *translator folder*, as meta-nmt-adapt and meta-nmt-export write it, is enough to translate:

    translator.json             languages, what it was made from
    source.spm, target.spm      SentencePiece models
    dict.<xx>.txt, dict.en.txt  fairseq dictionaries
    model.pt                    fairseq `transformer` checkpoint (for torch and for plain fairseq), and/or
    ctranslate2/                CTranslate2 model
    neighbours.json             the universal tokens that each source piece is made of
    MODEL_CARD.md               what it is, and how good
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_prep.base.errors import InputError
from data_prep.base.files import read_json
from data_prep.cleaning.clean_form import normalise
from data_prep.packs import subwords
from meta_nmt.data.language_pack import language_folder
from meta_nmt.translation.backends import (
    CTRANSLATE2_MODEL,
    TORCH_MODEL,
    Backend,
    CTranslate2Backend,
    Scored,
    TorchBackend,
)

FORMAT = 1
RECORD, SOURCE_MODEL, TARGET_MODEL, NEIGHBOURS = "translator.json", "source.spm", "target.spm", "neighbours.json"
MAX_PIECES = 500
BATCH_PIECES = 4000  # source pieces of a batch, padding included: fairseq-generate's --max-tokens in meta-nmt-generate
UNSEEN_SHARE = 0.5  # of a line's pieces that are single bytes or unknown: then its script is not the model's
Neighbours = dict[str, list[tuple[str, float]]]


@dataclass(frozen=True)
class Hypothesis:
    """text: plain, one line; score: mean log-probability of its pieces, the end symbol included (0 is certain)."""

    text: str
    score: float
    pieces: list[str]


@dataclass(frozen=True)
class Translation:
    """One line. pieces: those that the model read; hypotheses: best first, none for a line without a word; warnings:
    what is wrong with the line, a phrase each."""

    source: str
    pieces: list[str]
    hypotheses: list[Hypothesis]
    warnings: list[str]

    @property
    def text(self) -> str:
        """The best hypothesis; empty for a line without a word."""
        return self.hypotheses[0].text if self.hypotheses else ""


class Translator:
    """A translator folder, loaded.

    Args:
        folder: made by meta-nmt-adapt or meta-nmt-export.
        backend: "torch", "ctranslate2", or "auto": CTranslate2 where the folder has it.
        beam: beam width, in hypotheses.
        max_pieces: longer lines are cut to so many pieces, with a warning.
        threads: of CTranslate2; by default OMP_NUM_THREADS, or else all cores. (torch has its own setting.)

    Raises:
        InputError: the folder is no translator, or is damaged.

    An object serves one caller at a time.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        backend: Literal["auto", "torch", "ctranslate2"] = "auto",
        beam: int = 5,
        max_pieces: int = MAX_PIECES,
        threads: int | None = None,
    ) -> None:
        folder = Path(folder)
        record = read_record(folder)
        source_lang, target_lang = record["source_lang"], record["target_lang"]
        there = [name for name, path in BACKENDS.items() if (folder / path).exists()]
        if not there or (backend != "auto" and backend not in there):
            needed = "a model" if backend == "auto" else f"a model for {backend} ({BACKENDS[backend]})"
            raise InputError(f"{folder}: must have {needed}, but has {', '.join(there) or 'none'}")
        loaded: Backend
        if (there[0] if backend == "auto" else backend) == "ctranslate2":
            loaded = CTranslate2Backend(folder, checked_beam(beam), threads)
        else:
            loaded = TorchBackend.from_folder(folder, source_lang, target_lang, checked_beam(beam))
        self._set_up(
            loaded, (folder / SOURCE_MODEL, folder / TARGET_MODEL), (source_lang, target_lang), beam, max_pieces,
            read_neighbours(folder),
        )  # fmt: skip

    @classmethod
    def from_checkpoints(
        cls,
        data: str | Path,
        paths: Sequence[str | Path],
        source_lang: str,
        target_lang: str = "en",
        *,
        beam: int = 5,
        max_pieces: int = MAX_PIECES,
    ) -> Translator:
        """Adapted checkpoints (several are an ensemble) with the data folder that they were adapted on."""
        self = cls.__new__(cls)
        backend = TorchBackend.from_checkpoints(data, paths, source_lang, target_lang, checked_beam(beam))
        packs = language_folder(data, source_lang), language_folder(data, target_lang)
        models = packs[0].model, packs[1].model
        self._set_up(backend, models, (source_lang, target_lang), beam, max_pieces, {})
        return self

    def _set_up(
        self, backend: Backend, models: tuple[Path, Path], langs: tuple[str, str], beam: int, max_pieces: int,
        neighbours: Neighbours,
    ) -> None:  # fmt: skip
        if max_pieces < 1:
            raise InputError(f"max_pieces must be at least 1, but is {max_pieces}")
        self.backend = backend
        self.encoder, self.decoder = map(subwords.load, models)
        self.source_lang, self.target_lang = langs
        self.beam, self.max_pieces, self.neighbours = beam, max_pieces, neighbours

    def translate(self, lines: Iterable[str]) -> list[str]:
        """The best translation of each line, in order; a line without a word stays an empty line."""
        return [result.text for result in self.results(list(lines))]

    def results(self, lines: Sequence[str], nbest: int = 1) -> list[Translation]:
        """Each line with its ``nbest`` (1 to the beam width) best hypotheses, their scores and pieces, in order.

        Lines are batched by length, so many at a time are much faster than one by one.
        """
        if not 1 <= nbest <= self.beam:
            raise InputError(f"nbest must be between 1 and the beam width {self.beam}, but is {nbest}")
        read = [self._read(line) for line in lines]
        order = sorted((i for i, (pieces, _) in enumerate(read) if pieces), key=lambda i: (len(read[i][0]), i))
        groups = list(batches_by_length(order, [len(pieces) for pieces, _ in read], self.backend.batch_sentences))
        found: dict[int, list[Scored]] = {}
        translated = self.backend.translate([[read[i][0] for i in group] for group in groups], nbest)
        for group, hypotheses in zip(groups, translated, strict=True):
            found.update(zip(group, hypotheses, strict=True))
        return [
            Translation(line, pieces, [self._written(scored) for scored in found.get(i, [])], warnings)
            for i, (line, (pieces, warnings)) in enumerate(zip(lines, read, strict=True))
        ]

    def _read(self, line: str) -> tuple[list[str], list[str]]:
        """The pieces of a line, and what is wrong with it."""
        whole = line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON may hold half a character
        pieces = self.encoder.encode(normalise(whole), out_type=str)
        warnings = []
        if len(pieces) > self.max_pieces:
            warnings.append(f"cut from {len(pieces)} to {self.max_pieces} pieces")
            pieces = pieces[: self.max_pieces]
        ids = self.encoder.piece_to_id(pieces)
        unseen = sum(self.encoder.is_byte(i) or self.encoder.is_unknown(i) for i in ids)
        if unseen > UNSEEN_SHARE * len(pieces):
            warnings.append(
                f"{unseen} of {len(pieces)} pieces are in a script that the model has not learnt: "
                "the translation is a guess"
            )
        return pieces, warnings

    def _written(self, scored: Scored) -> Hypothesis:
        text = " ".join(self.decoder.decode_pieces(scored.pieces).split())  # one line, whatever the pieces hold
        return Hypothesis(text, scored.score, scored.pieces)


def checked_beam(beam: int) -> int:
    """The beam width; InputError unless positive."""
    if beam < 1:
        raise InputError(f"beam must be at least 1, but is {beam}")
    return beam


BACKENDS = {"ctranslate2": CTRANSLATE2_MODEL, "torch": TORCH_MODEL}  # the first that is there is taken


def batches_by_length(order: Sequence[int], lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Groups neighbours of ``order`` (indices by rising length) into batches of at most ``most`` sentences, and
    BATCH_PIECES pieces with padding."""
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) == most or (len(batch) + 1) * (lengths[i] + 1) > BATCH_PIECES):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def read_record(folder: Path) -> dict[str, Any]:
    """translator.json; InputError where the folder is no translator, or one of another format."""
    path = folder / RECORD
    if not path.is_file():
        raise InputError(f"{folder}: must be a translator folder (made by meta-nmt-adapt or meta-nmt-export), but has "
                         f"no {RECORD}")  # fmt: skip
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(f"{path}: must be of format {FORMAT}")
    for name in ("source_lang", "target_lang"):
        if not isinstance(record.get(name), str) or "/" in record[name]:
            raise InputError(f"{path}: {name!r} must be a language code, but is {record.get(name)!r}")
    return record


def read_neighbours(folder: Path) -> Neighbours:
    """Source piece -> its nearest universal tokens with their weights; {} where the folder does not say."""
    path = folder / NEIGHBOURS
    if not path.is_file():
        return {}
    try:
        found = read_json(path)
        return {piece: [(str(name), float(weight)) for name, weight in near] for piece, near in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: must give [token, weight] pairs for each piece: {error}") from None
