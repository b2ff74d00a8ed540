"""Monolingual text for self-training: which lines of a data folder are translated."""

from __future__ import annotations

import random
from collections.abc import Collection

from data_prep.base.data_folder import DataFolder
from data_prep.base.text_files import read_lines

FEWEST = 200  # lines, and pairs made of them: fewer are not worth a second adaptation
Pairs = list[tuple[str, str]]  # X and English


def monolingual_lines(data: DataFolder, lang: str, without: Collection[str], most: int, seed: int) -> list[str]:
    """At most so many different lines of a language, in random order.

    They are of the domain, that is, of the language's training text. Where that has less than FEWEST, other monolingual
    text is taken too: text of another domain can make a model worse (lab book, entry 21).

    without: lines that are left out, such as those of the sample.
    """
    rng = random.Random(seed)
    left_out = set(without)
    lines: list[str] = []
    for path in (data.text(lang).sides("train")[0], data.mono(lang).extra):
        if len(lines) < min(most, FEWEST) and path.is_file():
            new = [line for line in dict.fromkeys(read_lines(path)) if line not in left_out]
            rng.shuffle(new)
            lines += new[: most - len(lines)]
            left_out.update(lines)
    return lines


def lines_beside_sample(data: DataFolder, lang: str, sample: str, most: int, seed: int) -> tuple[Pairs, list[str]]:
    """The pairs of a sample, and at most so many lines of the language beside them (`monolingual_lines`)."""
    real: Pairs = list(zip(*map(read_lines, data.text(lang).sides(sample)), strict=True))
    return real, monolingual_lines(data, lang, [source for source, _ in real], most, seed)


def fault_of_lines(most: int) -> str | None:
    """What is wrong with ``--self-train``, in words; None if nothing is."""
    return None if most == 0 or most >= FEWEST else f"`--self-train` must be 0 or at least {FEWEST}, but is {most}"
