"""The content of a report, before it gets a form: results, and all that is shown beside them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from meta_nmt.report.results import Result, unique
from meta_nmt.report.significance import Comparison


@dataclass(frozen=True)
class Failure:
    """A job that failed: its name, its error, the path of its log, and the last lines of that."""

    job: str
    error: str
    log: str
    tail: str


@dataclass(frozen=True)
class Sample:
    """A test sentence with its translation, and the baseline's translation where there is one (``theirs``)."""

    source: str
    reference: str
    ours: str
    theirs: str | None
    score: float  # chrF of ours, per cent


@dataclass(frozen=True)
class Samples:
    """Translations of one target's test set by one system: the best and the worst by chrF."""

    target: str
    system: str
    strategy: str
    english_tokens: int
    seed: int
    best: list[Sample]
    worst: list[Sample]


@dataclass(frozen=True)
class Curve:
    """The meta-training of a system.

    points: (training tokens so far in millions, loss base 2, BLEU or None).
    """

    system: str
    points: list[tuple[float, float, float | None]]


@dataclass
class Report:
    """The content that the page, the Markdown, the JSON and the CSV are made from."""

    title: str
    results: list[Result]
    baseline: str
    budget: int  # English tokens of the main table
    significance: list[Comparison]
    by_seed: list[Comparison]
    commit: str
    versions: dict[str, str]
    failures: list[Failure] = field(default_factory=list)
    unfinished: int = 0  # jobs of the evaluation that have no result yet
    experiment: dict[str, Any] = field(default_factory=dict)  # the last experiment line of the results file
    choices: list[dict[str, Any]] = field(default_factory=list)  # settings and parents chosen on dev sets
    curves: list[Curve] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)  # a record for each data folder
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    comet: dict[tuple[Any, ...], float] = field(default_factory=dict)  # by the result's name

    @property
    def systems(self) -> list[str]:
        """The systems, baselines first."""
        return [system for _, system in sorted({result.system_order for result in self.results})]

    @property
    def targets(self) -> list[str]:
        """The target languages, in the order of the results."""
        return unique(result.target for result in self.results)

    @property
    def seeds(self) -> list[int]:
        """The seeds of all adaptations."""
        return sorted({result.seed for result in self.results if result.english_tokens})

    @property
    def full_sizes(self) -> dict[str, int]:
        """English tokens of the whole training text of each target; systems trained on that are the reference."""
        languages = [entry for record in self.data for entry in record["languages"]]
        return {entry["lang"]: entry["english_tokens"] for entry in languages if entry["role"] == "target"}

    def is_full(self, result: Result) -> bool:
        """Whether a result is of a system that was trained on the whole text of its target."""
        return result.english_tokens > 0 and result.english_tokens == self.full_sizes.get(result.target)

    def best_system(self, target: str) -> list[Result]:
        """The results of a target's best system at the main budget, by mean BLEU over seeds.

        A baseline is the best only where there is no other system.
        """
        groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
        for result in self.results:
            if result.target == target and result.english_tokens == self.budget:
                groups[result.system, result.strategy].append(result)
        if not groups:
            return []
        contenders = {key: runs for key, runs in groups.items() if key[0] not in ("scratch", "transfer", self.baseline)}
        return max((contenders or groups).values(), key=lambda runs: sum(r.bleu for r in runs) / len(runs))
