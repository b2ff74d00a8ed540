"""Ours beside the plain peer, over the tokens that each was trained on: tables, a picture, and the rows.

    python -m recipes.peers.compare --ours outputs/real/best --plain outputs/peers/results --out DIR

DIR gets report.md, tokens.png and report.json. The rows of report.json are as those of meta-nmt-report. Their system is
``ours``, ``ours, without self-training`` or ``plain``. ``train_tokens`` are the source and target tokens that gradients
were taken on before the adaptation.
"""

import os
import textwrap
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import atomic, write_json, write_text
from meta_nmt.evaluation.experiment import SELF
from meta_nmt.report.plots import DPI, STYLE, THEMES
from meta_nmt.report.results import Result, read_result, result_files

OURS, PLAIN = "ours", "plain"
WITHOUT = "ours, without self-training"
FEW = "_100"  # ends the code of a target that is adapted to 100 pairs, without a word list
SECTIONS = (  # title, what belongs to it
    ("From 16,000 English tokens", lambda row: row["english_tokens"] and not row["target"].endswith(FEW)),
    ("Zero-shot", lambda row: not row["english_tokens"]),
    ("From about 100 pairs, without a word list", lambda row: row["target"].endswith(FEW)),
)


def row_of(result: Result, system: str, out: Path) -> dict[str, Any]:
    """A result as a row of report.json."""
    return {
        "system": system, "target": result.target, "english_tokens": result.english_tokens,
        "strategy": result.strategy, "seed": result.seed, "bleu": result.bleu, "chrf": result.chrf,
        "signature": result.signature, "hypotheses": os.path.relpath(result.hypotheses.resolve(), out.resolve()),
        "references": os.path.relpath(result.references.resolve(), out.resolve()),
        "train_tokens": sum(cost["train_tokens"] for cost in result.cost if cost["kind"] == "train"),
        "train_s": sum(cost["wall_s"] for cost in result.cost if cost["kind"] == "train"),
        "adapt_s": sum(cost["wall_s"] for cost in result.cost if cost["kind"] in ("adapt", "translate")),
    }  # fmt: skip


def millions(row: dict[str, Any]) -> float:
    """Millions of training tokens, with two digits: repeated trainings of one length have the same."""
    return float(f"{row['train_tokens'] / 1e6:.2g}")


def models(rows: Iterable[dict[str, Any]]) -> list[tuple[str, float]]:
    """Each system with its millions of training tokens."""
    return sorted({(row["system"], millions(row)) for row in rows})


def average(rows: Iterable[dict[str, Any]], value: str = "bleu") -> float | None:
    """The mean over samples; None where there are none."""
    values = [row[value] for row in rows]
    return mean(values) if values else None


def mean_of_targets(rows: Sequence[dict[str, Any]], targets: Sequence[str]) -> float | None:
    """The mean over targets of the mean over samples; None where a target is missing."""
    means = [average(row for row in rows if row["target"] == target) for target in targets]
    return None if None in means or not means else mean(m for m in means if m is not None)


def of_model(rows: Iterable[dict[str, Any]], model: tuple[str, float]) -> list[dict[str, Any]]:
    return [row for row in rows if (row["system"], millions(row)) == model]


