"""The first reading of all raw text, before anything is written: bad files, dev and test lines, amounts of text."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from data_prep.base.errors import raise_all
from data_prep.cleaning.clean_form import match_key, normalise
from data_prep.cleaning.duplicates import hash_keys, hash_sorted
from data_prep.cleaning.held_out import hashes_of
from data_prep.cleaning.split import HELD_OUT, check_splits, read_splits
from data_prep.cleaning.subsample import affordable
from data_prep.corpora.corpus import iter_mono
from data_prep.corpora.id_groups import SeenIds
from data_prep.packs import anchors
from data_prep.pipeline.plan import Plan

SAMPLING = 16  # one of so many different English lines is remembered, to estimate the characters of all


@dataclass
class Size:
    """An amount of text."""

    lines: int = 0
    characters: int = 0

    def add(self, lines: Iterable[str]) -> None:
        """Count some more lines."""
        lengths = [*map(len, lines)]
        self.lines += len(lengths)
        self.characters += sum(lengths)


@dataclass
class LanguageSurvey:
    """The amounts of raw text of one language: its side of the parallel text, the English side, monolingual text.

    ``held_out``: the sorted hashes of the match keys of its dev and test lines, on its own side.
    """

    source: Size = field(default_factory=Size)
    english: Size = field(default_factory=Size)
    mono: Size = field(default_factory=Size)
    held_out: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))


@dataclass(frozen=True)
class Survey:
    """What the first reading has found.

    languages: the amounts of text of each language, English included, by code.
    held_out: (n,) the sorted hashes of the match keys of all dev and test English.
    distinct_english: about how many characters the English lines have, each different line counted once.
    """

    languages: dict[str, LanguageSurvey]
    held_out: np.ndarray
    distinct_english: int


def survey(plan: Plan) -> Survey:
    """Read and check all raw text; one InputError reports all bad files."""
    langs = [*plan.options.roles, plan.english]
    surveys: dict[str, LanguageSurvey] = {lang: LanguageSurvey() for lang in langs}
    english: set[str] = set()
    sample: dict[int, int] = {}
    seen = SeenIds()
    with tqdm(total=len(langs), desc="reading", unit="language", file=sys.stderr, leave=False, disable=None) as bar:

        def read(lang: str) -> None:
            if lang != plan.english:
                english.update(_read_pairs(plan, lang, surveys[lang], sample, seen))
            for path in plan.mono[lang]:
                for lines in iter_mono(path, lang, plan.english):
                    surveys[lang].mono.add(lines)
            for path in anchors.find_dictionaries(plan.options.dictionaries, lang, plan.english):
                anchors.read_word_list(path, quiet=False)
            bar.update()

        raise_all([lambda lang=lang: read(lang) for lang in langs])  # type: ignore[misc]
    seen.check(plan.options.split.groups, str(plan.options.corpus))  # a language may lack a book that others have
    return Survey(surveys, hashes_of(english), SAMPLING * sum(sample.values()))


def _read_pairs(
    plan: Plan, lang: str, surveyed: LanguageSurvey, sample: dict[int, int], seen_in_all: SeenIds
) -> set[str]:
    """Read the parallel text of a language into ``surveyed``; returns the match keys of its dev and test English.

    ``sample`` gets the number of characters of 1 in SAMPLING different English lines, by the hash of the line;
    ``seen_in_all`` gets the ids.
    """
    options, role = plan.options, plan.options.roles[lang]
    lines: Counter[str | None] = Counter()
    source: set[str] = set()
    english: set[str] = set()
    tokens = 0
    seen = SeenIds()
    budgets = options.budgets(lang)
    for split, batch in read_splits(plan.corpora[lang], role, options.split, seen=seen):
        lines[split] += len(batch)
        surveyed.source.add(batch.source)
        surveyed.english.add(batch.english)
        hashes = hash_keys([line.encode() for line in batch.english])
        for row in np.flatnonzero(hashes % SAMPLING == 0).tolist():
            sample[int(hashes[row])] = len(batch.english[row])
        if split in HELD_OUT:
            source.update(match_key(normalise(line)) for line in batch.source)
            english.update(match_key(normalise(line)) for line in batch.english)
        elif split and budgets:
            tokens += sum(len(line.split()) for line in batch.english)
    check_splits(lines, role, str(plan.corpora[lang].all_paths()[0]), seen)
    seen_in_all.add(seen)
    affordable(budgets or (), tokens, f"the training text of {lang}")
    surveyed.held_out = hash_sorted(source)
    return english
