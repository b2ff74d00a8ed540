"""All changes to fairseq that let it run well on today's Python and torch; no other file changes fairseq.

The changes are made when this module is imported. Import it before fairseq, or (2), (3) and (11) come too late.

1. torch >= 2.6 loads checkpoints with ``weights_only=True``: only tensors, plain containers and types on an
   allow-list. fairseq's checkpoints hold a few harmless types more, which are allowed here one by one. The
   protection stays on, so loading a stranger's checkpoint cannot run code.
2. Importing fairseq's tasks and models sets up the root logger (at level DEBUG) and logs messages about packages that
   have nothing to do with text. Here logging is put back as it was (data_prep.base.fairseq_loading).
3. fairseq's own calls of newer libraries cause warnings at each start that a user can do nothing about. They are
   filtered by their exact texts.
4. fairseq keeps the best score so far in attributes of two functions, so a second run in one process would measure
   itself against the first: `forget_earlier_runs` clears them. fairseq saves the state of early stopping in no
   checkpoint: a task puts `early_stopping_state` there.
5. fairseq names a checkpoint by copying it over the old one, so a killed run leaves halves. Where a write fails,
   fairseq writes again behind the first part. `meta_nmt.runs.checkpoint_files` takes the place of both. An error in
   the contents of a checkpoint names the file.
   fairseq looks up, opens and runs what a checkpoint's configuration says: `meta_nmt.runs.checkpoint_contents` loads
   checkpoints in its place, and lets none of that through.
   fairseq tells the schedule an epoch's score after the checkpoint is saved, so a resumed run is told it, too.
6. fairseq makes one update more where a finished run is started again; here it makes none.
7. fairseq needs a GPU for each of several workers, and overlooks torchrun where the flags say one worker:
   `meta_nmt.runs.workers` takes the place of the launcher. Torch's protection (1) keeps workers from sending each other
   the checkpoint that they go on from; this is mended there, too.
8. fairseq's ``--user-dir`` takes a folder; here it takes a Python file, too (data_prep.base.extensions).
9. fairseq shows in a log line, and nowhere else, what a training measures: `meta_nmt.runs.progress` tells it to
   listeners.
10. fairseq ends a path at every ``:``, also in the name of a folder; here where no such file is
    (`meta_nmt.runs.path_lists`).
11. fairseq cannot be imported on Python 3.14, which writes types that may be None in another way
    (data_prep.base.fairseq_loading).
12. fairseq needs compiled parts to cut batches and to print its own BLEU. Where it was installed without them,
    `meta_nmt.runs.batch_by_size` and `meta_nmt.runs.token_bleu` do the same.
13. Importing fairseq loads scikit-learn, pandas and scipy.stats, which tasks for sounds and classes call. Here they are
    loaded when they are called (`meta_nmt.late_imports`).
"""

from __future__ import annotations

import logging
import math
import sys
import warnings
from argparse import Namespace
from functools import wraps
from typing import Any

import numpy as np
import torch

from data_prep.base.fairseq_loading import fairseq_loading
from meta_nmt.late_imports import late
from meta_nmt.runs import batch_by_size, checkpoint_contents, checkpoint_files, token_bleu
from meta_nmt.runs.progress import telling
from meta_nmt.runs.run_folder import LAST, RunFolder

logger = logging.getLogger(__name__)

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
    """Make all changes to fairseq; a second call changes nothing."""
    for message in KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    _load_fairseq()
    _replace_compiled_parts()
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
    _mend_checkpoints()
    _name_checkpoints()
    _finish_epochs()
    _let_finished_runs_be()
    _mend_launcher()
    _load_files_of_users()
    _tell_progress()
    _split_paths()


def _load_fairseq() -> None:
    with late("sklearn", "sklearn.metrics", "scipy.stats"), fairseq_loading():
        import fairseq.models
        import fairseq.tasks  # noqa: F401
        import fairseq_cli.train  # noqa: F401


def _replace_compiled_parts() -> None:
    """Put Python in the place of the compiled parts that a fairseq has which was installed without a compiler."""
    try:
        import fairseq.data.data_utils_fast  # noqa: F401
    except ImportError:
        sys.modules["fairseq.data.data_utils_fast"] = batch_by_size
    try:
        import fairseq.libbleu  # noqa: F401
    except ImportError:
        from fairseq.scoring.bleu import Scorer

        Scorer.__init__, Scorer.reset, Scorer.add = token_bleu.start, token_bleu.reset, token_bleu.add


def forget_earlier_runs() -> None:
    """Clear the best scores that an earlier run in this process left; call this before each training run."""
    from fairseq import checkpoint_utils
    from fairseq_cli.train import should_stop_early

    vars(checkpoint_utils.save_checkpoint).clear()
    vars(should_stop_early).clear()


