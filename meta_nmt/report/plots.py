"""The report's figures as PNG and SVG; the same numbers and matplotlib give the same bytes."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_prep.base.language_registry import code_and_name
from meta_nmt.report.report import Report
from meta_nmt.report.tables import budget_title, strategy_title

# Wong's colours, which colour-blind readers can tell apart, and a few more; baselines are grey and dashed
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b")
ON_DARK = ("#4da3e0", "#f2803d", "#2fc79a", "#e0a0c4", "#f2b632", "#8fd0f5", "#c08a7e")
BASELINES = {"scratch": (0, (1, 2)), "transfer": (0, (4, 2)), "joint": (0, (6, 1.5))}
MARKERS = "osD^vP*X<>"
DPI = 160
NARROW = 3.6  # inches: an image of 346 pixels, which a telephone shows at its own size


@dataclass(frozen=True)
class Theme:
    """The colours of a figure on a light or a dark page."""

    ink: str
    quiet: str
    grid: str
    paper: str
    colours: tuple[str, ...]


THEMES = {
    "light": Theme("#1c2024", "#5b6570", "#e3e6ea", "#ffffff", COLOURS),
    "dark": Theme("#e6e8eb", "#9aa4af", "#31373e", "#16191d", ON_DARK),
}
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "meta_nmt",
    "svg.fonttype": "path",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Plot:
    """A figure that can be drawn.

    name: the name of its files.
    title, caption: its words on the page.
    draw: a function, draw(theme, narrow) -> figure.
    """

    name: str
    title: str
    caption: str
    draw: Any
    wide: bool = False  # two panels, beside each other, or one above the other where it is narrow


def rendered(plot: Plot, format: str, theme: str = "light", narrow: bool = False) -> bytes:
    """The figure as ``png`` or ``svg``; ``narrow``: for the width of a telephone, with letters of the same size."""
    with matplotlib.rc_context(STYLE):
        figure = plot.draw(THEMES[theme], narrow)
        FigureCanvasAgg(figure)
        stream = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
        figure.savefig(stream, format=format, dpi=DPI, metadata=metadata, facecolor=THEMES[theme].paper)
    return stream.getvalue()


def plots(report: Report) -> list[Plot]:
    """All figures: BLEU against budget of each target that has two budgets, and the course of meta-training."""
    budget_plots = [plot for target in report.targets if (plot := budget_plot(report, target))]
    return budget_plots + ([training_plot(report)] if report.curves else [])


def _axes(theme: Theme, narrow: bool, panels: int = 1) -> tuple[Figure, list[Any]]:
    size = (NARROW, 3.2 * panels + 0.6) if narrow else (6.4 if panels == 1 else 8.6, 3.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(*((panels, 1) if narrow else (1, panels)), squeeze=False).flatten()
    for axis in axes:
        axis.set_facecolor(theme.paper)
        axis.grid(axis="y", color=theme.grid, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(colors=theme.quiet, length=3)
        for spine in axis.spines.values():
            spine.set_color(theme.quiet)
    return figure, list(axes)


def looks(report: Report, theme: Theme) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of each system, the same in every figure of a report."""
    styles: dict[str, dict[str, Any]] = {}
    no_baselines = [system for system in report.systems if system not in BASELINES]
    for i, system in enumerate(report.systems):
        baseline = system in BASELINES
        if baseline:
            colour = theme.ink if system == "joint" else theme.quiet
        else:
            colour = theme.colours[no_baselines.index(system) % len(theme.colours)]
        styles[system] = {"color": colour, "linestyle": BASELINES.get(system, "-"),
                          "marker": MARKERS[i % len(MARKERS)]}  # fmt: skip
    return styles


def _legend(figure: Figure, axis: Any, theme: Theme, narrow: bool) -> None:
    handles, labels = axis.get_legend_handles_labels()
    place: dict[str, Any] = {"loc": "outside lower left", "ncols": 3} if narrow else {"loc": "outside right upper"}
    figure.legend(handles, labels, frameon=False, labelcolor=theme.ink, handlelength=2.8, **place)


def plotted_strategy(report: Report, target: str) -> str | None:
    """The strategy with results of a target at the most budgets; of several such, the first in the report's order."""
    budgets: dict[str, set[int]] = defaultdict(set)
    for result in report.results:
        if result.target == target and result.system != "scratch" and result.strategy not in ("zero", "learned"):
            budgets[result.strategy].add(result.english_tokens)
    return max(budgets, key=lambda strategy: len(budgets[strategy]), default=None)


