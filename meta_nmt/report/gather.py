"""Everything that a report shows, gathered from results, training logs and data folders. What is not there (a data
folder that was moved, a log that an older version did not keep) is left out, never made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sacrebleu.metrics import CHRF
from tqdm import tqdm

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256
from data_prep.base.versions import commit, versions
from data_prep.base.workers import cores, in_order, worker_pool
from data_prep.cleaning.split import HELD_OUT
from meta_nmt import ledger
from meta_nmt.data.roles import added_card, added_role
from meta_nmt.report.results import Result, find_ledger, read_lines, read_result, result_files, unique
from meta_nmt.report.significance import ALL_TARGETS, BASELINE, Comparison, compare, tasks
from meta_nmt.runs import training_log

PACKAGES = ("meta-nmt", "torch", "fairseq-fixed", "sacrebleu", "sentencepiece", "numpy")
MAIN_BUDGET = 16_000  # English tokens: the paper's table
MANY = 12  # results; from here on processes are worth their start
SHOWN_SAMPLES = 4  # best and worst translations of a target
SHOWN_PIECES = 8
LOG_TAIL = 12  # lines of a failed job's log
SEEDED_FIELDS = ("target", "english_tokens", "strategy", "system")


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


def make_report(paths: Sequence[Path], title: str, baseline: str = BASELINE, budget: int | None = None) -> Report:
    """Read, score and compare everything; progress on stderr where there is much of it. ``budget``: English tokens of
    the main table.

    Raises:
        InputError: a result is damaged, there is none, or there are two of one name.
    """
    files = unique(file for path in paths for file in result_files(path))
    with worker_pool(cores() if len(files) >= MANY else 1) as pool:
        results = _distinct(_all(pool, read_result, [(file,) for file in files], "scoring"))
        cells = tasks(results, baseline)
        seeds = tasks(results, baseline, by_seed=True)
        made = _all(pool, compare, [*cells, *seeds], "comparing")
    report = Report(
        title=title,
        results=results,
        baseline=baseline,
        budget=0,
        significance=made[: len(cells)],
        by_seed=made[len(cells) :],
        commit=commit(),
        versions=versions(PACKAGES),
    )
    for path in paths:
        results_file = find_ledger(path)
        if results_file is not None:
            _add_evaluation(report, results_file)
    report.data = [record for folder in data_folders(report) if (record := data_record(folder, report.targets))]
    report.budget = main_budget(report) if budget is None else budget
    report.curves = curves(results)
    report.samples = [found for target in report.targets if (found := samples(report, target))]
    report.neighbours = neighbours(report)
    return report


def _all(pool: Executor | None, function: Any, jobs: list[tuple], title: str) -> list[Any]:
    done = in_order(pool, function, jobs)
    return list(tqdm(done, total=len(jobs), desc=title, disable=pool is None, leave=False))


def _distinct(found: Iterable[Result]) -> list[Result]:
    """In the report's order; InputError if two results have one name."""
    results: dict[tuple[Any, ...], Result] = {}
    for result in found:
        known = results.setdefault(result.name, result)
        if known.hypotheses.resolve() != result.hypotheses.resolve():
            raise InputError(
                f"{result.hypotheses.parent}/result.json: must be another system, target, size, strategy or seed than "
                f"{known.hypotheses.parent}/result.json, but is the same: {result.name}"
            )
    return sorted(results.values(), key=lambda result: result.order)


def _add_evaluation(report: Report, results_file: Path) -> None:
    """What a results file says beside its finished cells."""
    lines = ledger.read_ledger(results_file)
    report.experiment = ledger.experiment(lines)
    jobs = ledger.latest(lines)
    report.choices += ledger.choices(lines).values()
    for name, job in jobs.items():
        if job["state"] == "failed":
            log = results_file.parent / job["log"]
            report.failures.append(Failure(name, job["error"], job["log"], tail(log)))
    report.unfinished += len(set(report.experiment.get("jobs", [])) - set(jobs))


