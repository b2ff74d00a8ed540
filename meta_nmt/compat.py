"""Everything we do to fairseq so that it runs well on today's Python and torch, and nowhere else.

1. torch >= 2.6 loads checkpoints with ``weights_only=True``: only tensors, plain containers and types on an
   allow-list. fairseq's checkpoints hold a few harmless types more, which are allowed here one by one; the
   protection stays on, so loading a stranger's checkpoint cannot run code.
2. Importing fairseq's tasks and models sets up the root logger (at level DEBUG) and talks about packages that
   have nothing to do with text; logging is put back as it was.
3. Warnings that fairseq's own calls of newer libraries cause at each start, and that a user can do nothing
   about, are filtered by their exact texts.
4. The best score so far is kept in attributes of two functions, so that a second run in one process would
   measure itself against the first: `forget_earlier_runs`.
"""

from __future__ import annotations

import logging
import warnings
from argparse import Namespace

import numpy as np
import torch

KNOWN_WARNINGS = (
    r"Support for mismatched key_padding_mask and attn_mask is deprecated",
    r"'pin_memory' argument is set as true but no accelerator is found",
    r"The PyTorch API of nested tensors is in prototype stage",
    r"`torch.cuda.amp.autocast\(args...\)` is deprecated",
    r"\s*hydra.experimental.* is no longer experimental",
    r"\s*The version_base parameter is not specified",
    r"\s*The strict flag in the compose API is deprecated",
    r"In 'config': Usage of deprecated keyword in package header",
    r"\s*'config' is validated against ConfigStore schema with the same name",
)


def apply() -> None:
    """Idempotent; called when the package is imported, before anything else imports fairseq."""
    for message in KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    _import_fairseq_quietly()
    torch.serialization.add_safe_globals(
        [
            Namespace,  # a model's configuration: attributes only
            # numpy numbers and arrays of numbers among the meters and in the early-stopping state
            np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
            np._core.multiarray.scalar,  # type: ignore[attr-defined]
            np.ndarray,
            np.dtype,
            *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")),
        ]
    )


def _import_fairseq_quietly() -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.disable(logging.INFO)
    try:
        import fairseq.models
        import fairseq.tasks  # noqa: F401
    finally:
        logging.disable(logging.NOTSET)
        root.handlers[:] = handlers
        root.setLevel(level)


def forget_earlier_runs() -> None:
    """Call before each training run."""
    from fairseq import checkpoint_utils
    from fairseq_cli.train import should_stop_early

    vars(checkpoint_utils.save_checkpoint).clear()
    vars(should_stop_early).clear()