def budget_points(report: Report, target: str, strategy: str) -> dict[str, list[tuple[int, float, float]]]:
    """The points of each system: (English tokens, mean BLEU, standard deviation), with zero-shot at 0 tokens.

    A system without the strategy stands with the one that it has: scratch trains everything, and a learned rule moves
    its own parameters.
    """
    by_system: dict[str, dict[str, dict[int, list[float]]]] = {}
    for r in report.results:
        if r.target == target and not report.is_full(r):
            sizes = by_system.setdefault(r.system, {}).setdefault(r.strategy, {})
            sizes.setdefault(r.english_tokens, []).append(r.bleu)
    points = {}
    for system in report.systems:
        strategies = by_system.get(system, {})
        adapted = strategies.get(strategy) or next((s for n, s in strategies.items() if n != "zero"), {})
        sizes = {**strategies.get("zero", {}), **adapted}
        points[system] = [(n, mean(b), stdev(b) if len(b) > 1 else 0.0) for n, b in sorted(sizes.items())]
    return {system: curve for system, curve in points.items() if curve}


def budget_plot(report: Report, target: str) -> Plot | None:
    """The figure of BLEU against English tokens, with a band of one standard deviation; None for one budget."""
    strategy = plotted_strategy(report, target)
    if strategy is None:
        return None
    points = budget_points(report, target, strategy)
    sizes = sorted({size for curve in points.values() for size, _, _ in curve})
    if len(sizes) < 2:
        return None

    def draw(theme: Theme, narrow: bool) -> Figure:
        figure, (axis,) = _axes(theme, narrow)
        for system, look in looks(report, theme).items():
            if system in points:
                x = [
                    sizes.index(size) for size, _, _ in points[system]
                ]  # equal steps between budgets, since a log axis has no 0
                y = [bleu for _, bleu, _ in points[system]]
                sd = [deviation for _, _, deviation in points[system]]
                low, high = ([b + sign * d for b, d in zip(y, sd, strict=True)] for sign in (-1, 1))
                axis.fill_between(x, low, high, color=look["color"], alpha=0.13, linewidth=0)
                axis.plot(x, y, label=system, linewidth=1.6, markersize=4.5, **look)
        axis.set_xticks(range(len(sizes)), ["zero-shot" if s == 0 else budget_title(s) for s in sizes])
        axis.set_xlabel("English tokens of the sample", color=theme.quiet)
        axis.set_ylabel("BLEU", color=theme.quiet)
        axis.set_ylim(bottom=0)
        _legend(figure, axis, theme, narrow)
        return figure

    seeds = len({r.seed for r in report.results if r.target == target and r.english_tokens})
    into = next(r.into for r in report.results if r.target == target)
    caption = (
        f"{code_and_name(target)} to {code_and_name(into)}: test BLEU against the size of the sample adapted on, "
        f"strategy {strategy_title(strategy)} (scratch trains everything). Lines are means over {seeds} "
        f"seed{'s' * (seeds != 1)}, bands one standard "
        "deviation each way; zero-shot is each training once."
    )
    return Plot(f"budget-{target}", f"BLEU against budget, {target}", caption, draw)


def training_plot(report: Report) -> Plot:
    """The figure of loss and BLEU on the meta-validation languages during training."""
    with_bleu = any(bleu is not None for curve in report.curves for _, _, bleu in curve.points)

    def draw(theme: Theme, narrow: bool) -> Figure:
        figure, axes = _axes(theme, narrow, 2 if with_bleu else 1)
        styles = looks(report, theme)
        for curve in report.curves:
            look = {**styles[curve.system], "linewidth": 1.4, "markersize": 3.5}
            tokens, loss, bleu = zip(*curve.points, strict=True)
            axes[0].plot(tokens, loss, label=curve.system, **look)
            scored = [(t, b) for t, b in zip(tokens, bleu, strict=True) if b is not None]
            if with_bleu and scored:
                axes[1].plot(*zip(*scored, strict=True), label=curve.system, **look)
        for axis, title in zip(axes, ("loss, bits a token", "BLEU"), strict=False):
            axis.set_ylabel(title, color=theme.quiet)
            axis.set_xlabel("training tokens, millions", color=theme.quiet)
        _legend(figure, axes[0], theme, narrow)
        return figure

    caption = (
        "Meta-validation: at each point the model adapts to a fixed sample of the held-out validation language and is "
        "scored on its dev set. The first training run of each system; those that go on from a shared model share its "
        "course."
    )
    return Plot("meta-training", "The course of meta-training", caption, draw, with_bleu)
