"""The raw text that meta-nmt-adapt is given: read, split into training, dev and test, and written for data_prep."""

from __future__ import annotations

import random
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.errors import InputError
from data_prep.base.files import write_lines
from data_prep.base.text_files import column_blocks, line_blocks, read_lines
from meta_nmt.cli.adapt_raw_flags import FEWEST_FOR_TEST
from meta_nmt.cli.work_folder import WorkFolder

FEWEST_PAIRS = 60
HELD_OUT_SHARE, LEAST_DEV, MOST_HELD_OUT = 10, 20, 500  # dev and test have a tenth of the pairs each, in these bounds
Pairs = list[tuple[str, str]]  # X and English


def read_given(args: Namespace) -> dict[str, Pairs]:
    """The pairs of --pairs ("train"), --dev ("valid") and --test. InputError names the line that is no pair."""
    files = {"train": args.pairs, "valid": args.dev, "test": args.test}
    pairs_of = {
        name: [(row[0], row[1]) for rows in column_blocks(path) for row in rows] for name, path in files.items() if path
    }
    if len(pairs_of["train"]) < FEWEST_PAIRS:
        raise InputError(f"{args.pairs}: must have at least {FEWEST_PAIRS} pairs, but has {len(pairs_of['train'])}")
    return pairs_of


def split(pairs_of: dict[str, Pairs], seed: int) -> dict[str, Pairs]:
    """The pairs by split, with a dev set, and a test set where there are enough pairs.

    A set that was not given is drawn from the training pairs.
    """
    splits, pairs = dict(pairs_of), pairs_of["train"]
    share = max(LEAST_DEV, min(MOST_HELD_OUT, len(pairs) // HELD_OUT_SHARE))
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    for name in ("valid", "test") if len(pairs) >= FEWEST_FOR_TEST else ("valid",):
        if name not in splits:
            splits[name], order = [pairs[i] for i in sorted(order[:share])], order[share:]
    return splits | {"train": [pairs[i] for i in sorted(order)]}


def write_raw(work: WorkFolder, splits: dict[str, Pairs], mono: Sequence[Path], dictionary: Path | None) -> None:
    """Write the raw text as data_prep reads it: pairs, and the monolingual text and the word list that were given."""
    for name, rows in splits.items():
        for column, side in enumerate(work.text(name)):
            write_lines(side, [row[column] for row in rows])
    work.mono.mkdir(exist_ok=True)
    if mono:
        write_lines(work.mono_text, [line for path in mono for block in line_blocks(path) for line in block])
    if dictionary:
        write_lines(work.dictionary, read_lines(dictionary))
    work.written.touch()