def early_stopping_state() -> dict[str, Any]:
    """The best score, and the number of validations without a better one, as ``--patience`` counts them."""
    from fairseq_cli.train import should_stop_early

    return dict(vars(should_stop_early))


def set_early_stopping_state(state: dict[str, Any]) -> None:
    """Put back what `early_stopping_state` gave."""
    from fairseq_cli.train import should_stop_early

    vars(should_stop_early).update(state)


def _mend_checkpoints() -> None:
    from fairseq import checkpoint_utils
    from fairseq.file_io import PathManager

    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> bool:
        return checkpoint_files.add_name(src_path, dst_path)

    checkpoint_utils.torch_persistent_save = checkpoint_files.save
    checkpoint_utils.load_checkpoint_to_cpu = checkpoint_contents.load_for_fairseq
    PathManager.copy = staticmethod(copy)


def _finish_epochs() -> None:
    """Let the schedule of a run that is resumed at the end of an epoch see the epoch's score.

    fairseq saves that checkpoint before the schedule sees the score.
    """
    from fairseq import checkpoint_utils

    load = checkpoint_utils.load_checkpoint
    if load.__module__ == __name__:
        return

    @wraps(load)
    def load_and_finish(cfg: Any, trainer: Any, **kwargs: Any) -> Any:
        resumes = cfg.restore_file == LAST and RunFolder(cfg.save_dir).last.exists()
        extra_state, epoch_itr = load(cfg, trainer, **kwargs)
        if resumes and not (cfg.reset_optimizer or cfg.reset_lr_scheduler or cfg.reset_dataloader):
            position, score = extra_state["train_iterator"], extra_state["val_loss"]
            if position["iterations_in_epoch"] == 0 and score is not None:
                trainer.lr_step(position["epoch"] - 1, score)
        return extra_state, epoch_itr

    load_and_finish.__module__ = __name__
    checkpoint_utils.load_checkpoint = load_and_finish


def _name_checkpoints() -> None:
    """Name the file in an error about the contents of a checkpoint."""
    from fairseq import checkpoint_utils

    from data_prep.base.errors import InputError

    load = checkpoint_utils.load_model_ensemble_and_task
    if load.__module__ == __name__:
        return

    @wraps(load)
    def load_and_name(filenames: list[str], *args: Any, **kwargs: Any) -> Any:
        try:
            return load(filenames, *args, **kwargs)
        except InputError as error:
            raise InputError(f"{', '.join(filenames)}: {error}") from None

    load_and_name.__module__ = __name__
    checkpoint_utils.load_model_ensemble_and_task = load_and_name


def _let_finished_runs_be() -> None:
    """Let a run that reached ``--max-update``, or was stopped by ``--patience``, stay as it is when started again."""
    from fairseq_cli import train as fairseq_train

    train = fairseq_train.train
    if train.__module__ == __name__:
        return

    @wraps(train)
    def train_unless_finished(cfg: Any, trainer: Any, *args: Any) -> Any:
        reason = _why_finished(cfg, trainer.get_num_updates())
        if reason is None:
            return train(cfg, trainer, *args)
        logger.info(f"nothing left to train: {reason}")
        return [None], True

    train_unless_finished.__module__ = __name__
    fairseq_train.train = train_unless_finished


def _why_finished(cfg: Any, updates: int) -> str | None:
    if updates >= (cfg.optimization.max_update or math.inf):
        return f"{updates} updates of --max-update {cfg.optimization.max_update}"
    patience, without_better = cfg.checkpoint.patience, early_stopping_state().get("num_runs", 0)
    if 0 < patience <= without_better:
        return f"{without_better} validations without a better score, --patience {patience}"
    return None


def _load_files_of_users() -> None:
    from fairseq import utils

    from data_prep.base import extensions

    import_folder = utils.import_user_module
    if import_folder.__module__ == __name__:
        return

    def import_user_module(args: Any) -> None:
        path = getattr(args, "user_dir", None)
        if path is not None:
            extensions.check(path)
        if path is not None and path.endswith(".py"):
            extensions.load(path)
        else:
            import_folder(args)

    import_user_module.__module__ = __name__
    utils.import_user_module = import_user_module


def _mend_launcher() -> None:
    from fairseq.distributed import utils as distributed_utils

    from meta_nmt.runs import workers

    distributed_utils.call_main = workers.call_main
    distributed_utils._broadcast_object_slow = workers.broadcast


def _split_paths() -> None:
    from fairseq import utils

    from meta_nmt.runs.path_lists import split_paths

    utils.split_paths = split_paths


def _tell_progress() -> None:
    from fairseq.logging import progress_bar

    make = progress_bar.progress_bar
    if make.__module__ == __name__:
        return

    @wraps(make)
    def make_and_tell(*args: Any, **kwargs: Any) -> Any:
        return telling(make(*args, **kwargs))

    make_and_tell.__module__ = __name__
    progress_bar.progress_bar = make_and_tell


apply()
