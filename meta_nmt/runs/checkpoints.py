"""Reading checkpoints, those of our models and any of fairseq's, with a one-line error for any other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meta_nmt import compat  # noqa: F401  it mends fairseq, before that is loaded

# isort: split
from fairseq import checkpoint_utils
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.runs.checkpoint_files import why_unreadable


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint of one of our models; InputError where it is of another, or cannot be read."""
    state = read_fairseq_checkpoint(path)
    model = state["cfg"]["model"]
    if not hasattr(model, "ulr_temperature"):
        raise InputError(f"{path}: must be a ulr_transformer checkpoint, but is {getattr(model, 'arch', '')!r}")
    return state


def read_fairseq_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a fairseq checkpoint of any model.

    Raises:
        InputError: the file is missing, truncated, no checkpoint, or holds more than tensors and plain values.
    """
    try:
        state = dict(checkpoint_utils.load_checkpoint_to_cpu(str(path)))
    except Exception as error:  # torch raises many types for a damaged file; all mean the same to the user
        reason = why_unreadable(error)
        raise InputError(f"{path}: must be a whole fairseq checkpoint, but cannot be loaded: {reason}") from None
    model, cfg = state.get("model"), state.get("cfg")
    if not isinstance(model, dict) or not all(isinstance(value, Tensor) for value in model.values()) or not model:
        raise InputError(f"{path}: must be a fairseq checkpoint, but holds no model")
    if cfg is None or not all(cfg.get(part) for part in ("model", "task")):
        raise InputError(f"{path}: must be a fairseq checkpoint with the configuration of its model, but has none")
    return state


def trained_tokens(checkpoint: dict[str, Any]) -> int:
    """Source and target tokens that the run of a checkpoint took gradients on, as its task counted them."""
    extra = checkpoint.get("extra_state", {})
    return sum(
        int(entry["train_tokens"]) for entry in extra.values() if isinstance(entry, dict) and "train_tokens" in entry
    )