def shared_targets(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The targets that every model was tested on, in the order of the rows."""
    of_models = [{row["target"] for row in of_model(rows, model)} for model in models(rows)]
    return [target for target in dict.fromkeys(row["target"] for row in rows) if all(target in s for s in of_models)]


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of Markdown: a row for each model, a column for each target, and the mean of those that all models have."""
    targets, shared = list(dict.fromkeys(row["target"] for row in rows)), shared_targets(rows)

    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    lines = [
        f"| system | training tokens | {' | '.join(t.removesuffix(FEW) for t in targets)} | mean of {len(shared)} |",
        f"|---|---|{'---|' * (len(targets) + 1)}",
    ]
    for model in models(rows):
        own = of_model(rows, model)
        cells = [average(row for row in own if row["target"] == target) for target in targets]
        cells.append(mean_of_targets(own, shared))
        lines.append(f"| {model[0]} | {model[1]:g} million | {' | '.join(map(cell, cells))} |")
    return lines


def picture(rows: Sequence[dict[str, Any]]) -> Figure:
    """Mean BLEU over training tokens, adapted and zero-shot."""
    theme = THEMES["light"]
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    for (title, belongs), line in zip(SECTIONS[:2], ("-", "--"), strict=True):
        chosen = [row for row in rows if belongs(row)]
        shared = shared_targets(chosen)
        for system, colour, marker in zip((OURS, WITHOUT, PLAIN), theme.colours, "o^s", strict=False):
            points = [(m[1], mean_of_targets(of_model(chosen, m), shared)) for m in models(chosen) if m[0] == system]
            points = [(x, y) for x, y in points if y is not None]
            if points:
                axis.plot(*zip(*points, strict=True), color=colour, linestyle=line, marker=marker,
                          label=f"{system}, {title[0].lower()}{title[1:]}")  # fmt: skip
    axis.set_xscale("log")
    ticks = sorted({millions(row) for row in rows})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel("training tokens, source and target, in millions")
    axis.set_ylabel("BLEU, mean of targets")
    axis.grid(axis="y", color=theme.grid, linewidth=0.8)
    axis.legend(frameon=False, fontsize=8)
    return figure


def write_comparison(rows: Sequence[dict[str, Any]], command: str, out: Path) -> None:
    """Write report.md, tokens.png and report.json."""
    about = (
        f"Command: `{command}`. Test BLEU (sacreBLEU, signature in report.json), means over samples. The plain peer is "
        "stock fairseq with one vocabulary for all languages, trained on the same text, and fine-tuned whole on the "
        "same samples ([recipes/peers.sh](../../../recipes/peers.sh)). Training tokens count both sides of each pair "
        "that a gradient was taken on. Larger budgets of the peer have one sample."
    )
    lines = ["# Ours beside a plain multilingual model", "", *textwrap.wrap(about, 118, break_long_words=False), ""]
    lines += ["![BLEU over training tokens](tokens.png)", ""]
    for title, belongs in SECTIONS:
        chosen = [row for row in rows if belongs(row)]
        if chosen:
            lines += [f"## {title}", "", *table(chosen), ""]
    lines += ["## Time", "", "| system | training tokens | training, minutes | one adaptation, minutes |"]
    lines += ["|---|---|---|---|"]
    for model in models(rows):
        own = of_model(rows, model)
        adapted = average((row for row in own if SECTIONS[0][1](row)), "adapt_s")
        minutes = [average(own, "train_s"), adapted]
        cells = " | ".join("" if seconds is None else f"{seconds / 60:.1f}" for seconds in minutes)
        lines.append(f"| {model[0]} | {model[1]:g} million | {cells} |")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "report.json", {"rows": list(rows), "run": {"commands": [command]}})
    write_text(out / "report.md", "\n".join(lines) + "\n")
    with matplotlib.rc_context(STYLE), atomic(out / "tokens.png") as path:
        figure = picture(rows)
        FigureCanvasAgg(figure)
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.peers.compare", description=main.__doc__)
    parser.add_argument("--ours", type=Path, required=True, help="folder of meta-nmt-evaluate")
    parser.add_argument("--system", default="joint", help="which of its systems is ours (default: %(default)s)")
    parser.add_argument("--plain", type=Path, required=True, help="folder with the results of the peer")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--command-line", default="bash recipes/peers.sh", help="for the report")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare ours with the plain peer."""
    args = parse_args(argv)
    ours = [result for path in result_files(args.ours) if (result := read_result(path)).system == args.system]
    if not ours:
        raise InputError(f"{args.ours}: must have results of the system {args.system}, but has none")
    plain = [read_result(path) for path in result_files(args.plain)]
    self_trained = any(result.strategy == SELF for result in ours)
    names = [WITHOUT if self_trained and result.strategy not in (SELF, "zero") else OURS for result in ours]
    rows = [row_of(result, name, args.out) for result, name in zip(ours, names, strict=True)]
    rows += [row_of(result, PLAIN, args.out) for result in plain]
    write_comparison(rows, args.command_line, args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.peers.compare"))
