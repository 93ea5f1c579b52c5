"""The chart as a PNG, for places that show no page: drawn by Matplotlib, which brings its own fonts."""

import warnings
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from local.report import style
from local.report.timeline import Timeline

_MARKERS = {"circle": "o", "square": "s", "triangle": "^", "down": "v", "diamond": "D", "cross": "x"}
_INK, _SOFT, _LINE = "#1b1f24", "#5c6570", "#d9dee4"
_MOST_SHAPES = 24
_NAMES_IN_A_ROW, _ROW, _TITLE = 6, 0.24, 0.28
"""The legend's rows, and the title below it: their heights in inches."""


def write(timeline: Timeline, target: Path, service: str) -> None:
    """Draw a timeline into a file, 1560 pixels wide."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box is drawn in its place
        draw(timeline, service).savefig(target, metadata={"Software": None})


def draw(timeline: Timeline, service: str) -> Figure:
    """Draw a timeline; names are taken literally, whatever they look like."""
    heights = [0.35 + 0.28 * len(timeline.kinds), 4, *([1.3, 1.3] if timeline.samples else [])]
    rows = -(-len(timeline.names) // _NAMES_IN_A_ROW)
    size = 12, 0.65 + _ROW * rows + sum(heights)
    figure = Figure(figsize=size, dpi=130, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    lanes, traffic, *measured = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    _lanes(lanes, timeline)
    _traffic(traffic, timeline)
    if measured:
        _errors(measured[0], timeline)
        _latency(measured[1], timeline)
    for axes in (traffic, *measured):
        axes.grid(axis="y", color=_LINE)
        for mark in timeline.marks:
            axes.axvline(mark.at, color=_SOFT, alpha=0.4, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    for axes in (lanes, traffic, *measured):
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=_INK)
        axes.set_axisbelow(True)
    traffic.set_xlim(timeline.begin, timeline.end + (timeline.end - timeline.begin) / 100)
    (measured or [traffic])[-1].set_xlabel("seconds", color=_INK)
    figure.suptitle(f"Traffic of {service}", x=0.01, ha="left", fontsize=13, color=_INK, parse_math=False)
    return figure


def _lanes(axes: Axes, timeline: Timeline) -> None:
    for row, kind in enumerate(timeline.kinds):
        at = [mark.at for mark in timeline.marks if mark.what == kind]
        axes.plot(at, [row] * len(at), _MARKERS[style.glyph(kind)], color=_INK, markersize=6, clip_on=False)
    axes.set_yticks(range(len(timeline.kinds)), timeline.kinds, parse_math=False)
    axes.set_ylim(len(timeline.kinds) - 0.4, -0.6)
    axes.grid(axis="y", color=_LINE)


def _traffic(axes: Axes, timeline: Timeline) -> None:
    every = 1 + len(timeline.samples) // _MOST_SHAPES
    lines = []
    for place, name in enumerate(timeline.names):
        look: dict[str, Any] = {"color": style.LIGHT[style.colour(place)]}
        if any(name in each.weights for each in timeline.asked):
            axes.plot(*_points(timeline.steps(name)), linewidth=8, alpha=0.3, solid_capstyle="butt", **look)
        look |= {"marker": _MARKERS[style.shape(place)], "markersize": 5, "linewidth": 1.5}
        shares = [(each.at, each.share(name)) for each in timeline.samples] if name in timeline.versions else []
        axes.plot(*_points(shares), markevery=(place * every // 2 % every, every), **look)
        lines.append(Line2D([], [], **look))
    _title(axes, timeline.title)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_ylim(-4, 104)
    if lines:
        figure = axes.get_figure(root=True)
        above = axes.transAxes + ScaledTranslation(0, _TITLE, figure.dpi_scale_trans)
        legend = axes.legend(
            lines,
            [""] * len(lines),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            bbox_transform=above,
            borderaxespad=0,
            borderpad=0,
            ncols=_NAMES_IN_A_ROW,
            frameon=False,
        )
        for text, name in zip(legend.get_texts(), timeline.names, strict=True):
            text.set_parse_math(False)
            text.set_text(name)


def _errors(axes: Axes, timeline: Timeline) -> None:
    at = [each.at for each in timeline.samples]
    below = [0] * len(at)
    for place, name in enumerate(timeline.names):
        failed = [each.errors.get(name, 0) for each in timeline.samples]
        width = 0.8 * (timeline.end - timeline.begin) / len(at)
        axes.bar(at, failed, width, bottom=below, color=style.LIGHT[style.colour(place)])
        below = [before + more for before, more in zip(below, failed, strict=True)]
    _title(axes, "failed requests")
    axes.set_ylim(0, max([1, *below]))
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))


def _latency(axes: Axes, timeline: Timeline) -> None:
    axes.plot(*_points([(each.at, each.p99) for each in timeline.samples]), color=_INK, linewidth=1.3)
    _title(axes, "latency p99, ms")
    axes.set_ylim(bottom=0)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, color=_INK)


def _points(found: list[tuple[float, float | None]]) -> tuple[list[float], list[float]]:
    """Split points into what Matplotlib takes; a line is broken where there is no value."""
    return [at for at, _ in found], [float("nan") if value is None else value for _, value in found]
