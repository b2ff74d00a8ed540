"""Gathering of all that a report shows, from results, training logs and data folders.

What is not there is left out, such as a data folder that was moved, or a log that an older version did not keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.base.errors import InputError
from data_prep.base.versions import commit, versions
from data_prep.base.workers import cores, in_order, worker_pool
from meta_nmt import ledger
from meta_nmt.report.curves import curves
from meta_nmt.report.data_record import data_folders, data_record
from meta_nmt.report.neighbours import neighbours
from meta_nmt.report.report import Failure, Report
from meta_nmt.report.results import BASELINE, Result, find_ledger, read_result, result_files, unique
from meta_nmt.report.samples import samples
from meta_nmt.report.significance import compare, tasks

PACKAGES = ("meta-nmt", "torch", "fairseq-fixed", "sacrebleu", "sentencepiece", "numpy")
MAIN_BUDGET = 16_000  # English tokens: the paper's table
MANY = 12  # results; with so many, several processes are faster than one
LOG_TAIL = 12  # lines of a failed job's log


def make_report(
    paths: Sequence[Path], title: str, baseline: str = BASELINE, budget: int | None = None, tokeniser: str = ""
) -> Report:
    """Read, score and compare all results, with progress on stderr where there are many.

    ``budget``: English tokens of the main table. ``tokeniser``: as in `read_result`.

    Raises:
        InputError: a result is damaged, there are no results, two have one name, or those of one target have several
            tokenisers.
    """
    files = unique(file for path in paths for file in result_files(path))
    with worker_pool(cores() if len(files) >= MANY else 1) as pool:
        results = _distinct(_all(pool, read_result, [(file, tokeniser) for file in files], "scoring"))
        cells = tasks(results, baseline)
        seeds = tasks(results, baseline, by_seed=True)
        comparisons = _all(pool, compare, [*cells, *seeds], "comparing")
    report = Report(
        title=title,
        results=results,
        baseline=baseline,
        budget=0,
        significance=comparisons[: len(cells)],
        by_seed=comparisons[len(cells) :],
        commit=commit(),
        versions=versions(PACKAGES),
    )
    for path in paths:
        results_file = find_ledger(path)
        if results_file is not None:
            _add_evaluation(report, results_file)
    report.data = [record for folder in data_folders(results) if (record := data_record(folder, report.targets))]
    report.budget = main_budget(report) if budget is None else budget
    report.curves = curves(results)
    report.samples = [shown for target in report.targets if (shown := samples(report, target))]
    report.neighbours = neighbours(report)
    return report


def _all(pool: Executor | None, function: Any, jobs: list[tuple], title: str) -> list[Any]:
    outcomes = in_order(pool, function, jobs)
    return list(tqdm(outcomes, total=len(jobs), desc=title, disable=True if pool is None else None, leave=False))


def _distinct(results: Iterable[Result]) -> list[Result]:
    """The results in the report's order; InputError if two have one name, or those of a target another BLEU."""
    by_name: dict[tuple[Any, ...], Result] = {}
    for result in results:
        first = by_name.setdefault(result.name, result)
        if first.hypotheses.resolve() != result.hypotheses.resolve():
            raise InputError(
                f"{result.hypotheses.parent}/result.json: must be another system, target, size, strategy or seed than "
                f"{first.hypotheses.parent}/result.json, but is the same: {result.name}"
            )
    by_target: dict[str, Result] = {}
    for result in by_name.values():
        first = by_target.setdefault(result.target, result)
        if first.signature != result.signature:  # such scores must not be compared
            raise InputError(
                f"{result.hypotheses.parent}/result.json: must have the BLEU of {first.hypotheses.parent}/result.json, "
                f"{first.signature}, but has {result.signature}; give `--bleu-tokenizer` for all"
            )
    return sorted(by_name.values(), key=lambda result: result.order)


def _add_evaluation(report: Report, results_file: Path) -> None:
    """Add what a results file tells beside its finished cells: failures, choices, and jobs without a result."""
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
    """The last lines of a log; empty where the file is gone."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
    except OSError:
        return ""


def main_budget(report: Report) -> int:
    """English tokens of the main table: the paper's number, or else the largest sample that a system was adapted to.

    Full data does not count as a sample. It is 0 where nothing was adapted.
    """
    adapted = [r for r in report.results if r.english_tokens and not report.is_full(r)]
    sizes = {r.english_tokens for r in adapted if r.system != "scratch"} or {r.english_tokens for r in adapted}
    return MAIN_BUDGET if MAIN_BUDGET in sizes else max(sizes, default=0)
