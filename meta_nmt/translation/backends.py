"""What runs a translation model: fairseq's beam search in torch, or CTranslate2. Pieces in, pieces and scores out.

Both search alike: fairseq's beam search with hypotheses of at most ``1.5 S + 10`` pieces, S being the longest source
of the batch with its end symbol, and scores divided by the length. (Neither may write nothing: CTranslate2 takes the
end symbol out before the softmax and fairseq after it, which only shows where a model wants to write nothing.)
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from fairseq import checkpoint_utils, utils
from fairseq.data import Dictionary
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from data_prep.base.errors import InputError
from data_prep.base.workers import cores
from meta_nmt.data.language_pack import load_dictionary
from meta_nmt.modules.ulr_embedding import ULREmbedding
from meta_nmt.runs.checkpoints import read_checkpoint, read_fairseq_checkpoint
from meta_nmt.tasks.ulr_translation import ULRTranslationTask
from meta_nmt.tasks.ulr_translation_config import ULRTranslationConfig

MAX_LEN_A, MAX_LEN_B = 1.5, 10  # longest hypothesis: A times the source's length, and B pieces
END = "</s>"
LONGEST = 1023  # fairseq's sinusoidal positions end there
TORCH_MODEL, CTRANSLATE2_MODEL = "model.pt", "ctranslate2"  # in a translator folder
FOLDED_ROWS = 1024  # rows of a table that are computed at once: (rows, M) weights are in memory


Batch = Sequence[Sequence[str]]  # sentences as pieces, of similar length


class Scored(NamedTuple):
    """A hypothesis; score: mean log-probability of its pieces, the end symbol included."""

    pieces: list[str]
    score: float


class Backend(Protocol):
    """A loaded model that searches with a fixed beam width, best in batches of up to ``batch_sentences``."""

    batch_sentences: int

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        """For each batch in order, the ``nbest`` best hypotheses of each of its sentences, best first."""
        ...


def longest_hypothesis(batch: Batch) -> int:
    """Most pieces of a hypothesis of this batch, the end symbol not counted."""
    return min(int(MAX_LEN_A * (max(map(len, batch)) + 1) + MAX_LEN_B), LONGEST)


def default_threads() -> int:
    """OMP_NUM_THREADS, or else the processor's cores."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else cores()


@torch.no_grad()
def folded_table(embedding: ULREmbedding) -> torch.Tensor:
    """(nspecial + V, D): what the embedding gives for every id of the dictionary of its language."""
    rows = torch.arange(embedding.queries.size(0), device=embedding.queries.device)
    return torch.cat([embedding.special, *(embedding.lexical(part) for part in rows.split(FOLDED_ROWS))])


def fold(model: Any) -> None:
    """Puts an ordinary embedding in place of a model's universal lexical representation: the same numbers, no ULR."""
    embedding = model.encoder.embed_tokens
    model.encoder.embed_tokens = torch.nn.Embedding.from_pretrained(
        folded_table(embedding), padding_idx=embedding.padding_idx
    )


def load_adapted(
    data: str | Path, paths: Sequence[str | Path], source_lang: str, target_lang: str
) -> tuple[ULRTranslationTask, list[Any]]:
    """The task and the models (several: an ensemble) of adapted checkpoints, their language in place; InputError."""
    for path in paths:
        read_checkpoint(path)  # a clear error for a damaged one
    config = ULRTranslationConfig(
        data=str(data), source_lang=source_lang, target_lang=target_lang, adapt_params="scratch"
    )
    task = ULRTranslationTask.setup_task(config)
    models, _ = checkpoint_utils.load_model_ensemble([str(path) for path in paths], task=task)
    if not all(isinstance(getattr(model.encoder, "embed_tokens", None), ULREmbedding) for model in models):
        raise InputError(f"{', '.join(map(str, paths))}: must be ulr_transformer checkpoints")
    return task, [model.eval() for model in models]


