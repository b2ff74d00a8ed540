"""Whether one system's BLEU differs from another's by more than chance: sacreBLEU's paired tests.

Paired bootstrap resampling (Koehn 2004) and approximate randomisation (Riezler and Maxwell 2005), both two-sided, with
sacreBLEU's numbers of trials and its seed: for one seed of an experiment they are what `sacrebleu --paired-bs` and
`--paired-ar` print.

Several seeds translate the same test sentences, and those translations are not independent of each other. So what is
resampled is the sentence, with its translations by all seeds: their statistics are added up. Over several targets the
sentences of all of them are resampled together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from meta_nmt.report.results import Result, read_lines

TESTS = ("bs", "ar")  # sacreBLEU's names of the tests
TITLES = {"bs": "paired bootstrap", "ar": "approximate randomisation"}
ALL_TARGETS = "all"
BASELINE = "joint"
# a strategy that the baseline does not have is compared with what fine-tuning does by default
STRATEGY_OF_BASELINE = {"learned": "emb_enc"}

Lines = list[str]


class GroupedBLEU(BLEU):
    """BLEU whose segments are groups of sentences: a hypothesis is a list of them, a reference too."""

    def _extract_corpus_statistics(self, hypotheses: Sequence[Any], references: Sequence[Sequence[Any]]) -> Any:
        sizes = [len(group) for group in hypotheses]
        flat = [line for group in hypotheses for line in group]
        flat_references = [[line for group in stream for line in group] for stream in references]
        rows = iter(super()._extract_corpus_statistics(flat, flat_references))
        return [[sum(column) for column in zip(*(next(rows) for _ in range(n)), strict=True)] for n in sizes]


@dataclass(frozen=True)
class Comparison:
    """delta: BLEU of ``system`` minus that of ``against``, over all seeds; p: of a difference as large by chance."""

    target: str
    english_tokens: int
    strategy: str
    system: str
    against: str
    delta: float
    p: float
    test: str
    seeds: tuple[int, ...]

    def as_row(self) -> dict[str, Any]:
        fields = ("target", "english_tokens", "strategy", "system", "against", "delta", "p", "test")
        return {name: getattr(self, name) for name in fields}


@dataclass(frozen=True)
class Pair:
    """Results of a system and of the baseline at one target, seed by seed."""

    target: str
    ours: tuple[Result, ...]
    theirs: tuple[Result, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(result.seed for result in self.ours)


def _grouped(results: Sequence[Result], texts: dict[Any, Lines], field: str) -> list[tuple[str, ...]]:
    """For each test sentence, its lines by the seeds."""
    for result in results:
        path = getattr(result, field)
        if path not in texts:
            texts[path] = read_lines(path)
    return list(zip(*(texts[getattr(result, field)] for result in results), strict=True))


def paired_test(pairs: Sequence[Pair], test: str, texts: dict[Any, Lines]) -> tuple[float, float]:
    """(delta, p) over the sentences of all ``pairs``; ``texts`` keeps files that were read."""
    ours, theirs, references = [], [], []
    for pair in pairs:
        ours += _grouped(pair.ours, texts, "hypotheses")
        theirs += _grouped(pair.theirs, texts, "hypotheses")
        references += _grouped(pair.ours, texts, "references")
    systems: Any = [("baseline", theirs), ("system", ours)]
    _, scores = PairedTest(systems, {"BLEU": GroupedBLEU()}, [references], test_type=test)()  # type: ignore[list-item]
    baseline: Any
    system: Any
    baseline, system = scores["BLEU"]
    return system.score - baseline.score, system.p_value


def pairs_of(results: Sequence[Result], baseline: str) -> dict[tuple[int, str, str], list[Pair]]:
    """(English tokens, strategy, system) -> a pair for each target; seeds that both have.

    The baseline's zero-shot translation and a system's are compared as any other cell.
    """
    by_cell: dict[tuple[str, int, str], dict[str, dict[int, Result]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        by_cell[result.cell][result.system][result.seed] = result
    pairs: dict[tuple[int, str, str], list[Pair]] = defaultdict(list)
    for (target, tokens, strategy), systems in by_cell.items():
        other = by_cell.get((target, tokens, STRATEGY_OF_BASELINE.get(strategy, strategy)), {}).get(baseline, {})
        for system, by_seed in systems.items():
            seeds = sorted(set(by_seed) & set(other))
            if seeds and system not in (baseline, "scratch"):
                ours, theirs = (tuple(runs[seed] for seed in seeds) for runs in (by_seed, other))
                if all(_same_references(a, b) for a, b in zip(ours, theirs, strict=True)):
                    pairs[tokens, strategy, system].append(Pair(target, ours, theirs))
    return dict(pairs)


def _same_references(a: Result, b: Result) -> bool:
    return a.references.read_bytes() == b.references.read_bytes()


def against(baseline: str, strategy: str) -> str:
    """The baseline's name, with its strategy where that is another one."""
    other = STRATEGY_OF_BASELINE.get(strategy, strategy)
    return baseline if other == strategy else f"{baseline}, {other}"


Task = tuple[str, int, str, str, str, list[Pair], str]  # the fields of a comparison, its pairs, and the test


def tasks(results: Sequence[Result], baseline: str = BASELINE, by_seed: bool = False) -> list[Task]:
    """Every comparison to make: of each cell over its seeds, and over targets; or, ``by_seed``, of single seeds."""
    found: list[Task] = []
    for (tokens, strategy, system), pairs in pairs_of(results, baseline).items():
        name = (tokens, strategy, system, against(baseline, strategy))
        if by_seed:
            groups = [(p.target, [Pair(p.target, (a,), (b,))]) for p in pairs
                      for a, b in zip(p.ours, p.theirs, strict=True)]  # fmt: skip
        else:
            groups = [(pair.target, [pair]) for pair in pairs]
            if len(pairs) > 1:
                groups.append((ALL_TARGETS, pairs))
        found += [(target, *name, group, test) for target, group in groups for test in TESTS]
    return found


def compare(work: Iterable[Task]) -> list[Comparison]:
    """The comparisons made, in order."""
    texts: dict[Any, Lines] = {}
    made = []
    for target, tokens, strategy, system, other, pairs, test in work:
        delta, p = paired_test(pairs, test, texts)
        seeds = tuple(sorted({seed for pair in pairs for seed in pair.seeds}))
        made.append(Comparison(target, tokens, strategy, system, other, delta, p, test, seeds))
    return made
