"""The chart of the page, as SVG: lanes of marks, and under them traffic, errors and latency over the same time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from local.report import style
from local.report.timeline import Timeline, ticks, told

WIDTH, LEFT, RIGHT, LANE = 960, 96, 14, 20
_MOST_SHAPES = 24


@dataclass(frozen=True)
class Panel:
    """A part of the chart: its upper edge and height in pixels, and the value at its upper edge."""

    top: float
    height: float
    most: float

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    def y(self, value: float) -> float:
        """Return where a value is drawn."""
        return self.top + self.height * (1 - value / self.most)


def draw(timeline: Timeline) -> str:
    """Draw a timeline. The page's script reads the attributes `data-…` to say what is under the pointer."""
    traffic = Panel(30 + LANE * len(timeline.kinds), 210, 100)
    failed = [sum(each.errors.values()) for each in timeline.samples]
    errors = Panel(traffic.bottom + 34, 80, max([1, *failed]))
    slowest = max([1.0, *(each.p99 for each in timeline.samples if each.p99 is not None)])
    latency = Panel(errors.bottom + 34, 80, slowest * 1.05)
    bottom = latency.bottom if timeline.samples else traffic.bottom

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - timeline.begin) / (timeline.end - timeline.begin)

    parts = [
        *_lanes(timeline, x, bottom),
        *_axis(traffic, timeline.title, [0, 25, 50, 75, 100]),
        *_asked(timeline, traffic, x),
        *_observed(timeline, traffic, x),
        *_time(timeline, bottom, x),
        f'<line id="cursor" y1="4" y2="{bottom:.1f}" visibility="hidden"/>',
    ]
    if timeline.samples:
        whole = [each for each in ticks(errors.most, 2) if each == int(each)]
        parts += [*_axis(errors, "failed requests", whole), *_errors(timeline, errors, x)]
        parts += _axis(latency, "latency p99, ms", ticks(latency.most, 2))
        parts.append(_line("latency", ((each.at, each.p99) for each in timeline.samples), latency, x))
    size = f'viewBox="0 0 {WIDTH} {bottom + 40:.0f}" width="{WIDTH}" height="{bottom + 40:.0f}"'
    times = f'data-left="{LEFT}" data-right="{RIGHT}" data-begin="{timeline.begin:g}" data-end="{timeline.end:g}"'
    return (
        f'<svg id="chart" class="chart" {size} {times} role="img" aria-labelledby="chart-title chart-text">'
        f'<title id="chart-title">Weights asked for and traffic observed over time</title>'
        f'<desc id="chart-text">{escape(in_words(timeline))}</desc>{"".join(parts)}</svg>'
    )


def in_words(timeline: Timeline) -> str:
    """Say what the chart shows, for who cannot see it."""
    marks = "; ".join(f"{told(each.at)} s {each.what} {each.text}".rstrip() for each in timeline.marks)
    happened = f" What happened: {marks}." if marks else ""
    return f"{measured(timeline)}{happened} The tables below have the values."


def measured(timeline: Timeline) -> str:
    """Say in a sentence how much was measured."""
    total = sum(sum(each.counts.values()) for each in timeline.samples)
    failed = sum(sum(each.errors.values()) for each in timeline.samples)
    seconds = told(timeline.end - timeline.begin)
    return f"{total} requests in {seconds} seconds, {failed} of them failed." if total else "No traffic was measured."


def symbol(shape: str, x: float, y: float, size: float = 4.5, inside: str = "") -> str:
    """Draw a shape around a point."""
    corners = {
        "triangle": ((-1, 0.9), (1, 0.9), (0, -1)),
        "down": ((-1, -0.9), (1, -0.9), (0, 1)),
        "diamond": ((-1.1, 0), (0, -1.1), (1.1, 0), (0, 1.1)),
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    }
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}">{inside}</circle>'
    if shape == "cross":
        a, b, c, d = x - size, y - size, x + size, y + size
        return (
            f'<path class="cross" d="M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}M{a:.1f} {d:.1f}L{c:.1f} {b:.1f}">{inside}</path>'
        )
    points = " ".join(f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in corners[shape])
    return f'<polygon points="{points}">{inside}</polygon>'


def _lanes(timeline: Timeline, x: Callable[[float], float], bottom: float) -> Iterable[str]:
    for number, kind in enumerate(timeline.kinds):
        y = 8 + LANE * (number + 0.5)
        yield _text(LEFT - 10, y + 4, kind, "left")
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        for mark in timeline.marks:
            if mark.what == kind:
                place = x(mark.at)
                said = escape(f"{told(mark.at)} s: {mark.what} {mark.text}".rstrip())
                yield f'<line class="when" x1="{place:.1f}" x2="{place:.1f}" y1="{y}" y2="{bottom:.1f}"/>'
                yield f'<g class="mark">{symbol(style.glyph(kind), place, y, 5.5, f"<title>{said}</title>")}</g>'


def _axis(panel: Panel, title: str, values: Iterable[float]) -> Iterable[str]:
    yield _text(LEFT, panel.top - 7, title, "head")
    for value in values:
        y = panel.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 10, y + 4, told(value), "left")


def _asked(timeline: Timeline, panel: Panel, x: Callable[[float], float]) -> Iterable[str]:
    for place, name in enumerate(timeline.names):
        if any(name in each.weights for each in timeline.asked):
            yield _line(f"asked v{style.colour(place)}", timeline.steps(name), panel, x)


def _observed(timeline: Timeline, panel: Panel, x: Callable[[float], float]) -> Iterable[str]:
    every = 1 + len(timeline.samples) // _MOST_SHAPES
    for place, name in enumerate(timeline.names):
        if name in timeline.versions:
            shares = [(each.at, each.share(name)) for each in timeline.samples]
            yield f'<g class="v{style.colour(place)}">{_line("observed", shares, panel, x)}'
            # Spread, so that the shapes of two lines that lie on each other can both be seen.
            first = place * every // 2 % every
            for at, share in shares[first::every]:
                if share is not None:
                    yield symbol(style.shape(place), x(at), panel.y(share))
            yield "</g>"


def _errors(timeline: Timeline, panel: Panel, x: Callable[[float], float]) -> Iterable[str]:
    between = (WIDTH - LEFT - RIGHT) / max(1, len(timeline.samples))
    width = min(10.0, max(1.5, 0.8 * between))
    for sample in timeline.samples:
        below = 0
        for place, name in enumerate(timeline.names):
            if failed := sample.errors.get(name, 0):
                y, height = panel.y(below + failed), panel.height * failed / panel.most
                size = f'x="{x(sample.at) - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
                yield f'<rect class="error v{style.colour(place)}" {size}/>'
                below += failed


def _time(timeline: Timeline, bottom: float, x: Callable[[float], float]) -> Iterable[str]:
    for value in ticks(timeline.end, 10, timeline.begin):
        yield f'<line class="tick" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{bottom:.1f}" y2="{bottom + 5:.1f}"/>'
        yield _text(x(value), bottom + 18, told(value), "middle")
    yield _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 36, "seconds", "middle")


def _line(kind: str, points: Iterable[tuple[float, float | None]], panel: Panel, x: Callable[[float], float]) -> str:
    """Draw a line that is broken where there is no value."""
    path, pen = [], "M"
    for at, value in points:
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{x(at):.1f} {panel.y(value):.1f}")
        pen = "L"
    return f'<path class="{kind}" d="{"".join(path)}"/>' if path else ""


def _text(x: float, y: float, said: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'