class TorchBackend:
    """fairseq's own beam search, on the GPU where there is one. ULR is folded: words are looked up, not computed."""

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
    def from_checkpoints(
        cls, data: str | Path, paths: Sequence[str | Path], source_lang: str, target_lang: str, beam: int
    ) -> TorchBackend:
        """Adapted checkpoints, of one language pack: several are an ensemble."""
        task, models = load_adapted(data, paths, source_lang, target_lang)
        for model in models:
            fold(model)
        return cls(task, models, beam)

    @classmethod
    def from_folder(cls, folder: Path, source_lang: str, target_lang: str, beam: int) -> TorchBackend:
        """The fairseq export of a translator folder."""
        read_fairseq_checkpoint(folder / TORCH_MODEL)
        dictionaries = [load_dictionary(folder / f"dict.{lang}.txt") for lang in (source_lang, target_lang)]
        config = TranslationConfig(data=str(folder), source_lang=source_lang, target_lang=target_lang)
        task = TranslationTask(config, *dictionaries)
        try:
            models, _ = checkpoint_utils.load_model_ensemble([str(folder / TORCH_MODEL)], task=task)
        except RuntimeError as error:  # other shapes
            raise InputError(f"{folder / TORCH_MODEL}: must fit the dictionaries beside it: {error}") from None
        return cls(task, models, beam)

    def _sample(self, batch: Batch) -> Any:
        dictionary: Dictionary = self.task.source_dictionary
        ids = [[*(dictionary.index(piece) for piece in pieces), dictionary.eos()] for pieces in batch]
        width = max(map(len, ids))  # padding on the left, as fairseq's translation task has it
        rows = [[dictionary.pad()] * (width - len(row)) + row for row in ids]
        sample = {
            "id": torch.arange(len(ids)),
            "net_input": {"src_tokens": torch.tensor(rows), "src_lengths": torch.tensor([len(row) for row in ids])},
        }
        return utils.move_to_cuda(sample) if self.cuda else sample

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        dictionary: Dictionary = self.task.target_dictionary
        for batch in batches:
            with torch.inference_mode():
                found = self.task.inference_step(self.generator, self.models, self._sample(batch))
            yield [
                [
                    Scored([dictionary[i] for i in one["tokens"].tolist()[:-1]], float(one["score"]))  # the last is eos
                    for one in hypotheses[:nbest]
                ]
                for hypotheses in found
            ]


class CTranslate2Backend:
    """CTranslate2: several batches at a time, one thread each."""

    batch_sentences = 32  # no slower than more, and there is one for every thread sooner

    def __init__(self, folder: Path, beam: int, threads: int | None = None) -> None:
        import ctranslate2

        self.beam = beam

        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        try:
            self.model = ctranslate2.Translator(
                str(folder / CTRANSLATE2_MODEL), device=device, inter_threads=threads or default_threads(),
                intra_threads=1, max_queued_batches=-1,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{folder / CTRANSLATE2_MODEL}: must be a CTranslate2 model: {error}") from None

    def translate(self, batches: Sequence[Batch], nbest: int) -> Iterator[list[list[Scored]]]:
        pending = [
            self.model.translate_batch(
                [list(pieces) for pieces in batch], beam_size=self.beam, num_hypotheses=self.beam, return_scores=True,
                return_end_token=True, max_decoding_length=longest_hypothesis(batch) + 1, max_input_length=0,
                asynchronous=True,
            )
            for batch in batches
        ]  # fmt: skip
        for results in pending:
            yield [self._best(result.result(), nbest) for result in results]

    @staticmethod
    def _best(result: Any, nbest: int) -> list[Scored]:
        """Hypotheses that ended by themselves before those that were cut off at the greatest length: CTranslate2 does
        not count the end symbol against these, as fairseq does."""
        ended: list[Scored] = []
        cut: list[Scored] = []
        for pieces, score in zip(result.hypotheses, result.scores, strict=True):
            if pieces[-1:] == [END]:
                ended.append(Scored(pieces[:-1], score))
            else:
                cut.append(Scored(pieces[:-1], score))  # one piece more than was allowed
        return (ended + cut)[:nbest]
