"""A translator's model in CTranslate2, which needs neither torch nor fairseq."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ctranslate2

from data_prep.base.errors import InputError
from data_prep.base.workers import cores
from meta_nmt.translation.backend import Batch, Scored, longest_hypothesis

END = "</s>"


class CTranslate2Backend:
    """The backend that searches with CTranslate2: several batches at a time, one thread each.

    Args:
        model: a ``ctranslate2.Translator``.
        beam: beam width, in hypotheses.
    """

    batch_sentences = 32  # larger ones are no faster, and smaller ones keep every thread at work

    def __init__(self, model: Any, beam: int) -> None:
        self.model, self.beam = model, beam

    @classmethod
    def load(cls, folder: Path, beam: int, threads: int | None = None) -> CTranslate2Backend:
        """Load a model from its folder, onto the GPU where there is one; InputError where it is no such model."""
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        try:
            model = ctranslate2.Translator(
                str(folder), device=device, inter_threads=threads or default_threads(), intra_threads=1,
                max_queued_batches=-1,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{folder}: must be a CTranslate2 model: {error}") from None
        return cls(model, beam)

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        """For each batch in order, the ``nbest`` best hypotheses of each of its sentences, best first."""
        pending = [
            self.model.translate_batch(
                [list(pieces) for pieces in batch], beam_size=self.beam, num_hypotheses=self.beam, return_scores=True,
                return_end_token=True, max_decoding_length=longest_hypothesis(batch) + 1, max_input_length=0,
                asynchronous=True,
            )
            for batch in batches
        ]  # fmt: skip
        for futures in pending:
            try:
                yield [self._best(future.result(), nbest) for future in futures]
            except RuntimeError as error:  # it reads some of a model's settings no sooner than it translates
                raise InputError(f"the CTranslate2 model cannot translate: {error}") from None

    @staticmethod
    def _best(translation: Any, nbest: int) -> list[Scored]:
        """The ``nbest`` best hypotheses: those that ended by themselves, then those that were cut for their length.

        In the score of the latter CTranslate2 does not count the end symbol, as fairseq does.
        """
        ended: list[Scored] = []
        cut: list[Scored] = []
        for pieces, score in zip(translation.hypotheses, translation.scores, strict=True):
            if pieces[-1:] == [END]:
                ended.append(Scored(pieces[:-1], score))
            else:
                cut.append(Scored(pieces[:-1], score))  # without the last piece, which is one more than is allowed
        return (ended + cut)[:nbest]


def default_threads() -> int:
    """OMP_NUM_THREADS, or else the processor's cores."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() and int(threads) > 0 else cores()
