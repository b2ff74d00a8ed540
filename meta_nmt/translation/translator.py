"""Translation of text to text: lines into pieces, pieces through a model, the best hypotheses back into lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from data_prep.base.errors import InputError
from data_prep.cleaning.clean_form import normalise
from meta_nmt.translation.backend import Backend, Scored
from meta_nmt.translation.translator_folder import Neighbours

BEAM = 5
MAX_BEAM = 100  # hypotheses: time and memory grow with the beam, and wider beams translate no better
MAX_PIECES = 500
BATCH_PIECES = 4000  # source pieces of a batch, padding included: fairseq-generate's --max-tokens in meta-nmt-generate
UNSEEN_SHARE = 0.5  # with more single bytes or unknown pieces, a line's script is not the model's


@dataclass(frozen=True)
class Hypothesis:
    """A possible translation of a line.

    text: plain text, one line.
    score: the mean log-probability of its pieces, the end symbol included; 0 is certain.
    """

    text: str
    score: float
    pieces: list[str]


@dataclass(frozen=True)
class Translation:
    """A line and its translation.

    pieces: the pieces that the model read.
    hypotheses: best first; none for a line without a word.
    warnings: what is wrong with the line, a phrase each.
    """

    source: str
    pieces: list[str]
    hypotheses: list[Hypothesis]
    warnings: list[str]

    @property
    def text(self) -> str:
        """The best hypothesis; empty for a line without a word."""
        return self.hypotheses[0].text if self.hypotheses else ""


@dataclass(frozen=True)
class Translator:
    """A translator of lines of the source language into lines of the target language.

    Args:
        backend: the model, which searches with a beam of ``beam`` hypotheses.
        encoder: SentencePiece model that cuts the source language into pieces.
        decoder: SentencePiece model that puts pieces of the target language together.
        source_lang, target_lang: codes of the languages.
        beam: the backend's beam width, in hypotheses.
        max_pieces: longer lines are cut to so many pieces, with a warning.
        neighbours: source piece -> its nearest universal tokens with their weights; {} where they are not known.

    A translator serves one caller at a time. `meta_nmt.translation.loaders` loads one from a folder or checkpoints.
    """

    backend: Backend
    encoder: Any
    decoder: Any
    source_lang: str
    target_lang: str
    beam: int = BEAM
    max_pieces: int = MAX_PIECES
    neighbours: Neighbours = field(default_factory=dict)

    def translate(self, lines: Iterable[str]) -> list[str]:
        """The best translation of each line, in order; a line without a word stays an empty line.

        A bare ``str`` is one text and is cut into its lines.
        """
        return [translation.text for translation in self.results(lines)]

    def results(self, lines: Iterable[str], nbest: int = 1) -> list[Translation]:
        """Translations of lines, in order, each with the ``nbest`` best hypotheses, from 1 to the beam width.

        A bare ``str`` is one text and is cut into its lines. Lines are batched by length, so many lines at a time are
        much faster than one by one.
        """
        lines = lines.splitlines() if isinstance(lines, str) else list(lines)
        if not 1 <= nbest <= self.beam:
            raise InputError(f"nbest must be between 1 and the beam width {self.beam}, but is {nbest}")
        read = [self._read(line) for line in lines]
        order = sorted((i for i, (pieces, _) in enumerate(read) if pieces), key=lambda i: (len(read[i][0]), i))
        groups = list(batches_by_length(order, [len(pieces) for pieces, _ in read], self.backend.batch_sentences))
        best: dict[int, list[Scored]] = {}
        translated = self.backend.translate([[read[i][0] for i in group] for group in groups], nbest)
        for group, hypotheses in zip(groups, translated, strict=True):
            best.update(zip(group, hypotheses, strict=True))
        return [
            Translation(line, pieces, [self._written(scored) for scored in best.get(i, [])], warnings)
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


def check_limits(beam: int, max_pieces: int) -> None:
    """InputError unless both limits are positive, and the beam is at most MAX_BEAM wide."""
    for name, value, most in (("beam", beam, MAX_BEAM), ("max_pieces", max_pieces, math.inf)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, but is {value}")
        if value > most:
            raise InputError(f"{name} must be at most {most}, but is {value}")


def batches_by_length(order: Sequence[int], lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Batches of neighbours in ``order``, which are indices by rising length.

    A batch has at most ``most`` sentences, and at most BATCH_PIECES pieces with padding.
    """
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) == most or (len(batch) + 1) * (lengths[i] + 1) > BATCH_PIECES):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
