"""Low-resource samples: training pairs, shuffled by a seed, until the English side has a given number of tokens.

All budgets of one seed read the same shuffled order, so a smaller sample is the beginning of a larger one.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.corpus import Parallel, read_pair
from data_prep.errors import InputError, OneLineParser, run_command
from data_prep.provenance import write_lines


def count_tokens(lines: Sequence[str]) -> int:
    """White-space tokens."""
    return sum(len(line.split()) for line in lines)


def sample_name(budget: int, seed: int) -> str:
    """The split's name: train-16000-s1."""
    return f"train-{budget}-s{seed}"


def sample_rows(english: Sequence[str], budget: int, seed: int, name: str = "the training text") -> list[int]:
    """Rows of a sample whose English has at least ``budget`` tokens (the last pair completes it).

    InputError, calling the text ``name``, if all of it has fewer.
    """
    rows = list(range(len(english)))
    random.Random(seed).shuffle(rows)
    total = 0
    for size, row in enumerate(rows, start=1):
        total += len(english[row].split())
        if total >= budget:
            return rows[:size]
    raise InputError(f"--english-tokens must be at most {name} ({total} English tokens), but is {budget}")


def check_budgets(budgets: Sequence[int], seeds: Sequence[int]) -> None:
    """InputError unless all budgets are positive and nothing stands twice."""
    for budget in budgets:
        if budget < 1:
            raise InputError(f"--english-tokens must be at least 1 (tokens), but is {budget}")
    for flag, values in (("--english-tokens", budgets), ("--sample-seeds", seeds)):
        if len(set(values)) != len(values):
            raise InputError(f"{flag} must not repeat a number, but is {','.join(map(str, values))}")
    if budgets and not seeds:
        raise InputError("--sample-seeds must name at least one seed")


def samples(
    text: Parallel, budgets: Sequence[int], seeds: Sequence[int], name: str = "the training text"
) -> dict[str, Parallel]:
    """Every sample by name, in the order of budgets, then seeds."""
    return {
        sample_name(budget, seed): text.take(sample_rows(text.english, budget, seed, name))
        for budget in budgets
        for seed in seeds
    }


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
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), lang: budgets})


def add_sample_arguments(parser: OneLineParser) -> None:
    """The flags of the samples."""
    parser.add_argument(
        "--english-tokens", type=comma_ints, default=(), metavar="N,N",
        help="sizes of the low-resource samples of each target language, in white-space tokens of their English side",
    )  # fmt: skip
    parser.add_argument(
        "--sample-seeds",
        type=comma_ints,
        default=(1,),
        metavar="S,S",
        help="a sample of each size for each seed",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Draw low-resource samples from a pair of line-aligned files."""
    parser = OneLineParser(prog="python -m data_prep.subsample", description=main.__doc__)
    parser.add_argument("--source", type=Path, required=True, metavar="FILE", help="training text, e.g. train.ro")
    parser.add_argument("--target", type=Path, required=True, metavar="FILE", help="its English side, e.g. train.en")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where train-<N>-s<S>.<xx> and .en go")
    add_sample_arguments(parser)
    args = parser.parse_args(argv)
    if not args.english_tokens:
        raise InputError("--english-tokens must name at least one size (tokens)")
    check_budgets(args.english_tokens, args.sample_seeds)
    sides = [path.name.removesuffix(".gz").rpartition(".")[2] for path in (args.source, args.target)]
    for name, text in samples(read_pair(args.source, args.target), args.english_tokens, args.sample_seeds).items():
        write_lines(args.out / f"{name}.{sides[0]}", text.source)
        write_lines(args.out / f"{name}.{sides[1]}", text.english)
        print(f"{name}\t{len(text)} lines\t{count_tokens(text.english)} English tokens")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.subsample"))
