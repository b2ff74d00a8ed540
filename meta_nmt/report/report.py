"""What a report holds: results and all that is shown beside them, gathered, and in no form yet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from meta_nmt.report.results import Result, unique
from meta_nmt.report.significance import Comparison


@dataclass(frozen=True)
class Failure:
    """A job that ended badly: its name, what it said last, and where its log is."""

    job: str
    error: str
    log: str
    tail: str


@dataclass(frozen=True)
class Sample:
    """One test sentence; ``theirs`` is the baseline's translation, where there is one."""

    source: str
    reference: str
    ours: str
    theirs: str | None
    score: float  # chrF of ours, per cent


@dataclass(frozen=True)
class Samples:
    """Translations of one target by one system, best and worst by chrF."""

    target: str
    system: str
    strategy: str
    english_tokens: int
    seed: int
    best: list[Sample]
    worst: list[Sample]


@dataclass(frozen=True)
class Curve:
    """Meta-training of a system. points: (training tokens so far in millions, loss base 2, BLEU or None)."""

    system: str
    points: list[tuple[float, float, float | None]]


@dataclass
class Report:
    """What the page, the Markdown, the JSON and the CSV are made of."""

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
    experiment: dict[str, Any] = field(default_factory=dict)  # the evaluation's record of itself
    choices: list[dict[str, Any]] = field(default_factory=list)  # settings and parents chosen on dev sets
    curves: list[Curve] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)  # a record for each data folder
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    comet: dict[tuple[Any, ...], float] = field(default_factory=dict)  # by the result's name

    @property
    def systems(self) -> list[str]:
        return [system for _, system in sorted({result.system_order for result in self.results})]

    @property
    def targets(self) -> list[str]:
        return unique(result.target for result in self.results)

    @property
    def seeds(self) -> list[int]:
        return sorted({result.seed for result in self.results if result.english_tokens})

    @property
    def full_sizes(self) -> dict[str, int]:
        """English tokens of the whole training text, by target; what was trained on that is the reference."""
        languages = [entry for record in self.data for entry in record["languages"]]
        return {entry["lang"]: entry["english_tokens"] for entry in languages if entry["role"] == "target"}

    def is_full(self, result: Result) -> bool:
        return result.english_tokens > 0 and result.english_tokens == self.full_sizes.get(result.target)

    def best_system(self, target: str) -> list[Result]:
        """The results of a target's best meta-learner (or whatever there is) at the main budget, by mean BLEU over
        seeds."""
        groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
        for result in self.results:
            if result.target == target and result.english_tokens == self.budget:
                groups[result.system, result.strategy].append(result)
        if not groups:
            return []
        contenders = {key: runs for key, runs in groups.items() if key[0] not in ("scratch", "transfer", self.baseline)}
        return max((contenders or groups).values(), key=lambda runs: sum(r.bleu for r in runs) / len(runs))
