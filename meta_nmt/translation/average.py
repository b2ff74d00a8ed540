"""The average of checkpoints of one model:

    python -m meta_nmt.translation.average --output average.pt \\
        --inputs runs/ro-s1/checkpoint_best.pt runs/ro-s2/checkpoint_best.pt

It is what fairseq's scripts/average_checkpoints.py makes. fairseq's wheel does not have that script, and the script
does not load checkpoints under torch's protection.

The checkpoints must be of one model: the same parameters, the same language. Averaging runs that started from one
meta-trained checkpoint often gains what an ensemble gains, at the price of a single model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import atomic, remove_partial
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.runs import checkpoint_contents

FIXED = (".keys", ".queries")  # these say of which universal space and language a model is


def average(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The contents of the first checkpoint, with the mean of all checkpoints' parameters and without optimiser state.

    Raises:
        InputError: the checkpoints are not of one model and one language.
    """
    for path in paths:
        read_checkpoint(path)  # a clear error for another model's checkpoint
    state = checkpoint_contents.load(paths[0])
    first = state["model"]
    sums = {name: value.double() if value.is_floating_point() else value for name, value in first.items()}
    for path in paths[1:]:
        model = checkpoint_contents.load(path)["model"]
        _check_alike(first, model, paths[0], path)
        for name, value in model.items():
            if value.is_floating_point():
                sums[name] += value.double()
    state["model"] = {
        name: (value / len(paths)).to(first[name].dtype) if value.is_floating_point() else value
        for name, value in sums.items()
    }
    state["last_optimizer_state"] = None
    return state


def _check_alike(
    first: dict[str, Any], second: dict[str, Any], first_path: str | Path, second_path: str | Path
) -> None:
    shapes = [{name: tuple(value.shape) for name, value in model.items()} for model in (first, second)]
    unlike = sorted(name for name in {*shapes[0], *shapes[1]} if shapes[0].get(name) != shapes[1].get(name))
    if not unlike:
        unlike = [name for name in first if name.endswith(FIXED) and not torch.equal(first[name], second[name])]
    if unlike:
        raise InputError(
            f"{second_path}: must be of the same model and language as {first_path}, but {unlike[0]} differs"
        )


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the flags and write the average; returns the exit status."""
    parser = OneLineParser(
        prog="python -m meta_nmt.translation.average", description="The average of checkpoints of one model."
    )
    parser.add_argument("--inputs", nargs="+", required=True, metavar="CKPT", help="checkpoints, at least 2")
    parser.add_argument("--output", required=True, type=Path, metavar="CKPT", help="checkpoint to write")
    args = parser.parse_args(argv)
    if len(args.inputs) < 2:
        parser.error("`--inputs` must name at least 2 checkpoints")
    state = average(args.inputs)
    remove_partial(args.output.parent, deep=False)
    with atomic(args.output) as temporary, open(temporary, "wb") as file:  # given a path, torch writes its name too
        torch.save(state, file)
    print(f"{args.output}: the average of {len(args.inputs)} checkpoints")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(run, argv, prog="python -m meta_nmt.translation.average")


if __name__ == "__main__":
    raise SystemExit(main())
