"""The report's tables, as the page and the Markdown show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from data_prep.base.language_registry import code_and_name
from meta_nmt.report.report import Report
from meta_nmt.report.results import STRATEGY_ORDER, Result, rank, unique
from meta_nmt.report.significance import ALL_TARGETS, TITLES, Comparison

LEVEL = 0.05  # of significance
ABOVE, BELOW = "▲", "▼"
MINUS = "\u2212"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    text: what is shown.
    value: what the cell is sorted by; None: by its text.
    best: whether it is the best of its column.
    note: a small text beside it.
    mark: a sign beside it.
    """

    text: str
    value: float | None = None
    best: bool = False
    note: str = ""
    mark: str = ""

    @property
    def plain(self) -> str:
        """The text and the mark, in bold Markdown where the cell is the best."""
        text = " ".join(part for part in (self.text, self.mark) if part)
        return f"**{text}**" if self.best else text


@dataclass
class Table:
    """A table.

    words: columns that are text and not numbers.
    groups: headings above the head, each as (heading, columns it spans).
    foot: rows that stay below the others, however these are sorted.
    """

    name: str
    head: list[str]
    rows: list[list[Cell]]
    words: tuple[int, ...] = (0,)
    groups: list[tuple[str, int]] = field(default_factory=list)
    foot: list[list[Cell]] = field(default_factory=list)

    def is_text(self, column: int) -> bool:
        """Whether a column is text and not numbers."""
        return column in self.words

    def has_notes(self, column: int) -> bool:
        """Whether any cell of a column has a note."""
        return any(row[column].note for row in self.rows)

    @property
    def flat_head(self) -> list[str]:
        """The head in one line, for formats without groups."""
        spread = [name for name, span in self.groups for _ in range(span)] or [""] * len(self.head)
        return [" ".join(part for part in pair if part) for pair in zip(spread, self.head, strict=True)]


def number(value: float | None, digits: int = 2) -> Cell:
    """A cell with a number of so many digits after the point; empty for None."""
    return Cell("", None) if value is None else Cell(f"{value:,.{digits}f}", value)


def count(value: int | None) -> Cell:
    """A cell with a whole number; empty for None."""
    return Cell("") if value is None else Cell(f"{value:,}", value)


def spread(values: Sequence[float]) -> str:
    """The mean ± the standard deviation of values; a single value as it is."""
    return f"{values[0]:.2f}" if len(values) == 1 else f"{mean(values):.2f} ± {stdev(values):.2f}"


def strategy_title(strategy: str) -> str:
    """The name of a strategy in headings."""
    titles = {"zero": "zero-shot", "emb_enc": "emb + enc", "learned": "learned rule", "self": "self-training"}
    return titles.get(strategy, strategy)


def _with_titles(names: str) -> str:
    """Names between commas, with strategies and sizes as in headings: "ro, 16000, joint, emb_enc"."""
    return ", ".join(f"{int(name):,}" if name.isdecimal() else strategy_title(name) for name in names.split(", "))


def budget_title(tokens: int) -> str:
    """A number of English tokens in headings, such as 16k."""
    return f"{tokens // 1000}k" if tokens % 1000 == 0 and tokens else f"{tokens:,}"


def marks(report: Report) -> dict[tuple[str, int, str, str], str]:
    """The marks of cells that the paired bootstrap finds above or below the baseline."""
    return {
        (c.target, c.english_tokens, c.strategy, c.system): ABOVE if c.delta > 0 else BELOW
        for c in report.significance
        if c.test == "bs" and c.p < LEVEL
    }


def paper_columns(report: Report) -> list[tuple[str, int, str]]:
    """The columns (target, tokens, strategy) of the main table: zero-shot and the main budget, for each target."""
    cells = unique(result.cell for result in report.results if result.system != "scratch")
    if not cells:
        cells = unique(result.cell for result in report.results)
    return [cell for cell in cells if cell[1] in (0, report.budget)]


def paper_table(report: Report) -> Table:
    """Table 1 of the paper: a row for each system, and for each target columns of zero-shot and of adaptation.

    A system trained from scratch has one strategy, all parameters: it stands in every column of a fine-tuning.
    """
    by_cell: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in report.results:
        by_cell[(*result.cell, result.system)].append(result)
    columns = paper_columns(report)
    runs = {}
    for column in columns:
        target, tokens, strategy = column
        for system in report.systems:
            beside = system == "scratch" and tokens > 0 and strategy != "learned"
            runs[column, system] = by_cell.get((target, tokens, "all" if beside else strategy, system))
    best = {
        column: max((mean(r.bleu for r in runs[column, s] or ()) for s in report.systems if runs[column, s]), default=0)
        for column in columns
    }
    marked = marks(report)
    rows = [
        [Cell(system), *(_paper_cell(runs[c, system], best[c], marked.get((*c, system), "")) for c in columns)]
        for system in report.systems
    ]
    targets = unique(column[0] for column in columns)
    return Table(
        name="main",
        head=["system", *(strategy_title(strategy) for _, _, strategy in columns)],
        rows=rows,
        groups=[("", 1), *((target, sum(c[0] == target for c in columns)) for target in targets)],
        foot=_full_rows(report, columns),
    )


