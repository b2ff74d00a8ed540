"""The report as Markdown: for a repository, a pull request, a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from data_prep.base.data_folder import LAYOUT
from data_prep.base.language_registry import code_and_name
from meta_nmt.report import tables
from meta_nmt.report.glossary import glossary
from meta_nmt.report.plots import Plot
from meta_nmt.report.report import Report, Samples
from meta_nmt.report.tables import Table


def markdown_table(table: Table) -> list[str]:
    """The lines of a table in Markdown, with an empty line after them."""
    lines = [table.flat_head, ["---"] * len(table.head)]
    for row in [*table.rows, *table.foot]:
        lines.append([" ".join(part for part in (cell.plain, cell.note) if part) for cell in row])
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]


def section(title: str, *tables: Table, text: str = "") -> list[str]:
    """A heading with tables; nothing where all of them are empty."""
    filled = [table for table in tables if table.rows]
    if not filled:
        return []
    return [f"## {title}", "", *([text, ""] if text else []), *(line for t in filled for line in markdown_table(t))]


def as_markdown(report: Report, figures: Sequence[Plot]) -> str:
    """The whole report as Markdown; pictures are links into the folder plots/."""
    words = "BLEU, mean ± standard deviation over n seeds; the [glossary](#glossary) says what the names mean."
    lines = [f"# {report.title}", "", words, ""]
    lines += markdown_table(tables.summary_table(report))
    lines += _state(report)
    if report.budget:
        text = (
            f"As in the paper: {report.budget:,} English tokens. Bold: the best of its column. {tables.ABOVE} "
            f"{tables.BELOW}: above or below {report.baseline} by the paired bootstrap, p < {tables.LEVEL}."
        )
        lines += section("Main table", tables.paper_table(report), text=text)
    for plot in figures:
        lines += [f"![{plot.title}](plots/{plot.name}.png)", "", plot.caption, ""]
    text = (
        "Tests of sacreBLEU, two-sided. What is resampled is the test sentence, with its translations by all seeds; "
        "the t-test takes the seeds' differences themselves, their mean over targets. p-values are not corrected for "
        "the number of comparisons."
    )
    lines += section(f"Significance against {report.baseline}", tables.significance_table(report), text=text)
    lines += section("Every run", tables.runs_table(report))
    costs = tables.cost_table(tables.all_costs(report))
    lines += ["## Cost", "", *markdown_table(tables.training_table(report)), *markdown_table(costs)]
    lines += section("Chosen on dev sets", tables.choices_table(report))
    lines += _samples(report.samples)
    lines += _neighbours(report)
    for record in report.data:
        text = (
            f"`{record['folder']}`, {LAYOUT.record} sha256 {record['sha256']}. An overlap is a training line that "
            "says what a dev or test line says; of an added language, one of its dev and test lines whose English "
            "stands in the meta-training text. sha256 is that of the record that names the hashes of a language's "
            "files."
        )
        lines += section("Data and leakage audit", tables.audit_table(record), text=text)
    lines += ["## Glossary", "", *(f"- **{word}**: {meaning}" for word, meaning in glossary(report)), ""]
    lines += ["## Made with", "", *(f"- sacreBLEU `{signature}`" for signature in tables.signatures(report))]
    lines += [f"- seeds {', '.join(map(str, report.seeds))}"] if report.seeds else []
    lines += [f"- commit {report.commit}", *(f"- {name} {number}" for name, number in report.versions.items()), ""]
    lines += ["## Commands", "", "```", *tables.all_commands(report), "```"]
    return "\n".join(lines) + "\n"


def _state(report: Report) -> list[str]:
    """What is missing in the report: jobs without a result, and jobs that failed."""
    lines = []
    if report.unfinished:
        lines += [f"{report.unfinished} jobs of this evaluation have no result yet.", ""]
    if report.failures:
        lines += [f"{len(report.failures)} jobs failed:", ""]
        lines += [f"- {failure.job}: {failure.error} ({failure.log})" for failure in report.failures]
        lines += [""]
    return lines


def _samples(shown: Sequence[Samples]) -> list[str]:
    lines: list[str] = ["## Samples", ""] if shown else []
    for samples in shown:
        how = f"{samples.system}, {tables.strategy_title(samples.strategy)}, {samples.english_tokens:,} English tokens"
        lines += [f"{code_and_name(samples.target)}: {how}, seed {samples.seed}; best and worst by chrF", ""]
        rows = [
            [tables.number(s.score, 1), *(tables.Cell(t or "") for t in (s.source, s.ours, s.theirs, s.reference))]
            for s in [*samples.best, *reversed(samples.worst)]
        ]
        lines += markdown_table(Table("samples", ["chrF", "source", "ours", "baseline", "reference"], rows))
    return lines


def _neighbours(report: Report) -> list[str]:
    lines: list[str] = ["## Nearest universal tokens", ""] if report.neighbours else []
    for entry in report.neighbours:
        how = f"{entry['system']} ({tables.strategy_title(entry['strategy'])})"
        lines += [f"{code_and_name(entry['target'])}, as {how} reads it", ""]
        lines += [f"- {piece}: " + ", ".join(f"{name} {weight:.2f}" for name, weight in tokens)
                  for piece, tokens in entry["pieces"]] + [""]  # fmt: skip
    return lines
