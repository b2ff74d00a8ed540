"""What our commands on top of fairseq share: its parser with our defaults, its trainer, its generator, cost records."""

from __future__ import annotations

import copy
import logging
import math
import shlex
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from meta_nmt import compat, plugin  # noqa: F401  plugs into fairseq, before it is loaded

# isort: split
import torch
from fairseq import options, utils
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed_utils
from fairseq.optim import build_optimizer
from fairseq.optim.lr_scheduler import build_lr_scheduler
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_REGISTRY
from fairseq_cli import generate as fairseq_generate
from fairseq_cli import train as fairseq_train

from data_prep.base.command_line import KnownDefaults, OneLineParser, one_line, with_hint, writable_directory
from data_prep.base.errors import InputError
from data_prep.base.files import sole_writer
from data_prep.base.languages import usual_spelling
from meta_nmt.cli.command import configure_logging
from meta_nmt.cli.flag_checks import check_flags
from meta_nmt.models.checkpoints import read_checkpoint, trained_tokens
from meta_nmt.runs import cost, run_inputs, training_log, workers
from meta_nmt.runs.allocator import keep_freed_memory
from meta_nmt.runs.checkpoint_contents import requirement
from meta_nmt.runs.checkpoint_files import recover
from meta_nmt.runs.run_folder import LAST, RunFolder

LOGGING = ["--no-progress-bar", "--log-format", "simple"]


def parse_fairseq(parser: ArgumentParser, prog: str, argv: Sequence[str], **kwargs: Any) -> Namespace:
    """Parse with fairseq's parser; a usage error is one line and exit status 2, `--help` prints fairseq's page."""

    def error(message: str) -> NoReturn:
        print(one_line(prog, with_hint(message, parser._option_string_actions)), file=sys.stderr)
        raise SystemExit(2)

    parser.prog = prog
    parser.error = error  # type: ignore[method-assign]
    args = options.parse_args_and_arch(parser, input_args=list(argv), **kwargs)
    for name in ("source_lang", "target_lang", "source_langs", "valid_langs"):
        if getattr(args, name, None):
            setattr(args, name, ",".join(map(usual_spelling, getattr(args, name).split(","))))
    return args


def print_help(
    doc: str | None,
    task: str,
    defaults: Sequence[str],
    peer: str,
    argv: Sequence[str],
    own_flags: ArgumentParser | None = None,
    without: Collection[str] = (),
) -> None:
    """Print a command's help page: its purpose, its own flags, the flags of its task, and where the rest is.

    The flags of learners that ``--user-dir`` in ``argv`` names are among those of the task. ``without``: flags of the
    task that do nothing in this command.
    """
    early = OneLineParser(add_help=False, allow_abbrev=False)
    early.add_argument("--version", action="store_true", help="show the version and exit")
    help_text = "a Python file or package that registers learners or architectures (docs/extending.md)"
    early.add_argument("--user-dir", metavar="PATH", help=help_text)
    utils.import_user_module(early.parse_known_args(argv)[0])
    print((doc or "").strip() + "\n")
    task_flags = ArgumentParser(add_help=False)
    TASK_REGISTRY[task].add_args(task_flags)
    task_flags.set_defaults(**vars(task_flags.parse_known_args(["DATA", *defaults])[0]))
    for action in task_flags._actions:
        if {*action.option_strings} & {*without}:
            action.help = SUPPRESS
    parents = [*([own_flags] if own_flags else []), early, task_flags]
    ArgumentParser(usage=SUPPRESS, add_help=False, formatter_class=KnownDefaults, parents=parents).print_help()
    shown = shlex.join(_without(defaults, without))
    print(f"\nEvery flag of {peer} is understood too (`{peer} --help`). Ours by default:\n  {shown}")


def _without(defaults: Sequence[str], flags: Collection[str]) -> list[str]:
    """``defaults`` without some flags, each with its value."""
    return [word for word, before in zip(defaults, ["", *defaults], strict=False) if not {word, before} & {*flags}]


def training_arguments(prog: str, defaults: Sequence[str], argv: Sequence[str]) -> Namespace:
    """fairseq-train's arguments; ``defaults`` are flags that the user's own override."""
    args = parse_fairseq(options.get_training_parser(), prog, [*_fitting(defaults, argv), *argv])
    if getattr(args, "total_num_update", 0) is None:  # fairseq means --max-update, but cannot read None
        args.total_num_update = args.max_update
    return args


def generation_arguments(prog: str, defaults: Sequence[str], argv: Sequence[str]) -> Namespace:
    """fairseq-generate's arguments; ``defaults`` are flags that the user's own override."""
    return parse_fairseq(options.get_generation_parser(), prog, [*defaults, *argv])


def _fitting(defaults: Sequence[str], argv: Sequence[str]) -> list[str]:
    """``defaults`` without flags that what the user chose does not have, such as Adam's betas with SGD."""
    kept = list(defaults)
    owners = {"--adam-betas": "optimizer", "--warmup-updates": "lr_scheduler", "--label-smoothing": "criterion"}
    for flag, owner in owners.items():
        parser = OneLineParser(add_help=False, allow_abbrev=False)
        parser.add_argument(f"--{owner.replace('_', '-')}", dest="chosen", nargs="?")  # no value: fairseq says so
        options_of = REGISTRIES[owner]["dataclass_registry"].get(parser.parse_known_args([*defaults, *argv])[0].chosen)
        if flag in kept and flag[2:].replace("-", "_") not in getattr(options_of, "__dataclass_fields__", {}):
            at = kept.index(flag)
            del kept[at : at + 2]
    return kept


