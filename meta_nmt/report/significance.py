"""Whether one system's BLEU differs from another's by more than chance: sacreBLEU's paired tests.

Paired bootstrap resampling (Koehn 2004) and approximate randomisation (Riezler and Maxwell 2005), both two-sided, with
sacreBLEU's numbers of trials and its seed: for one seed of an experiment they are what `sacrebleu --paired-bs` and
`--paired-ar` print.

Several seeds translate the same test sentences, and those translations are not independent of each other. So what is
resampled is the sentence, with its translations by all seeds: their statistics are added up. Over several targets the
sentences of all of them are resampled together.

Those two tests say whether other sentences would show the difference; they know nothing of other samples and training
runs. A paired t-test does: what it takes as one observation is a seed's difference, its mean over the targets. It wants
two seeds, and has little power with three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from meta_nmt.report.results import BASELINE, Result

TESTS = ("bs", "ar")  # sacreBLEU's names of its tests
T_TEST = "t"
TITLES = {"bs": "paired bootstrap", "ar": "approximate randomisation", T_TEST: "t-test over seeds"}
ALL_TARGETS = "all"
# a strategy that the baseline does not have is compared with what fine-tuning does by default
STRATEGY_OF_BASELINE = {"learned": "emb_enc"}


class CountedBLEU(BLEU):
    """BLEU of sentences whose statistics are known: a hypothesis is a row of them (10,).

    As floating-point numbers, which hold such counts exactly, they are added up by BLAS: ten times as fast.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_refs = 1  # sacreBLEU's signature wants it, and counts it where it counts n-grams

    def _extract_corpus_statistics(self, hypotheses: Any, references: Any) -> Any:
        return hypotheses

    def _aggregate_and_compute(self, stats: Any) -> Any:
        return self._compute_score_from_stats(np.asarray(stats).sum(axis=0).tolist())


@dataclass(frozen=True)
class Comparison:
    """delta: BLEU of ``system`` minus that of ``against``, of all seeds' sentences together (t-test: the mean of the
    seeds'); p: of a difference as large by chance."""

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


def paired_test(pairs: Sequence[Pair], test: str) -> tuple[float, float]:
    """(delta, p) over the sentences of all ``pairs``, each with its translations by all seeds."""
    theirs, ours = (
        np.concatenate([np.sum([result.statistics for result in getattr(pair, side)], axis=0) for pair in pairs])
        for side in ("theirs", "ours")
    )
    systems: Any = [("baseline", theirs), ("system", ours)]
    _, scores = PairedTest(systems, {"BLEU": CountedBLEU()}, None, test_type=test)()
    baseline: Any
    system: Any
    baseline, system = scores["BLEU"]
    return system.score - baseline.score, system.p_value


def common_seeds(pairs: Sequence[Pair]) -> list[int]:
    """The seeds that every target has."""
    return sorted(set[int].intersection(*(set(pair.seeds) for pair in pairs)))


def t_test(pairs: Sequence[Pair]) -> tuple[float, float]:
    """(delta, p) over seeds: each one's difference of BLEU, the mean over targets, is an observation. 1 where they
    are all the same: copies of one run are no repetition."""
    by_seed = [{a.seed: a.bleu - b.bleu for a, b in zip(pair.ours, pair.theirs, strict=True)} for pair in pairs]
    deltas = np.array([np.mean([delta_of[seed] for delta_of in by_seed]) for seed in common_seeds(pairs)])
    p = 1.0 if np.ptp(deltas) < 1e-9 else float(scipy.stats.ttest_1samp(deltas, 0.0).pvalue)
    return float(deltas.mean()), p


def pairs_of(results: Sequence[Result], baseline: str) -> dict[tuple[int, str, str], list[Pair]]:
    """(English tokens, strategy, system) -> a pair for each target; seeds that both have.

    The baseline's zero-shot translation and a system's are compared as any other cell.
    """
    by_cell: dict[tuple[str, int, str], dict[str, dict[int, Result]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        by_cell[result.cell][result.system][result.seed] = result
    pairs: dict[tuple[int, str, str], list[Pair]] = defaultdict(list)
    for (target, tokens, strategy), systems in by_cell.items():
        of_baseline = by_cell.get((target, tokens, STRATEGY_OF_BASELINE.get(strategy, strategy)), {}).get(baseline, {})
        for system, by_seed in systems.items():
            seeds = sorted(set(by_seed) & set(of_baseline))
            if seeds and system not in (baseline, "scratch"):
                ours, theirs = (tuple(runs[seed] for seed in seeds) for runs in (by_seed, of_baseline))
                if all(_same_references(a, b) for a, b in zip(ours, theirs, strict=True)):
                    pairs[tokens, strategy, system].append(Pair(target, ours, theirs))
    return dict(pairs)


def _same_references(a: Result, b: Result) -> bool:
    return a.references.read_bytes() == b.references.read_bytes()


def against(baseline: str, strategy: str) -> str:
    """The baseline's name, with its strategy where that is another one."""
    strategy_of_baseline = STRATEGY_OF_BASELINE.get(strategy, strategy)
    return baseline if strategy_of_baseline == strategy else f"{baseline}, {strategy_of_baseline}"


Task = tuple[str, int, str, str, str, list[Pair], str]  # the fields of a comparison, its pairs, and the test


def tasks(results: Sequence[Result], baseline: str = BASELINE, by_seed: bool = False) -> list[Task]:
    """Every comparison to make: of each cell over its seeds, and over targets; or, ``by_seed``, of single seeds, with
    the quicker of the tests."""
    comparisons: list[Task] = []
    for (tokens, strategy, system), pairs in pairs_of(results, baseline).items():
        name = (tokens, strategy, system, against(baseline, strategy))
        if by_seed:
            groups = [(p.target, [Pair(p.target, (a,), (b,))]) for p in pairs
                      for a, b in zip(p.ours, p.theirs, strict=True)]  # fmt: skip
        else:
            groups = [(pair.target, [pair]) for pair in pairs]
            if len(pairs) > 1:
                groups.append((ALL_TARGETS, pairs))
        for target, group in groups:
            tests = TESTS[:1] if by_seed else (*TESTS, *([T_TEST] if len(common_seeds(group)) > 1 else []))
            comparisons += [(target, *name, group, test) for test in tests]
    return comparisons


def compare(
    target: str, tokens: int, strategy: str, system: str, opponent: str, pairs: list[Pair], test: str
) -> Comparison:
    """One comparison, made."""
    delta, p = t_test(pairs) if test == T_TEST else paired_test(pairs, test)
    seeds = tuple(sorted({seed for pair in pairs for seed in pair.seeds}))
    return Comparison(target, tokens, strategy, system, opponent, delta, p, test, seeds)
