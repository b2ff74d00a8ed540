"""The report as one HTML page that holds its pictures, styles and script itself, and asks the network for nothing."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from statistics import mean
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from data_prep.base.data_folder import DataFolder
from data_prep.base.language_registry import code_and_name
from meta_nmt.report import tables
from meta_nmt.report.glossary import glossary
from meta_nmt.report.plots import Plot, rendered
from meta_nmt.report.report import Report
from meta_nmt.report.significance import ALL_TARGETS, T_TEST


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _pictures(figures: Sequence[Plot]) -> list[dict[str, Any]]:
    return [
        {"title": plot.title, "caption": plot.caption, "wide": plot.wide,
         **{f"{theme}{'_narrow' * narrow}": _data_uri(rendered(plot, "svg", theme, narrow))
            for theme in ("light", "dark") for narrow in (False, True)}}
        for plot in figures
    ]  # fmt: skip


def main_strategy(report: Report) -> str:
    """The strategy that most results at the main budget have; of several such, the default one or the first."""
    adapted = [r for r in report.results if r.english_tokens == report.budget and r.system != "scratch"]
    counts = Counter(result.strategy for result in adapted if result.strategy != "learned")
    return max(counts, key=lambda s: (counts[s], s == "emb_enc"), default="")


def finding(report: Report) -> str:
    """The finding in words: the best system that is no baseline, against the baseline, over all targets."""
    strategy, averages = main_strategy(report), {}
    for system in report.systems:
        of_targets = [_mean_bleu(report, system, target, "all" if system == "scratch" else strategy)
                      for target in report.targets]  # fmt: skip
        scores = [score for score in of_targets if score is not None]
        if len(scores) == len(of_targets):
            averages[system] = mean(scores)
    contenders = {s: v for s, v in averages.items() if s not in ("scratch", "transfer", report.baseline)}
    if not contenders or report.baseline not in averages or not report.budget:
        return ""
    best, targets = max(contenders, key=lambda system: contenders[system]), len(report.targets)
    chosen = f" (the best of {len(contenders)} on the test sets)" if len(contenders) > 1 else ""
    where = f" on average over {targets} languages" if targets > 1 else f" on {code_and_name(report.targets[0])}"
    scratch = f" Training from scratch gives {averages['scratch']:.2f}." if "scratch" in averages else ""
    return (
        f"From {report.budget:,} English tokens, adapting {tables.strategy_title(strategy)}, {best}{chosen} reaches "
        f"{contenders[best]:.2f} BLEU{where}, against {averages[report.baseline]:.2f} of {report.baseline}"
        f"{_verdict(report, best, strategy)}.{scratch}"
    )


def _mean_bleu(report: Report, system: str, target: str, strategy: str) -> float | None:
    cell = (system, target, report.budget, strategy)
    runs = [r.bleu for r in report.results if (r.system, r.target, r.english_tokens, r.strategy) == cell]
    return mean(runs) if runs else None


def _verdict(report: Report, system: str, strategy: str) -> str:
    """The verdict on a system in words: of the paired bootstrap, and of the t-test where there are several seeds."""
    cell = (ALL_TARGETS if len(report.targets) > 1 else report.targets[0], report.budget, strategy, system)
    tests = {c.test: c for c in report.significance if (c.target, c.english_tokens, c.strategy, c.system) == cell}
    if "bs" not in tests:
        return ""
    over_sentences, over_seeds = tests["bs"], tests.get(T_TEST)
    delta = f"{over_sentences.delta:+.2f}".replace("-", tables.MINUS)
    text = f" (over all sentences {delta}, paired bootstrap p {_p(over_sentences.p)}"
    text += f"; t-test over seeds p {_p(over_seeds.p)})" if over_seeds else ")"
    if over_sentences.p >= tables.LEVEL:
        return f"{text}; the difference is within chance"
    return f"{text}; other seeds may not show it" if over_seeds and over_seeds.p >= tables.LEVEL else text


def _p(p: float) -> str:
    text = tables.p_value(p)
    return text if text.startswith("<") else f"= {text}"


def main_caption(report: Report) -> str:
    """The caption of the main table."""
    seeds = len(report.seeds)
    return (
        f"Test BLEU (sacreBLEU) after adaptation to samples of {report.budget:,} English tokens, mean ± standard "
        f"deviation over {seeds} seed{'s' * (seeds != 1)}; zero-shot is the model as it was meta-trained, each "
        "training once; it has seen no pair of the language, only its word list where it has one. Shaded: the best of "
        f"its column. {tables.ABOVE} {tables.BELOW}: above or below {report.baseline} by the paired bootstrap, "
        f"p < {tables.LEVEL}. What is trained from scratch trains everything, and stands by every fine-tuning."
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    sizes = sorted({r.english_tokens for r in report.results if not report.is_full(r)})
    return [
        ("targets", ", ".join(map(code_and_name, report.targets))),
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
        *(("data", [f"{DataFolder(record['folder']).record} sha256 {record['sha256']}"]) for record in report.data),
    ]


def _sections(report: Report, context: dict[str, Any]) -> list[tuple[str, str]]:
    candidates = [
        ("results", "Translation quality", bool(context["main_table"].rows)),
        ("budget", "Amount of data", bool(context["budget_figures"])),
        ("significance", "Significance", bool(context["significance"].rows)),
        ("training", "Training cost", bool(context["training"].rows)),
        ("samples", "Samples", bool(report.samples)),
        ("universal", "Universal tokens", bool(report.neighbours)),
        ("runs", "Every result", True),
        ("data", "Data and leakage", bool(report.data)),
        ("failed", "Failed jobs", bool(report.failures)),
        ("glossary", "Glossary", True),
        ("made", "Made with", True),
    ]
    return [(name, title) for name, title, is_shown in candidates if is_shown]


def as_page(report: Report, figures: Sequence[Plot]) -> str:
    """The page as HTML, in which all text from data is escaped."""
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
        "glossary": glossary(report),
        "definition": yaml.safe_dump(definition, sort_keys=False, allow_unicode=True) if definition else "",
        "strategy_title": tables.strategy_title,
        "code_and_name": code_and_name,
        "above": tables.ABOVE,
        "below": tables.BELOW,
        "level": tables.LEVEL,
        "css": Markup(_file("page.css")),
        "js": Markup(_file("page.js")),
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_file("page.html.j2"))
    return template.render(**context, sections=_sections(report, context)) + "\n"
