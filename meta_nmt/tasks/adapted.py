"""Adapted checkpoints, loaded to translate with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils

from data_prep.base.data_folder import TABLE
from data_prep.base.errors import InputError
from meta_nmt.models import ulr_transformer  # noqa: F401  fairseq must know the architecture
from meta_nmt.models.checkpoints import check_architecture, read_checkpoint
from meta_nmt.modules.ulr_embedding import ULREmbedding
from meta_nmt.tasks.ulr_translation import ULRTranslationTask
from meta_nmt.tasks.ulr_translation_config import ULRTranslationConfig


def sample_aligned_with(paths: Sequence[str | Path]) -> str | None:
    """The sample whose pairs the vectors were aligned with that checkpoints were adapted on; None for none.

    For vectors outside the language pack it is their path, where possible in the folder of the checkpoint: they move
    with it.

    Raises:
        InputError: a checkpoint cannot be read, is of an unknown architecture, or those of an ensemble differ in it.
    """
    states = {path: read_checkpoint(path) for path in paths}
    for path, state in states.items():
        check_architecture(path, state)
    samples = {_moved(getattr(state["cfg"]["task"], "aligned_with", None), path) for path, state in states.items()}
    if len(samples) > 1:
        raise InputError(
            f"{', '.join(map(str, paths))}: must be adapted with one alignment, but have {', '.join(map(str, samples))}"
        )
    return samples.pop()


def _moved(sample: str | None, checkpoint: str | Path) -> str | None:
    """``sample``; for the path of a table, the table of that name beside the checkpoint, wherever the run is now.

    It is in RUN/self, or in WORK/self of the checkpoint WORK/runs/<s>/checkpoint.pt.
    """
    if sample is None or not sample.endswith(TABLE):
        return sample
    run, name = Path(checkpoint).parent, Path(*Path(sample).parts[-2:])
    return next((str(place / name) for place in (run, run.parent.parent) if (place / name).exists()), sample)


def load_adapted(
    data: str | Path, paths: Sequence[str | Path], source_lang: str, target_lang: str
) -> tuple[ULRTranslationTask, list[Any]]:
    """The task and the models of adapted checkpoints, with their language; several models are an ensemble.

    Raises:
        InputError: a checkpoint cannot be read, or is no adapted checkpoint of this data folder.
    """
    config = ULRTranslationConfig(
        data=str(data),
        source_lang=source_lang,
        target_lang=target_lang,
        adapt_params="scratch",
        aligned_with=sample_aligned_with(paths),
    )
    task = ULRTranslationTask.setup_task(config)
    models, _ = checkpoint_utils.load_model_ensemble([str(path) for path in paths], task=task)
    if not all(isinstance(getattr(model.encoder, "embed_tokens", None), ULREmbedding) for model in models):
        raise InputError(f"{', '.join(map(str, paths))}: must be ulr_transformer checkpoints")
    return task, [model.eval() for model in models]