def check_writable(folder: str) -> None:
    """InputError where the save dir cannot be made or written to; a check before hours of training."""
    writable_directory(folder, "--save-dir")


def _so_far(checkpoint: str | Path) -> tuple[int, float]:
    """What a checkpoint counts: tokens of its run, and seconds of training since the first of its ancestors."""
    state = read_checkpoint(checkpoint)
    return trained_tokens(state), float(state["extra_state"].get("previous_training_time", 0))


def _train_and_record(cfg: Any, kind: str, command: str, parent: str | None, after: str | None) -> None:
    if not logging.getLogger().handlers:  # a worker process of its own
        configure_logging("INFO" if distributed_utils.is_master(cfg.distributed_training) else "WARNING")
    save_dir, is_master = cfg.checkpoint.save_dir, distributed_utils.is_master(cfg.distributed_training)
    meter = cost.CostMeter(kind, command, save_dir, after)
    compat.forget_earlier_runs()
    keep_freed_memory()
    with training_log.kept(save_dir) if is_master else nullcontext():
        fairseq_train.main(cfg)
    run = RunFolder(save_dir)
    saved = next((path for path in (run.last, run.best) if path.exists()), None)
    if is_master:
        run.crash.unlink(missing_ok=True)  # of a step that the run, resumed, has done since
    if is_master and saved is not None:
        tokens, seconds = _so_far(saved)
        cost.append(save_dir, meter.record(tokens, seconds - (_so_far(parent)[1] if parent else 0.0)))


@contextmanager
def prepared(args: Namespace) -> Iterator[None]:
    """In this context a training runs, the only one in its save dir.

    Raises:
        InputError: its flags are wrong, or its save dir is one that it cannot write to or go on from, or that another
            training is writing to.
    """
    check_flags(args)
    _check_texts(args)
    if args.fp16 or args.amp:
        raise InputError(
            "`--fp16` and `--amp` must not be given: the meta-gradient is not loss-scaled; use `--bf16-autocast`"
        )
    if args.write_checkpoints_asynchronously:
        raise InputError("`--write-checkpoints-asynchronously` must not be given: a checkpoint counts when it is whole")
    check_writable(args.save_dir)
    cost.read_records(args.save_dir)
    with sole_writer(Path(args.save_dir)) if workers.is_first(args) else nullcontext():
        if workers.is_first(args):
            recover(args.save_dir)
        yield


def _check_texts(args: Namespace) -> None:
    """InputError for a flag whose text would make the checkpoints unreadable, such as the name of a folder that is not
    in UTF-8: they hold all flags."""
    for name, value in vars(args).items():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(text, str) and (must := requirement(text)):
                shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
                flag = "DATA" if name == "data" else f"`--{name.replace('_', '-')}`"
                raise InputError(f"{flag} must be what a checkpoint may hold ({must}), but is {shown}")


def check_optimizer(cfg: Any) -> None:
    """InputError where the optimiser or its schedule cannot take its flags.

    Both are built as the trainer builds them, for one parameter, and the schedule is asked for some rates.
    """
    cfg = copy.deepcopy(cfg)  # a schedule writes to its configuration
    try:
        optimizer = build_optimizer(cfg.optimizer, [torch.nn.Parameter(torch.zeros(1))])
        schedule = build_lr_scheduler(cfg.lr_scheduler, optimizer)
        schedule.step_begin_epoch(1)
        last = max(cfg.optimization.max_update, 1)
        for update in sorted({0, 1, last // 3, last - 1, last}):
            rate = schedule.step_update(update)
            if isinstance(rate, complex) or not math.isfinite(rate or 0.0):
                raise ValueError(f"the rate at update {update} is {rate}")
    except Exception as error:  # fairseq and torch raise whatever the arithmetic of bad flags gives
        names = f"--optimizer {cfg.optimizer._name} and --lr-scheduler {cfg.lr_scheduler._name}"
        raise InputError(f"{names} must have flags that they can take, but: {str(error) or repr(error)}") from None


def train(args: Namespace, kind: str, command: str, parent: str | None, after: str | None = None) -> None:
    """Run fairseq's trainer in this process, or in a process for each worker where there are several.

    Args:
        parent: the checkpoint that it starts from.
        after: a checkpoint whose costs are those of the run too; ``parent`` if not given.
    """
    cfg = convert_namespace_to_omegaconf(args)
    check_optimizer(cfg)
    with _same_inputs(args, parent) if workers.is_first(args) else nullcontext():
        distributed_utils.call_main(
            cfg, _train_and_record, kind=kind, command=command, parent=parent, after=after or parent
        )


def _same_inputs(args: Namespace, parent: str | None) -> AbstractContextManager[None]:
    inputs = run_inputs.inputs_of(args, parent)
    return run_inputs.kept(args.save_dir, inputs, goes_on=args.restore_file == LAST)


def generate(args: Namespace) -> None:
    """Run fairseq's generator, which writes into ``args.results_path``."""
    fairseq_generate.main(convert_namespace_to_omegaconf(args))
