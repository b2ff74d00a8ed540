"""Reading checkpoints, those of our models and any of fairseq's, with a one-line error for any other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq.models import ARCH_MODEL_REGISTRY
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.runs import checkpoint_contents


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint of one of our models; InputError where it is of another, or cannot be read."""
    state = read_fairseq_checkpoint(path)
    model = state["cfg"]["model"]
    if not model.arch.startswith("ulr_transformer"):
        raise InputError(f"{path}: must be a ulr_transformer checkpoint, but is {model.arch!r}")
    for name in ("keys", "residual", "values"):
        table = state["model"].get(f"encoder.embed_tokens.{name}")
        if table is None or table.dim() != 2:
            raise InputError(
                f"{path}: must be a ulr_transformer checkpoint, but has no matrix encoder.embed_tokens.{name}"
            )
    _check_numbers(path, state)
    return state


def _check_numbers(path: str | Path, state: dict[str, Any]) -> None:
    """InputError where what a run has counted is no number."""
    extra = state.get("extra_state", {})
    entries = [extra, *extra.values()] if isinstance(extra, dict) else []
    for entry in (entry for entry in entries if isinstance(entry, dict)):
        for name in ("best", "previous_training_time", "train_tokens"):
            value = entry.get(name, 0)
            if isinstance(value, Tensor) and value.numel() == 1:  # the mean time of several workers is one
                value = value.item()
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e30 < value < 1e30:
                raise InputError(f"{path}: must be a fairseq checkpoint: its {name} must be a number, but is not")
    if not isinstance(extra, dict):
        raise InputError(f"{path}: must be a fairseq checkpoint: its extra_state must be a dictionary, but is not")


def read_fairseq_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a fairseq checkpoint of a `transformer` or of one of our models.

    Raises:
        InputError: the file is missing, truncated, no checkpoint, or holds what `checkpoint_contents` does not take.
    """
    try:
        return checkpoint_contents.load_for_fairseq(path)
    except InputError:
        raise
    except Exception as error:  # fairseq upgrades old checkpoints without a look at what is there
        raise InputError(f"{path}: must be a whole fairseq checkpoint, but lacks {error}") from None


def check_architecture(path: str | Path, state: dict[str, Any]) -> None:
    """InputError where the architecture of a checkpoint's model is not known, so that no model can be built."""
    if state["cfg"]["model"].arch not in ARCH_MODEL_REGISTRY:
        arch = state["cfg"]["model"].arch
        raise InputError(f"{path}: its architecture {arch!r} must be known, but is not: `--user-dir` names its file")


def trained_tokens(checkpoint: dict[str, Any]) -> int:
    """Source and target tokens that the run of a checkpoint took gradients on, as its task counted them."""
    extra = checkpoint.get("extra_state", {})
    return sum(
        int(entry["train_tokens"]) for entry in extra.values() if isinstance(entry, dict) and "train_tokens" in entry
    )