def _paper_cell(results: Sequence[Result] | None, best: float, mark: str) -> Cell:
    if not results:
        return Cell("")
    bleu = [result.bleu for result in results]
    middle = mean(bleu)
    return Cell(f"{middle:.2f}", middle, middle == best, f"± {stdev(bleu):.2f}" if len(bleu) > 1 else "", mark)


def _full_rows(report: Report, columns: Sequence[tuple[str, int, str]]) -> list[list[Cell]]:
    """The rows of systems trained on full data, as a reference under the adapted columns of each target."""
    by_system: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in report.results:
        if report.is_full(result):
            by_system[result.system][result.target].append(result.bleu)
    rows = []
    for system, by_target in by_system.items():
        cells = [
            number(mean(by_target[t])) if tokens and by_target.get(t) and strategy != "learned" else Cell("")
            for t, tokens, strategy in columns
        ]
        rows.append([Cell(f"{system}, full data"), *cells])
    return rows


def summary_table(report: Report) -> Table:
    """The summary: a row for each target, size and strategy; BLEU of each system as mean ± deviation over n seeds.

    A system trained from scratch has no strategy: it stands beside every strategy of its target and size.
    """
    cells: dict[tuple[str, int, str], dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in report.results:  # the rows keep the order of the results
        if result.system != "scratch":
            cells[result.cell][result.system].append(result)
    for result in report.results:
        if result.system == "scratch":
            beside = [name for name in cells if name[:2] == result.cell[:2] and name[2] != "zero"]
            for name in beside or [result.cell]:
                cells[name]["scratch"].append(result)
    rows = [
        [Cell(target), count(tokens), Cell(strategy_title(strategy)),
         *(_summary(by_system.get(s, [])) for s in report.systems)]
        for (target, tokens, strategy), by_system in cells.items()
    ]  # fmt: skip
    return Table("summary", ["target", "English tokens", "strategy", *report.systems], rows, (0, 2))


def _summary(results: Sequence[Result]) -> Cell:
    if not results:
        return Cell("")
    bleu, chrf = ([getattr(result, metric) for result in results] for metric in ("bleu", "chrf"))
    return Cell(f"{spread(bleu)} (chrF {mean(chrf):.2f}, n={len(results)})", mean(bleu))


def runs_table(report: Report) -> Table:
    """The table of all results, a row for each."""
    head = ["target", "English tokens", "strategy", "system", "seed", "BLEU", "chrF", "chrF++"]
    rows = [
        [Cell(r.target), count(r.english_tokens), Cell(strategy_title(r.strategy)), Cell(r.system),
         Cell(str(r.seed), r.seed), number(r.bleu), number(r.chrf), number(r.chrf2)]
        for r in report.results
    ]  # fmt: skip
    if report.comet:
        head.append("COMET")
        rows = [[*row, number(report.comet.get(r.name))] for row, r in zip(rows, report.results, strict=True)]
    return Table("runs", head, rows, (0, 2, 3))


def significance_table(report: Report, main: bool = False) -> Table:
    """A row for each comparison, with its tests beside each other.

    Comparisons of the main table come first; with ``main`` there are no others.
    """
    by_test: dict[tuple[Any, ...], dict[str, Comparison]] = defaultdict(dict)
    for c in (c for c in report.significance if not main or c.english_tokens in (0, report.budget)):
        by_test[c.english_tokens, c.strategy, c.system, c.target][c.test] = c
    order = sorted(by_test, key=lambda key: _significance_order(report, *key))
    head = ["target", "English tokens", "strategy", "system", "against", "seeds", "ΔBLEU",
            *(f"p, {title}" for title in TITLES.values())]  # fmt: skip
    rows = [_significance_row(by_test[key]) for key in order]
    return Table("significance" if main else "significance-all", head, rows, (0, 2, 3, 4))


def _significance_order(report: Report, tokens: int, strategy: str, system: str, target: str) -> tuple[Any, ...]:
    """The key that sorts comparisons: the main size first, then larger ones; all targets together come first."""
    place = (tokens != report.budget, -tokens, rank(strategy, STRATEGY_ORDER), report.systems.index(system))
    return (*place, target != ALL_TARGETS, target)


def _significance_row(tests: dict[str, Comparison]) -> list[Cell]:
    c = next(iter(tests.values()))
    return [
        Cell("all targets" if c.target == ALL_TARGETS else c.target),
        count(c.english_tokens), Cell(strategy_title(c.strategy)),
        Cell(c.system), Cell(_with_titles(c.against)), Cell(str(len(c.seeds)), len(c.seeds)),
        Cell(f"{c.delta:+.2f}".replace("-", MINUS), c.delta),
        *(Cell(p_value(tests[t].p), tests[t].p, best=tests[t].p < LEVEL) if t in tests else Cell("") for t in TITLES),
    ]  # fmt: skip


def p_value(p: float) -> str:
    """A p-value in three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def training_table(report: Report) -> Table:
    """The cost of each system's training before adaptation, so that a comparison can be judged."""
    behind: dict[str, dict[str, Any]] = {}
    for result in report.results:
        runs = [cost for cost in result.cost if cost["kind"] == "train"]
        entry = behind.setdefault(result.system, {"tokens": set(), "wall": 0.0, "memory": 0.0, "devices": []})
        entry["tokens"].add(sum(cost["train_tokens"] for cost in runs))
        entry["wall"] = max(entry["wall"], sum(cost["wall_s"] for cost in runs))
        entry["memory"] = max([entry["memory"], *(cost["peak_memory_mib"] for cost in runs)])
        entry["devices"] = unique([*entry["devices"], *(cost["device"] for cost in runs)])
    rows = [
        [Cell(system), Cell(", ".join(f"{n:,}" for n in sorted(e["tokens"])), max(e["tokens"])), number(e["wall"], 0),
         number(e["memory"], 0), Cell("; ".join(e["devices"]))]
        for system, e in behind.items()
    ]  # fmt: skip
    head = ["system", "training tokens before adaptation", "wall s", "peak MiB", "device"]
    return Table("training", head, rows, (0, 4))


def cost_table(costs: Iterable[dict[str, Any]]) -> Table:
    """The table of cost records, a row for each."""
    rows = [
        [Cell(cost["kind"]), Cell("/".join(Path(cost["run"]).parts[-3:])), count(cost["train_tokens"]),
         number(cost["wall_s"], 0), Cell(f"{cost['peak_memory_mib']:.0f}", cost["peak_memory_mib"]),
         Cell(cost["device"])]
        for cost in costs
    ]  # fmt: skip
    return Table("cost", ["kind", "run", "train tokens", "wall s", "peak MiB", "device"], rows, (0, 1, 5))


def choices_table(report: Report) -> Table:
    """The choices that were made on dev sets, with the score of each option."""
    rows = [
        [Cell(c["what"]), Cell(_with_titles(c["for"])), Cell(c["chosen"]),
         Cell(", ".join(f"{name}: {bleu:.2f}" for name, bleu in c["dev_bleu"].items()))]
        for c in report.choices
    ]  # fmt: skip
    return Table("choices", ["what", "for", "chosen", "dev BLEU of each"], rows, (0, 1, 2, 3))


def audit_table(record: dict[str, Any]) -> Table:
    """The leakage audit of a data folder, a row for each language."""
    rows = [
        [Cell(code_and_name(e["lang"])), Cell(e["role"] + (", added" if e.get("added") else "")), count(e["lines"]),
         count(e["english_tokens"]), number(e["precision"]), count(e["audited"]), count(e["held_out"]),
         count(e["overlaps"]), Cell(e["sha256"][:16])]
        for e in record["languages"]
    ]  # fmt: skip
    english = record["english"]
    rows.append([Cell(code_and_name(english["lang"])), Cell("target side"), Cell(""), Cell(""), Cell(""),
                 count(english["audited"]), count(english["held_out"]), count(english["overlaps"]),
                 Cell("")])  # fmt: skip
    head = ["language", "role", "training pairs", "English tokens", "P@1", "lines audited", "held-out lines",
            "overlaps", "sha256"]  # fmt: skip
    return Table("audit", head, rows, (0, 1, 8))


def all_costs(report: Report) -> list[dict[str, Any]]:
    """The cost records of all results, each once."""
    return unique(cost for result in report.results for cost in result.cost)


def all_commands(report: Report) -> list[str]:
    """The commands of all results, each once."""
    return unique(command for result in report.results for command in result.commands)


def signatures(report: Report) -> list[str]:
    """sacreBLEU's signatures of all results, each once."""
    return unique(s for r in report.results for s in (r.signature, r.chrf_signature, r.chrf2_signature))
