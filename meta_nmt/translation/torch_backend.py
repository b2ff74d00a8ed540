"""A translator's model in torch, with fairseq's own beam search."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from meta_nmt import plugin  # noqa: F401  plugs into fairseq, before it is loaded

# isort: split
import torch
from fairseq import checkpoint_utils, utils
from fairseq.data import Dictionary
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from data_prep.base.errors import InputError
from meta_nmt.data.language_pack import load_dictionary
from meta_nmt.models.checkpoints import read_fairseq_checkpoint
from meta_nmt.tasks.adapted import load_adapted
from meta_nmt.translation.backend import MAX_LEN_A, MAX_LEN_B, Batch, Scored
from meta_nmt.translation.fold import fold
from meta_nmt.translation.translator_folder import TranslatorFolder


class TorchBackend:
    """The backend that searches with fairseq's beam search, on the GPU where there is one.

    Args:
        task: a translation task with the dictionaries of both languages.
        models: models of that task; several are an ensemble.
        beam: beam width, in hypotheses.
    """

    batch_sentences = 128

    def __init__(self, task: TranslationTask, models: Sequence[Any], beam: int) -> None:
        self.task = task
        self.cuda = torch.cuda.is_available()
        self.models = [model.cuda().eval() if self.cuda else model.eval() for model in models]
        options = Namespace(beam=beam, max_len_a=MAX_LEN_A, max_len_b=MAX_LEN_B, print_alignment=None)
        for model in self.models:
            model.prepare_for_inference_(Namespace(generation=options))  # for this beam width, and no other
        self.generator = task.build_generator(self.models, options)

    @classmethod
    def load(cls, folder: TranslatorFolder, source_lang: str, target_lang: str, beam: int) -> TorchBackend:
        """Load the fairseq model of a translator folder; InputError where it is damaged."""
        arch = read_fairseq_checkpoint(folder.torch_model)["cfg"]["model"].arch
        if arch != "transformer":
            raise InputError(f"{folder.torch_model}: must be a checkpoint of a transformer, but is of {arch!r}")
        dictionaries = [load_dictionary(folder.dictionary(lang)) for lang in (source_lang, target_lang)]
        config = TranslationConfig(data=str(folder), source_lang=source_lang, target_lang=target_lang)
        task = TranslationTask(config, *dictionaries)
        try:
            models, _ = checkpoint_utils.load_model_ensemble([str(folder.torch_model)], task=task)
        except RuntimeError as error:  # the shapes differ
            raise InputError(f"{folder.torch_model}: must fit the dictionaries beside it: {error}") from None
        return cls(task, models, beam)

    @classmethod
    def load_checkpoints(
        cls, data: str | Path, paths: Sequence[str | Path], source_lang: str, target_lang: str, beam: int
    ) -> TorchBackend:
        """Load adapted checkpoints of one language pack; several are an ensemble.

        ULR is folded, so embeddings are looked up and not computed.
        """
        task, models = load_adapted(data, paths, source_lang, target_lang)
        for model in models:
            fold(model)
        return cls(task, models, beam)

    def _sample(self, batch: Batch) -> Any:
        dictionary: Dictionary = self.task.source_dictionary
        ids = [[*(dictionary.index(piece) for piece in pieces), dictionary.eos()] for pieces in batch]
        width = max(map(len, ids))  # padding is on the left, as in fairseq's translation task
        rows = [[dictionary.pad()] * (width - len(row)) + row for row in ids]
        sample = {
            "id": torch.arange(len(ids)),
            "net_input": {"src_tokens": torch.tensor(rows), "src_lengths": torch.tensor([len(row) for row in ids])},
        }
        return utils.move_to_cuda(sample) if self.cuda else sample

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        """For each batch in order, the ``nbest`` best hypotheses of each of its sentences, best first."""
        dictionary: Dictionary = self.task.target_dictionary
        for batch in batches:
            with torch.inference_mode():
                searched = self.task.inference_step(self.generator, self.models, self._sample(batch))
            yield [
                [
                    # the last token is the end symbol
                    Scored([dictionary[i] for i in entry["tokens"].tolist()[:-1]], float(entry["score"]))
                    for entry in hypotheses[:nbest]
                ]
                for hypotheses in searched
            ]
