"""The report as one HTML page that holds everything itself: pictures, styles, script. It asks the network for nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from statistics import mean
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from meta_nmt.report import tables
from meta_nmt.report.gather import Report
from meta_nmt.report.plots import Plot, rendered
from meta_nmt.report.results import unique
from meta_nmt.report.significance import ALL_TARGETS


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _pictures(figures: Sequence[Plot]) -> list[dict[str, str]]:
    return [
        {"title": plot.title, "caption": plot.caption,
         **{theme: _data_uri(rendered(plot, "svg", theme)) for theme in ("light", "dark")}}
        for plot in figures
    ]  # fmt: skip


def finding(report: Report) -> str:
    """One sentence: the best system that is no baseline beside the baseline, over all targets at the main budget."""
    averages: dict[str, float] = {}
    for system in report.systems:
        by_target = [
            max(_strategy_means(report, system, target).values(), default=None)  # each system at its best strategy
            for target in report.targets
        ]
        if all(value is not None for value in by_target) and by_target:
            averages[system] = mean(value for value in by_target if value is not None)
    others = {s: v for s, v in averages.items() if s not in ("scratch", "transfer", report.baseline)}
    if not others or report.baseline not in averages or not report.budget:
        return ""
    best = max(others, key=lambda system: others[system])
    scratch = f", and {averages['scratch']:.2f} from scratch" if "scratch" in averages else ""
    targets = len(report.targets)
    return (
        f"From {report.budget:,} English tokens, {best} reaches {others[best]:.2f} BLEU"
        f"{f' on average over {targets} languages' if targets > 1 else f' on {report.targets[0]}'}, against "
        f"{averages[report.baseline]:.2f} of {report.baseline}{scratch}{_verdict(report, best)}."
    )


def _strategy_means(report: Report, system: str, target: str) -> dict[str, float]:
    runs = [r for r in report.results
            if (r.system, r.target, r.english_tokens) == (system, target, report.budget)]  # fmt: skip
    return {s: mean(r.bleu for r in runs if r.strategy == s) for s in unique(r.strategy for r in runs)}


def _verdict(report: Report, system: str) -> str:
    """Whether the tests at the main budget find a difference, in words."""
    wanted = ALL_TARGETS if len(report.targets) > 1 else report.targets[0]
    found = [c for c in report.significance if c.test == "bs"
             and (c.target, c.english_tokens, c.system) == (wanted, report.budget, system)]  # fmt: skip
    if not found:
        return ""
    below = [c for c in found if c.p < tables.LEVEL]
    if not below:
        return "; the difference is within chance"
    return "; the paired bootstrap finds a difference in " + ", ".join(
        f"{tables.strategy_title(c.strategy)} ({c.delta:+.2f}, p {_p(c.p)})".replace("-", tables.MINUS) for c in below
    )


def _p(p: float) -> str:
    text = tables.p_value(p)
    return text if text.startswith("<") else f"= {text}"


def main_caption(report: Report) -> str:
    seeds = len(report.seeds)
    return (
        f"Test BLEU (sacreBLEU) after adaptation to samples of {report.budget:,} English tokens, mean ± standard "
        f"deviation over {seeds} seed{'s' * (seeds != 1)}; zero-shot is the model as it was meta-trained, one run. "
        f"Shaded: the best of its column. {tables.ABOVE} {tables.BELOW}: above or below {report.baseline} by the paired "
        f"bootstrap, p < {tables.LEVEL}. A system trained from scratch trains everything, and stands in every column."
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    sizes = sorted({r.english_tokens for r in report.results if not report.is_full(r)})
    return [
        ("targets", ", ".join(report.targets)),
        ("systems", ", ".join(report.systems)),
        ("English tokens", ", ".join(f"{size:,}" for size in sizes)),
        ("seeds", ", ".join(map(str, report.seeds)) or "none"),
        ("results", f"{len(report.results):,}"),
    ]


def _made(report: Report) -> list[tuple[str, Any]]:
    packages = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    return [
        ("signatures", tables.signatures(report)),
        ("seeds", ", ".join(map(str, report.seeds)) or "none"),
        ("commit", [report.commit]),
        ("versions", packages),
        *(("data", [f"{record['folder']}/data.json sha256 {record['sha256']}"]) for record in report.data),
    ]


def _sections(report: Report, context: dict[str, Any]) -> list[tuple[str, str]]:
    wanted = [
        ("results", "Translation quality", bool(context["main_table"].rows)),
        ("budget", "Amount of data", bool(context["budget_figures"])),
        ("significance", "Significance", bool(context["significance"].rows)),
        ("training", "Training cost", bool(context["training"].rows)),
        ("samples", "Samples", bool(report.samples)),
        ("universal", "Universal tokens", bool(report.neighbours)),
        ("runs", "Every result", True),
        ("data", "Data and leakage", bool(report.data)),
        ("failed", "Failed jobs", bool(report.failures)),
        ("made", "Made with", True),
    ]
    return [(name, title) for name, title, there in wanted if there]


def as_page(report: Report, figures: Sequence[Plot]) -> str:
    """The page. Everything from data is escaped."""
    pictures = _pictures(figures)
    trainings = [picture for plot, picture in zip(figures, pictures, strict=True) if plot.name == "meta-training"]
    definition = report.experiment.get("experiment")
    context: dict[str, Any] = {
        "report": report,
        "finding": finding(report),
        "facts": _facts(report),
        "made": _made(report),
        "main_table": tables.paper_table(report),
        "main_caption": main_caption(report),
        "significance": tables.significance_table(report, main=True),
        "all_significance": tables.significance_table(report),
        "training": tables.training_table(report),
        "choices": tables.choices_table(report),
        "costs": tables.cost_table(tables.all_costs(report)),
        "runs": tables.runs_table(report),
        "audits": [(record, tables.audit_table(record)) for record in report.data],
        "budget_figures": [picture for picture in pictures if picture not in trainings],
        "training_figures": trainings,
        "commands": tables.all_commands(report),
        "definition": yaml.safe_dump(definition, sort_keys=False, allow_unicode=True) if definition else "",
        "strategy_title": tables.strategy_title,
        "above": tables.ABOVE,
        "level": tables.LEVEL,
        "css": Markup(_file("page.css")),
        "js": Markup(_file("page.js")),
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_file("page.html.j2"))
    return template.render(**context, sections=_sections(report, context)) + "\n"