def tail(log: Path) -> str:
    """The last lines of a log; empty where it is gone."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
    except OSError:
        return ""


def main_budget(report: Report) -> int:
    """English tokens of the main table: the paper's, or else the largest to which anything was adapted, full data
    aside; 0 where nothing was."""
    adapted = [r for r in report.results if r.english_tokens and not report.is_full(r)]
    sizes = {r.english_tokens for r in adapted if r.system != "scratch"} or {r.english_tokens for r in adapted}
    return MAIN_BUDGET if MAIN_BUDGET in sizes else max(sizes, default=0)


def data_folders(report: Report) -> list[Path]:
    """Data folders that the results name and that are there."""
    named = unique(result.data for result in report.results if result.data)
    return [Path(name) for name in named if DataFolder(name).record.is_file()]


def data_record(folder: Path, targets: Sequence[str]) -> dict[str, Any] | None:
    """Hashes, sizes and the leakage audit of a data folder, with the targets that were added to it later; None where
    its record has another form."""
    try:
        record = read_json(DataFolder(folder).record)
        english = record["target_lang"]
        languages = [
            {
                "lang": lang,
                "role": entry["role"],
                "lines": entry["splits"]["train"]["lines"],
                "english_tokens": entry["splits"]["train"]["english_tokens"],
                "precision": entry["alignment"]["precision_at_1"],
                **{name: entry["audit"][name] for name in ("held_out", "overlaps")},
                "audited": entry["audit"]["lines"],
                "sha256": sha256(DataFolder(folder, english).binary_record(lang)),
            }
            for lang, entry in record["languages"].items()
        ]
        languages += [
            added_record(added_card(folder, lang))
            for lang in targets
            if lang not in record["languages"] and added_role(folder, lang)
        ]
        audit = record["english"]["audit"]
    except (InputError, OSError, KeyError, TypeError):
        return None
    return {
        "folder": str(folder),
        "sha256": sha256(DataFolder(folder).record),
        "languages": languages,
        "english": {"lang": english, "audited": audit["lines"], "held_out": audit["held_out"],
                    "overlaps": audit["overlaps"]},
    }  # fmt: skip


def added_record(path: Path) -> dict[str, Any]:
    """The same of a language that meta-nmt-add-language made: its training text was not audited, but cleaned of its dev
    and test lines; what is counted are those whose English the model may have seen in meta-training."""
    card = read_json(path)
    splits = card["text"]["splits"]
    return {
        "lang": card["lang"],
        "role": card["role"],
        "added": True,
        "lines": splits["train"]["lines"],
        "english_tokens": splits["train"]["english_tokens"],
        "precision": card["alignment"]["precision_at_1"],
        "audited": None,
        "held_out": sum(splits[name]["lines"] for name in HELD_OUT if name in splits),
        "overlaps": card["held_out_in_meta_training"],
        "sha256": sha256(path),
    }


def curves(results: Sequence[Result]) -> list[Curve]:
    """Meta-validation during the training behind each system, over the training tokens spent, its start included."""
    found: dict[str, list[tuple[float, float, float | None]]] = {}
    for result in results:
        name = result.system
        if name in found:
            continue
        points, before = [], 0
        for run, tokens in _training_runs(result.cost):
            validations = training_log.read(run).get("valid", [])
            last = validations[-1]["updates"] if validations else 1
            points += [((before + tokens * v["updates"] / last) / 1e6, v["loss"], v.get("bleu")) for v in validations]
            before += tokens
        if points:
            found[name] = points
    return [Curve(system, points) for system, points in found.items()]


def _training_runs(costs: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """(save dir, training tokens) of the meta-training runs, oldest first."""
    runs: dict[str, int] = defaultdict(int)
    for cost in costs:
        if cost["kind"] == "train":
            runs[cost["run"]] += cost["train_tokens"]
    return list(runs.items())


def best_system(report: Report, target: str) -> list[Result]:
    """The results of the best meta-learner (or whatever there is) at the main budget, by mean BLEU over seeds."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in report.results:
        if result.target == target and result.english_tokens == report.budget:
            groups[result.system, result.strategy].append(result)
    if not groups:
        return []
    others = {key: runs for key, runs in groups.items() if key[0] not in ("scratch", "transfer", report.baseline)}
    return max((others or groups).values(), key=lambda runs: sum(r.bleu for r in runs) / len(runs))


def samples(report: Report, target: str) -> Samples | None:
    """Best and worst translations by sentence chrF, of the best system's first seed; the baseline's beside them."""
    runs = best_system(report, target)
    if not runs:
        return None
    result = runs[0]
    same = (result.target, result.english_tokens, result.seed)
    baseline = [
        other
        for other in report.results
        if (other.target, other.english_tokens, other.seed) == same and other.system == report.baseline != result.system
    ]
    baseline.sort(key=lambda other: other.strategy != result.strategy)
    ours, references = read_lines(result.hypotheses), read_lines(result.references)
    theirs = read_lines(baseline[0].hypotheses) if baseline else [None] * len(ours)
    sources = read_lines(result.sources) if result.sources else [""] * len(ours)
    chrf = CHRF()
    scored = [
        Sample(source, reference, hypothesis, other, chrf.sentence_score(hypothesis, [reference]).score)
        for source, reference, hypothesis, other in zip(sources, references, ours, theirs, strict=True)
    ]
    # long enough to show something; a stable sort keeps the order of the test set
    scored = sorted((s for s in scored if len(s.reference.split()) >= 5), key=lambda s: s.score) or scored
    count = min(SHOWN_SAMPLES, (len(scored) + 1) // 2)
    return Samples(target, result.system, result.strategy, result.english_tokens, result.seed,
                   scored[::-1][:count], scored[:count])  # fmt: skip


def neighbours(report: Report) -> list[dict[str, Any]]:
    """Universal tokens that the most frequent word pieces of each target are made of, in its best adapted model."""
    found = []
    for target in report.targets:
        for result in best_system(report, target)[:1]:
            if result.checkpoint and result.data and Path(result.checkpoint).is_file():
                with suppress(InputError, OSError):
                    found.append(_neighbours(result))
    return found


def _neighbours(result: Result) -> dict[str, Any]:
    from meta_nmt.report.universal import nearest_pieces  # it loads a model: only where there is one

    pieces = nearest_pieces(str(result.data), str(result.checkpoint), result.target, SHOWN_PIECES)
    return {"target": result.target, "system": result.system, "strategy": result.strategy, "pieces": pieces}


def full_name(comparison: Comparison) -> str:
    return "all targets" if comparison.target == ALL_TARGETS else comparison.target
