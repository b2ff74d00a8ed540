"""Fine-tuning on a prepared data folder, by meta-nmt-adapt: the flags, the defaults, and the run itself."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence

from data_prep.base.command_line import OneLineParser
from meta_nmt.cli import command
from meta_nmt.cli import fairseq_front as front
from meta_nmt.cli.adapt_raw_flags import CHECKPOINTS, PROG, check_checkpoint
from meta_nmt.data.language_pack import has_alignment
from meta_nmt.meta_learners import GROUPS
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.models.ulr_transformer import ULRTransformer
from meta_nmt.tasks.ulr_translation_config import check_workers

DEFAULTS = [
    *["--task", "ulr_translation", "--target-lang", "en"],
    *["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"],
    *["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0"],
    # a rate that falls to zero ends better on average, and varies less from sample to sample, than the best
    # checkpoint of a constant rate (docs/results/lab-book.md, entry 9)
    *["--lr-scheduler", "polynomial_decay", "--lr", "1e-3", "--warmup-updates", "0"],
    *["--max-tokens", "1000", "--max-update", "240", "--save-interval-updates", "60"],
    *["--validate-interval", "1000000", "--save-interval", "1000000"],  # counted in updates: an epoch has only a few
    *["--keep-interval-updates", "2", "--no-epoch-checkpoints"],
    *["--eval-bleu", "--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric", *front.LOGGING],
]
SCRATCH_DEFAULTS = [
    *["--arch", "ulr_transformer_small", "--lr-scheduler", "fixed", "--lr", "5e-4", "--max-tokens", "2000"],
    *["--max-update", "2000", "--save-interval-updates", "100", "--patience", "5"],
]
# flags of the optimiser, and of what adapts: with --learned-rule the checkpoint's meta-learner decides these
LEFT_TO_THE_RULE = (
    *["--strategy", "--adapt-params", "--optimizer", "--adam-betas", "--adam-eps", "--momentum", "--weight-decay"],
    *["--lr", "--lr-scheduler", "--warmup-updates"],
)


def own_parser() -> ArgumentParser:
    """The parser of our own flags, beside fairseq's."""
    parser = OneLineParser(prog=PROG, add_help=False, allow_abbrev=False)
    parser.add_argument("--checkpoint", help="the meta-trained or joint checkpoint to start from")
    parser.add_argument("--from-scratch", action="store_true", help="start from random parameters and train them all")
    parser.add_argument("--strategy", help=f"what adapts: {', '.join(GROUPS)}, or a regular expression for whole names")
    return parser


def parse_args(argv: Sequence[str]) -> Namespace:
    """fairseq's namespace, our own flags as ``own_flags`` in it; SystemExit(2) with one line on bad usage."""
    parser = own_parser()
    own_flags, fairseq_flags = parser.parse_known_args(argv)
    if own_flags.from_scratch and own_flags.checkpoint is not None:
        parser.error("give either `--checkpoint FILE` or `--from-scratch`, and not both")
    if not own_flags.from_scratch and own_flags.checkpoint is None:
        parser.error(f"give either `--checkpoint FILE` or `--from-scratch`; {CHECKPOINTS}")
    if own_flags.from_scratch and own_flags.strategy is not None:
        parser.error("`--strategy` must not be given with `--from-scratch`, which trains everything")
    conflicting = [flag for flag in LEFT_TO_THE_RULE if any(a == flag or a.startswith(f"{flag}=") for a in argv)]
    if "--learned-rule" in fairseq_flags and (conflicting or own_flags.from_scratch):
        parser.error(
            f"`{conflicting[0] if conflicting else '--from-scratch'}` must not be given with `--learned-rule`: "
            "the checkpoint's meta-learner says what adapts, and by which steps"
        )
    defaults = [*DEFAULTS, "--adapt-params", "scratch" if own_flags.from_scratch else own_flags.strategy or "emb_enc"]
    if own_flags.from_scratch:
        defaults += SCRATCH_DEFAULTS
    elif own_flags.checkpoint is not None:
        defaults += ["--arch", "ulr_transformer", "--finetune-from-model", own_flags.checkpoint]
    if "--learned-rule" in fairseq_flags:
        # the rule learnt its steps from whole gradients, and each of several workers would take other steps
        defaults += ["--clip-norm", "0", "--distributed-world-size", "1"]
    args = front.training_arguments(PROG, defaults, fairseq_flags)
    args.own_flags = own_flags
    return args


def take_model_from_checkpoint(args: Namespace, checkpoint: str, argv: Sequence[str]) -> None:
    """Set the model's arguments in ``args`` to the checkpoint's, except those given on the command line."""
    saved = read_checkpoint(checkpoint)["cfg"]["model"]
    model_parser = ArgumentParser(argument_default=SUPPRESS, add_help=False)
    ULRTransformer.add_args(model_parser)
    on_command_line = set(vars(model_parser.parse_known_args(argv)[0]))
    for name in (action.dest for action in model_parser._actions):
        if name not in on_command_line and hasattr(saved, name):
            setattr(args, name, getattr(saved, name))


def run(args: Namespace, argv: Sequence[str]) -> None:
    """Fine-tune to the end, from the start or from where an earlier run was killed.

    ``argv``: the flags that ``args`` were parsed from.
    """
    check_workers(args)
    own_flags = vars(args).pop("own_flags")  # fairseq would take our `checkpoint` for its group of that name
    if own_flags.checkpoint is not None:
        check_checkpoint(own_flags.checkpoint)
    with front.prepared(args):
        if own_flags.checkpoint is not None:
            take_model_from_checkpoint(args, own_flags.checkpoint, argv)
        if args.aligned_with is None and has_alignment(args.data, args.source_lang, args.train_subset):
            args.aligned_with = args.train_subset
        front.train(args, "adapt", command.command_line(PROG, argv), own_flags.checkpoint)
