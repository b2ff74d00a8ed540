"""Low-resource samples: training pairs, shuffled by a seed, until the English side has a given number of tokens.

All budgets of one seed use the same shuffled order, so a smaller sample is the beginning of a larger one. A budget of 0
is zero-shot: no pairs, and no files. ``samples.json`` has the rows of every sample and the sha256 of the text, so that
other people can draw the same samples.
"""

import argparse
import json
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import SAMPLES, TextFolder
from data_prep.base.errors import InputError
from data_prep.base.files import atomic_files, read_json, sha256, write_text
from data_prep.base.languages import usual_spelling
from data_prep.base.text_files import line_blocks

BUDGETS = (0, 4000, 16_000, 40_000, 160_000)  # default sizes in English tokens; a text with fewer leaves some out
SEEDS = (1, 2, 3, 4, 5)


def sample_name(budget: int, seed: int) -> str:
    """The name of a sample as a split: train-16000-s1."""
    return f"train-{budget}-s{seed}"


def check_budgets(budgets: Sequence[int], seeds: Sequence[int]) -> None:
    """InputError if a budget is negative, a budget or seed stands twice, or there are budgets and no seeds."""
    for budget in budgets:
        if budget < 0:
            raise InputError(f"--english-tokens must be at least 0 (tokens; 0 is zero-shot), but is {budget}")
    for flag, values in (("--english-tokens", budgets), ("--sample-seeds", seeds)):
        if len(set(values)) != len(values):
            raise InputError(f"{flag} must not repeat a number, but is {','.join(map(str, values))}")
    if budgets and not seeds:
        raise InputError("--sample-seeds must name at least one seed")


def count_tokens(path: Path) -> np.ndarray:
    """(lines,) numbers of white-space tokens of a file's lines."""
    return np.fromiter((len(line.split()) for line in chain.from_iterable(line_blocks(path))), np.int32)


def affordable(budgets: Sequence[int], tokens: int, name: str, *, explicit: bool = True) -> tuple[int, ...]:
    """The budgets that a text of ``tokens`` English tokens can fill.

    InputError if one cannot be filled and ``explicit`` is true: the user has asked for it. ``name`` is the text.
    """
    for budget in budgets:
        if explicit and budget > tokens:
            raise InputError(f"--english-tokens must be at most {name} ({tokens} English tokens), but is {budget}")
    return tuple(budget for budget in budgets if budget <= tokens)


def draw(tokens: np.ndarray, budgets: Sequence[int], seed: int) -> dict[int, np.ndarray]:
    """Rows of the sample of each budget: their English has at least so many tokens, and without the last row fewer.

    ``tokens`` (pairs,): English tokens of every pair. No budget may be larger than their sum.
    """
    order = array("l", range(len(tokens)))
    random.Random(seed).shuffle(order)
    rows = np.frombuffer(order, dtype=np.dtype("l")) if order else np.zeros(0, int)
    totals = np.cumsum(tokens[rows], dtype=np.int64)
    return {budget: rows[: int(np.searchsorted(totals, budget)) + 1] if budget else rows[:0] for budget in budgets}


@dataclass(frozen=True)
class Sample:
    """A low-resource sample: rows (0-based) of the training text, in the order in which they were drawn."""

    budget: int
    seed: int
    english_tokens: int
    rows: list[int]

    @property
    def name(self) -> str:
        """The name of the sample as a split."""
        return sample_name(self.budget, self.seed)


def draw_all(tokens: np.ndarray, budgets: Sequence[int], seeds: Sequence[int]) -> list[Sample]:
    """All samples, in the order of budgets, then seeds; budget 0 has none."""
    budgets = [budget for budget in budgets if budget]
    drawn = {seed: draw(tokens, budgets, seed) for seed in seeds} if budgets else {}
    return [
        Sample(budget, seed, int(tokens[drawn[seed][budget]].sum()), drawn[seed][budget].tolist())
        for budget in budgets
        for seed in drawn
    ]


@dataclass(frozen=True)
class Drawn:
    """The samples of a text, whether zero-shot is among the budgets, and the default budgets that are too large."""

    samples: list[Sample]
    zero_shot: bool
    left_out: list[int]


def draw_from(text_files: Sequence[Path], budgets: Sequence[int] | None, seeds: Sequence[int], name: str) -> Drawn:
    """The samples of a training text (source and English file).

    ``budgets``: None stands for those of BUDGETS that the text can fill. InputError if a given budget is too large;
    ``name`` is the text.
    """
    wanted = BUDGETS if budgets is None else budgets
    check_budgets(wanted, seeds)
    tokens = count_tokens(text_files[1])
    filled = affordable(wanted, int(tokens.sum()), name, explicit=budgets is not None)
    return Drawn(draw_all(tokens, filled, seeds), 0 in wanted, [budget for budget in wanted if budget not in filled])


def pick(path: Path, rows: set[int]) -> dict[int, str]:
    """The lines of a file at the given rows (0-based), by row."""
    lines = enumerate(chain.from_iterable(line_blocks(path)))
    return {row: line for row, line in lines if row in rows}


