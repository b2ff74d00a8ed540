"""Tests of whether one system's BLEU differs from another's by more than chance.

Two tests are sacreBLEU's: paired bootstrap resampling (Koehn 2004) and approximate randomisation (Riezler and Maxwell
2005). Both are two-sided, with sacreBLEU's numbers of trials and its seed. For one seed of an experiment they give what
`sacrebleu --paired-bs` and `--paired-ar` print.

Several seeds translate the same test sentences, and these translations are not independent of each other. So a
sentence is resampled together with its translations by all seeds, whose statistics are added up. The sentences of
several targets are resampled together.

These two tests say whether other sentences would show the difference. They know nothing of other samples and training
runs; a paired t-test does. One of its observations is the difference of one seed, the mean over the targets. It needs
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
    """BLEU of sentences whose statistics are known: a hypothesis is a row of statistics (10,).

    The statistics are floating-point numbers, which hold such counts exactly, so that BLAS adds them up ten times as
    fast.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_refs = 1  # sacreBLEU's signature needs it; sacreBLEU sets it only where it counts n-grams

    def _extract_corpus_statistics(self, hypotheses: Any, references: Any) -> Any:
        return hypotheses

    def _aggregate_and_compute(self, stats: Any) -> Any:
        return self._compute_score_from_stats(np.asarray(stats).sum(axis=0).tolist())


@dataclass(frozen=True)
class Comparison:
    """The outcome of one test.

    delta: BLEU of ``system`` minus BLEU of ``against``, over the sentences of all seeds together; for the t-test, the
        mean of the seeds' differences.
    p: the probability of so large a difference by chance.
    """

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
        """The comparison as a row of the JSON report."""
        fields = ("target", "english_tokens", "strategy", "system", "against", "delta", "p", "test")
        return {name: getattr(self, name) for name in fields}


@dataclass(frozen=True)
class Pair:
    """The results of a system (``ours``) and of the baseline (``theirs``) at one target, seed by seed."""

    target: str
    ours: tuple[Result, ...]
    theirs: tuple[Result, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that both have results of, in order."""
        return tuple(result.seed for result in self.ours)


def paired_test(pairs: Sequence[Pair], test: str) -> tuple[float, float]:
    """The pair (delta, p) over the sentences of all ``pairs``, each with its translations by all seeds."""
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
    """The pair (delta, p) over seeds: an observation is the difference of BLEU of one seed, the mean over targets.

    p is 1 where all differences are equal: copies of one run are no repetition.
    """
    by_seed = [{a.seed: a.bleu - b.bleu for a, b in zip(pair.ours, pair.theirs, strict=True)} for pair in pairs]
    deltas = np.array([np.mean([delta_of[seed] for delta_of in by_seed]) for seed in common_seeds(pairs)])
    p = 1.0 if np.ptp(deltas) < 1e-9 else float(scipy.stats.ttest_1samp(deltas, 0.0).pvalue)
    return float(deltas.mean()), p


def pairs_of(results: Sequence[Result], baseline: str) -> dict[tuple[int, str, str], list[Pair]]:
    """A `Pair` for each target, of the seeds that both sides have, by (English tokens, strategy, system).

    Zero-shot translations of the baseline and of a system are compared as any other cell.
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
    """The name of the baseline, with its strategy where that is another than ``strategy``."""
    strategy_of_baseline = STRATEGY_OF_BASELINE.get(strategy, strategy)
    return baseline if strategy_of_baseline == strategy else f"{baseline}, {strategy_of_baseline}"


Task = tuple[str, int, str, str, str, list[Pair], str]  # the fields of a comparison, its pairs, and the test


def tasks(results: Sequence[Result], baseline: str = BASELINE, by_seed: bool = False) -> list[Task]:
    """Every comparison to make: of each cell over its seeds, and of all targets together.

    With ``by_seed`` they are comparisons of single seeds, by the quicker of sacreBLEU's tests.
    """
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
    """Make one comparison, by the test that it asks for."""
    delta, p = t_test(pairs) if test == T_TEST else paired_test(pairs, test)
    seeds = tuple(sorted({seed for pair in pairs for seed in pair.seeds}))
    return Comparison(target, tokens, strategy, system, opponent, delta, p, test, seeds)
