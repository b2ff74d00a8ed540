"""Fine-tuning on a prepared data folder, by meta-nmt-adapt: the flags, the defaults, and the run itself."""

from __future__ import annotations

import copy
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.command_line import OneLineParser
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.extras import need
from data_prep.cleaning.monolingual import FEWEST, fault_of_lines, lines_beside_sample
from meta_nmt.cli import command
from meta_nmt.cli import fairseq_front as front
from meta_nmt.cli.adapt_raw_flags import CHECKPOINTS, PROG, check_checkpoint
from meta_nmt.data.language_pack import has_alignment
from meta_nmt.meta_learners import GROUPS
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.models.ulr_transformer import ULRTransformer
from meta_nmt.runs.run_folder import RunFolder
from meta_nmt.tasks.ulr_translation_config import check_workers
from meta_nmt.translation import self_training

SMOOTHED = "label_smoothed_cross_entropy"
DEFAULTS = [
    *["--task", "ulr_translation", "--target-lang", "en"],
    *["--criterion", SMOOTHED, "--label-smoothing", "0.1"],
    *["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0"],
    # a rate that falls to zero ends better on average, and varies less from sample to sample, than the best
    # checkpoint of a constant rate (docs/results/lab-book.md, entry 9)
    *["--lr-scheduler", "polynomial_decay", "--lr", "1e-3", "--warmup-updates", "0"],
    # with R-Drop twice as many updates as without still gain (entry 27)
    *["--max-tokens", "1000", "--max-update", "480", "--save-interval-updates", "120", "--r-drop", "5"],
    *["--validate-interval", "1000000", "--save-interval", "1000000"],  # counted in updates: an epoch has only a few
    *["--keep-interval-updates", "2", "--no-epoch-checkpoints"],
    *["--eval-bleu", "--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric", *front.LOGGING],
]
SCRATCH_DEFAULTS = [
    *["--arch", "ulr_transformer_small", "--lr-scheduler", "fixed", "--lr", "5e-4", "--max-tokens", "2000"],
    *["--max-update", "2000", "--save-interval-updates", "100", "--patience", "5", "--r-drop", "0"],
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
    parser.add_argument(
        "--self-train", type=int, default=0, metavar="N",
        help="translate at most N lines of the language's monolingual text in DATA with the adapted model, and adapt "
        f"again to these pairs too, from the same start, over twice the updates; at least {FEWEST} "
        "(default: 0, none)",
    )  # fmt: skip
    parser.add_argument(
        "--teacher", metavar="CKPT",
        help="the adapted model that translates for --self-train (default: one that is adapted first, in RUN/first)",
    )  # fmt: skip
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
    if fault := fault_of_lines(own_flags.self_train):
        parser.error(fault)
    if own_flags.self_train:
        need("ctranslate2", "export", "`--self-train`")
    given = {arg.partition("=")[0] for arg in argv}
    if own_flags.self_train and (set_by_it := sorted(given & {"--train-prefix", "--aligned-with"})):
        parser.error(f"`{set_by_it[0]}` must not be given with `--self-train`, which sets it")
    if own_flags.teacher is not None and not own_flags.self_train:
        parser.error("`--teacher` must be given with `--self-train`, and only with it")
    if own_flags.self_train and (own_flags.from_scratch or "--learned-rule" in fairseq_flags):
        other = "--from-scratch" if own_flags.from_scratch else "--learned-rule"
        parser.error(f"`--self-train` must not be given with `{other}`")
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
        defaults += ["--clip-norm", "0", "--distributed-world-size", "1", "--r-drop", "0", "--max-update", "240"]
    args = front.training_arguments(PROG, defaults, fairseq_flags)
    if args.r_drop and (args.criterion != SMOOTHED or getattr(args, "ignore_prefix_size", 0)):
        if "--r-drop" in given:
            parser.error(f"`--r-drop` needs `--criterion {SMOOTHED}` without `--ignore-prefix-size`")
        args.r_drop = 0.0  # our default, which other criteria do not know
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
        said = command.command_line(PROG, argv)
        if own_flags.self_train:
            self_train(args, own_flags, said)
        # what the pairs have cost is a cost of the run
        pairs = RunFolder(Path(args.train_prefix).parent) if args.train_prefix else None
        after = str(pairs.last) if pairs is not None and pairs.costs.exists() else None
        front.train(args, "adapt", said, own_flags.checkpoint, after)


def check_teacher(checkpoint: str) -> None:
    """InputError where ``--teacher`` is no checkpoint that is adapted to a language."""
    if not Path(checkpoint).exists():
        raise InputError(f"--teacher {checkpoint}: must be an adapted checkpoint, but does not exist")
    if not len(read_checkpoint(checkpoint)["model"].get("encoder.embed_tokens.residual", ())):
        raise InputError(f"--teacher {checkpoint}: must be adapted to a language, but is not")


def self_train(args: Namespace, own_flags: Namespace, said: str) -> None:
    """Have monolingual text translated into RUN/self, and set ``args`` to adapt to that as well.

    The teacher is the checkpoint that was given, or else one that is adapted first, in RUN/first.
    """
    if args.distributed_world_size > 1:
        raise InputError(f"`--self-train` needs `--distributed-world-size 1`, but it is {args.distributed_world_size}")
    run = RunFolder(args.save_dir)
    if run.last.exists() and not (run.path / "self").exists():
        raise InputError(f"--save-dir {run}: must be new or of a run with `--self-train`, but holds another adaptation")
    lines = lines_beside_sample(
        DataFolder(args.data, args.target_lang), args.source_lang, args.train_subset, own_flags.self_train, args.seed
    )[1]
    if len(lines) < FEWEST:
        raise InputError(
            f"`--self-train` needs at least {FEWEST} lines of {args.source_lang} in {args.data} beside "
            f"those of {args.train_subset}, but there are {len(lines)}"
        )
    first, out = RunFolder(run.path / "first"), run.path / "self"
    if own_flags.teacher is not None:
        check_teacher(own_flags.teacher)
    elif not first.finished.exists():
        first_args = copy.deepcopy(args)
        first_args.save_dir = str(first)
        with front.prepared(first_args):
            front.train(first_args, "adapt", said, own_flags.checkpoint)
        first.finished.touch()
    teacher = first.best if own_flags.teacher is None else Path(own_flags.teacher)
    options = self_training.make_pairs(
        args.data,
        teacher,
        args.source_lang,
        args.target_lang,
        args.train_subset,
        own_flags.self_train,
        args.seed,
        out,
        said,
    )
    if not options:
        raise InputError(
            f"{teacher}: must translate at least {FEWEST} of {len(lines)} lines without loops, for "
            "`--self-train`, but does not: train or adapt it longer"
        )
    vars(args).update(options)
    for name in ("max_update", "total_num_update", "save_interval_updates"):
        if getattr(args, name, None):
            setattr(args, name, self_training.LONGER * getattr(args, name))