def write_samples(samples: Sequence[Sample], text_files: Sequence[Path], folder: TextFolder) -> list[Path]:
    """Write both sides of every sample to ``folder``; returns the files written.

    ``text_files``: the source and the English file of the training text.
    """
    wanted_rows = {row for sample in samples for row in sample.rows}
    written = []
    for path, side in zip(text_files, (folder.lang, folder.english), strict=True):
        lines = pick(path, wanted_rows)
        outs = [folder.file(sample.name, side) for sample in samples]
        with atomic_files(outs) as files:
            for sample, file in zip(samples, files, strict=True):
                file.write("".join(lines[row] + "\n" for row in sample.rows).encode())
        written += outs
    return written


def _side(path: Path) -> str:
    """The language code that a file's name ends in: ro for train.ro.gz."""
    return path.name.removesuffix(".gz").rpartition(".")[2]


def write_index(path: Path, drawn: Drawn, text_files: Sequence[Path]) -> None:
    """Write the samples.json of a training text: a line for every sample."""
    rows = [json.dumps({"name": sample.name} | vars(sample)) for sample in drawn.samples]
    hashes = {file.name: sha256(file) for file in text_files}
    head = {"text": hashes, "zero_shot": drawn.zero_shot, "left_out": drawn.left_out}
    body = ",\n".join(f"  {row}" for row in rows)
    write_text(path, json.dumps(head, indent=1)[:-2] + f',\n "samples": [\n{body}\n ]\n}}\n')


def read_index(path: Path, text_files: Sequence[Path]) -> Drawn:
    """Read a samples.json; InputError unless ``text_files`` are those that the samples were drawn from."""
    index = read_json(path)
    try:
        for file, digest in zip(text_files, index["text"].values(), strict=True):
            if sha256(file) != digest:
                raise InputError(f"{file}: must be the text that the samples of {path} are rows of, but differs")
        rows = [[row[key] for key in ("budget", "seed", "english_tokens", "rows")] for row in index["samples"]]
        return Drawn([Sample(*row) for row in rows], index["zero_shot"], index["left_out"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: must be a {SAMPLES}, but is not: {error!r}") from error


def comma_ints(text: str) -> tuple[int, ...]:
    """ "1,2" -> (1, 2)."""
    try:
        return tuple(int(item) for item in text.split(",")) if text.strip() else ()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be whole numbers between commas, but is {text!r}") from error


class LanguageBudgets(argparse.Action):
    """`--english-tokens-of lv=400 --english-tokens-of ko=4000` -> {"lv": (400,), "ko": (4000,)}."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, _: Any = None
    ) -> None:
        lang, equals, sizes = str(value).partition("=")
        if not (lang and equals and sizes):
            parser.error(f"{self.option_strings[0]} must be like lv=400 or ko=4000,400, but is {value!r}")
        try:
            budgets = comma_ints(sizes)
        except argparse.ArgumentTypeError as error:
            parser.error(f"{self.option_strings[0]} {error}")
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), usual_spelling(lang): budgets})


def add_sample_arguments(parser: OneLineParser, default: tuple[int, ...] | None = None) -> None:
    """Add the flags of the samples.

    ``default``: the sizes if none are given; None stands for those of BUDGETS that the text can fill.
    """
    otherwise = "none" if default == () else f"those of {','.join(map(str, BUDGETS))} that its text can fill"
    parser.add_argument(
        "--english-tokens", type=comma_ints, default=default, metavar="N,N",
        help="sizes of the low-resource samples of each target language, in white-space tokens of their English side "
        f"(0: zero-shot, no sample); if not given, {otherwise}",
    )  # fmt: skip
    parser.add_argument(
        "--sample-seeds", type=comma_ints, default=SEEDS, metavar="S,S", help="a sample of each size for each seed"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Draw low-resource samples from a pair of line-aligned files, or draw again those of a samples.json."""
    parser = OneLineParser(prog="python -m data_prep subsample", description=main.__doc__)
    parser.add_argument("--source", type=Path, required=True, metavar="FILE", help="training text, e.g. train.ro")
    parser.add_argument("--target", type=Path, required=True, metavar="FILE", help="its English side, e.g. train.en")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where train-<N>-s<S>.<xx> and .en go")
    parser.add_argument("--like", type=Path, metavar="JSON", help="a samples.json: the same rows of the same text")
    add_sample_arguments(parser)
    args = parser.parse_args(argv)
    text_files = [args.source, args.target]
    if args.like:
        drawn = read_index(args.like, text_files)
    else:
        drawn = draw_from(text_files, args.english_tokens, args.sample_seeds, str(args.target))
    folder = TextFolder(args.out, *map(_side, text_files))
    write_samples(drawn.samples, text_files, folder)
    write_index(folder.samples, drawn, text_files)
    for sample in drawn.samples:
        print(f"{sample.name}\t{len(sample.rows)} lines\t{sample.english_tokens} English tokens")
    if drawn.left_out:
        print(f"left out, since the text has fewer English tokens: {', '.join(map(str, drawn.left_out))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep subsample"))
