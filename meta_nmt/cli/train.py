"""meta-nmt-train: fairseq-train with the task meta_translation and our defaults.

meta-nmt-train DATA --save-dir DIR --source-langs bg,cs,de --valid-langs sl [any fairseq-train flag]
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError
from meta_nmt.cli import command
from meta_nmt.cli import fairseq_front as front
from meta_nmt.meta_learners import META_PREFIX
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.runs import workers
from meta_nmt.runs.run_folder import LAST, RunFolder
from meta_nmt.tasks.learner import has_own_parameters, own_parameters
from meta_nmt.tasks.meta_translation_config import check_config

PROG = "meta-nmt-train"
WITHOUT = "a learner without parameters"

# `meta-nmt-train --help` says what each of these flags means.
DEFAULTS = [
    *["--task", "meta_translation", "--arch", "ulr_transformer_small", "--target-lang", "en"],
    *["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"],
    *["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0"],
    *["--lr-scheduler", "inverse_sqrt", "--lr", "1e-3", "--warmup-updates", "1000"],
    *["--max-update", "10000", "--batch-size", "1"],  # a batch is one meta-step: see --meta-batch-size
    *["--save-interval-updates", "1000", "--keep-interval-updates", "2", "--no-epoch-checkpoints"],
    *["--eval-bleu-args", '{"beam": 1, "max_len_a": 1.5, "max_len_b": 10}'],
    *["--ddp-backend", "legacy_ddp", "--num-workers", "1", *front.LOGGING, "--log-interval", "50"],
]


def parse_args(argv: Sequence[str]) -> Namespace:
    """fairseq's namespace; SystemExit(2) with one line on bad usage, SystemExit(0) after the help page."""
    if command.wants_help(argv):
        front.print_help(__doc__, "meta_translation", DEFAULTS, "fairseq-train", argv)
        raise SystemExit(0)
    return front.training_arguments(PROG, DEFAULTS, argv)


def check_representation(args: Namespace, path: str | Path, checkpoint: dict[str, Any]) -> None:
    """InputError where the flags mix universal tokens in another way than the checkpoint's model does."""
    model = checkpoint["cfg"]["model"]
    for flag, saved in (("ulr_top_k", getattr(model, "ulr_top_k", 0)), ("ulr_temperature", model.ulr_temperature)):
        value = getattr(args, flag, saved)
        if value != saved:
            raise InputError(f"`--{flag.replace('_', '-')}` must be {saved}, that of {path}, but is {value}")


def check_resumed(args: Namespace) -> None:
    """InputError where the run cannot go on from its last checkpoint.

    That checkpoint is of another model, or its optimiser state is of other parameters.
    """
    last = RunFolder(args.save_dir).last if args.restore_file == LAST else Path(args.restore_file)
    if not last.exists():
        return
    checkpoint = read_checkpoint(last)
    check_representation(args, last, checkpoint)
    if args.reset_optimizer:
        return
    has_own = any(name.startswith(META_PREFIX) for name in checkpoint["model"])
    saved = own_parameters(checkpoint["cfg"]["task"]) if has_own else WITHOUT
    wanted = own_parameters(args) if has_own_parameters(args, checkpoint["model"]) else WITHOUT
    if saved != wanted:
        raise InputError(
            f"{last}: its optimiser must be that of {wanted}, but is that of {saved}; start with "
            "`--finetune-from-model` and another `--save-dir`, or give `--reset-optimizer`"
        )


def body(argv: Sequence[str]) -> int:
    """Parse and check the flags, and train; returns the exit status."""
    args = parse_args(argv)
    if args.task != "meta_translation":
        raise InputError(f"`--task` must be meta_translation, but is {args.task}; fine-tune with meta-nmt-adapt")
    check_config(args)
    with front.prepared(args):
        parent = args.finetune_from_model
        if args.restore_file != LAST:
            parent = args.restore_file
        if parent is not None:
            # where it is missing, fairseq would silently train from random parameters
            check_representation(args, parent, read_checkpoint(parent))
        if workers.is_first(args):
            check_resumed(args)
        front.train(args, "train", command.command_line(PROG, argv), parent)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv)


if __name__ == "__main__":
    raise SystemExit(main())
