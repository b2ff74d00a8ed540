"""Pairs of languages that the starter has never read, as a user would have them: a few hundred, and a test set.

    python -m recipes.starter.samples --packs PACKS --out OUT

PACKS holds the folders bible, bible-world, tatoeba, ntrex, wmt, lafand and loresmt-ga. OUT/ha/600-s1.tsv has 600 pairs
of Hausa, drawn with seed 1; OUT/ha/test.tsv its test set. Tests are official where there are some: LAFAND, LoResMT and
WMT's newstests; the last 1,000 sentences of Tatoeba's; the book of John, which all text of the starter is without.
"""

from __future__ import annotations

import random
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import write_lines
from data_prep.base.text_files import read_lines

SIZES, SEEDS = (100, 600, 2000), (1, 2, 3)
HELD_OUT = ("JHN", "HEB", "JAS")  # books that the starter has in no language
TEST_BOOK = "JHN"
TATOEBA_TEST = 1000
Lines = list[str]  # X, tab, English


def pairs(own: Sequence[str], english: Sequence[str]) -> Lines:
    """Lines of two files as lines of pairs."""
    return [f"{x}\t{y}" for x, y in zip(own, english, strict=True)]


def bible(packs: Path, place: str) -> tuple[Lines, Lines]:
    """The pool that pairs are drawn from, and the test set, of a Bible."""
    english = dict(line.split("\t") for line in read_lines(packs / "bible/en.tsv.gz"))
    pool, test = [], []
    for line in read_lines(packs / place):
        verse, text = line.split("\t")
        book = verse.partition(".")[0]
        if verse in english and book not in HELD_OUT:
            pool.append(f"{text}\t{english[verse]}")
        elif verse in english and book == TEST_BOOK:
            test.append(f"{text}\t{english[verse]}")
    return pool, test


def lafand(packs: Path, lang: str) -> tuple[Lines, Lines]:
    """News of Africa, with its official test set (LAFAND-MT, Adelani et al. 2022)."""
    folder = packs / "lafand" / f"{lang}-en"
    pool, test = (
        pairs(read_lines(folder / f"{split}.{lang}.gz"), read_lines(folder / f"{split}.en.gz"))
        for split in ("train", "test")
    )
    return pool, test


def loresmt(packs: Path) -> tuple[Lines, Lines]:
    """Irish on COVID-19, with its official test set (LoResMT 2021)."""
    folder = packs / "loresmt-ga"
    pool, test = (
        pairs(read_lines(folder / f"{name}.ga.gz"), read_lines(folder / f"{name}.en.gz"))
        for name in ("train", "test.ga2en")
    )
    return pool, test


def news(packs: Path, lang: str) -> tuple[Lines, Lines]:
    """NTREX, and newstest2017 of WMT as the test set."""
    own, english = (
        dict(line.split("\t") for line in read_lines(packs / "ntrex" / f"{code}.tsv.gz")) for code in (lang, "en")
    )
    pool = [f"{text}\t{english[key]}" for key, text in own.items()]
    return pool, read_lines(packs / "wmt" / f"{lang}-en" / "newstest2017.tsv.gz")


def tatoeba(packs: Path, lang: str) -> tuple[Lines, Lines]:
    """Everyday sentences, of which the last are the test set."""
    lines = read_lines(packs / "tatoeba" / f"{lang}-en.tsv.gz")
    return lines[:-TATOEBA_TEST], lines[-TATOEBA_TEST:]


READERS: dict[str, Callable[[Path], tuple[Lines, Lines]]] = {
    "ha": partial(lafand, lang="ha"),
    "tn": partial(lafand, lang="tn"),
    "yo": partial(lafand, lang="yo"),
    "ga": loresmt,
    "lv": partial(news, lang="lv"),
    "tr": partial(news, lang="tr"),
    "fi": partial(tatoeba, lang="fi"),
    "ko": partial(bible, place="bible/ko.tsv.gz"),
    "my": partial(bible, place="bible-world/mya.tsv.gz"),
    "he": partial(bible, place="bible-world/heb.tsv.gz"),
    "tl": partial(bible, place="bible-world/tgl.tsv.gz"),
    "hyw": partial(bible, place="bible-world/hyw.tsv.gz"),
}


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.starter.samples", description=main.__doc__)
    parser.add_argument("--packs", type=Path, required=True, metavar="DIR", help="bible, bible-world, lafand, ...")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the samples go")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw samples of the languages that the starter is tested on, and write their test sets."""
    args = parse_args(argv)
    for lang, read in READERS.items():
        try:
            pool, test = read(args.packs)
        except FileNotFoundError as error:
            raise InputError(f"{error.filename}: must exist, but does not") from error
        # a pair of the test set is none of the sample, whatever its case
        tested = {line.partition("\t")[2].lower() for line in test}
        pool = [line for line in pool if line.partition("\t")[2].lower() not in tested]
        (args.out / lang).mkdir(parents=True, exist_ok=True)
        write_lines(args.out / lang / "test.tsv", test)
        for seed in SEEDS:
            order = random.Random(seed).sample(pool, len(pool))
            for size in SIZES:  # the small sample is part of the large one
                write_lines(args.out / lang / f"{size}-s{seed}.tsv", order[:size])
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.starter.samples"))
