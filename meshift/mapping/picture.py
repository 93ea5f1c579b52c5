"""The map as an SVG: callers, virtual services, routes and virtual nodes in columns, weights as thick as they are."""

from collections.abc import Iterable
from html import escape

from meshift.mapping.model import MeshMap
from meshift.svg import LETTER, box, thickness

_ROW, _GAP, _EDGE, _HEAD = 52, 110, 12, 40
_WIDEST = 270
_TITLES = ("callers", "virtual services", "routes", "virtual nodes")
_STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1b1f24 } .middle { text-anchor: middle }
.head { fill: #5c6570 } .box { fill: #f6f8fa; stroke: #8b949e } .edge { stroke: #0072b2; fill: none }
.idle { stroke: #8b949e; stroke-dasharray: 3 3 } .paper { fill: #ffffff }
.weight { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .head { fill: #9aa4af } .paper { fill: #0d1117 }
.box { fill: #161b22; stroke: #6e7681 } .edge { stroke: #56b4e9 } .weight { stroke: #0d1117 } }"""

Place = tuple[int, str]
"""A column, and what is in it: the name, or of a route the virtual service and its own."""


def draw(found: MeshMap) -> str:
    """Draw the map."""
    columns = _columns(found)
    widths = [min(_WIDEST, LETTER * max([len(title), *map(len, shown.values())]) + 18) for title, shown in columns]
    lefts = [_EDGE + sum(widths[:column]) + _GAP * column for column in range(len(columns))]
    height = _HEAD + _ROW * max(1, *(len(shown) for _, shown in columns)) + _EDGE
    middles = {
        (column, key): _HEAD + (height - _HEAD - _EDGE) * (row + 0.5) / len(shown)
        for column, (_, shown) in enumerate(columns)
        for row, key in enumerate(shown)
    }
    parts = [f'<rect class="paper" width="100%" height="{height}"/>']
    for start, end, weight in _edges(found):
        if start in middles and end in middles:
            parts.append(_edge(lefts[start[0]] + widths[start[0]], middles[start], lefts[end[0]], middles[end], weight))
    for column, (title, shown) in enumerate(columns):
        parts.append(f'<text class="head middle" x="{lefts[column] + widths[column] / 2}" y="24">{title}</text>')
        parts += [box(lefts[column], middles[column, key], widths[column], name) for key, name in shown.items()]
    width, said = lefts[-1] + widths[-1] + _EDGE, f"Mesh {found.mesh}: {'; '.join(_in_words(found))}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(said)}"><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _columns(found: MeshMap) -> list[tuple[str, dict[str, str]]]:
    """List each column's title and what is in it: key and name."""
    routes = {f"{s.name} {r.name}": f"{r.name}: {r.matches}" for s in found.services for r in s.routes}
    names = ({each.name: each.name for each in some} for some in (found.callers, found.services, found.nodes))
    callers, services, nodes = names
    return list(zip(_TITLES, (callers, services, routes, nodes), strict=True))


def _edges(found: MeshMap) -> Iterable[tuple[Place, Place, int | None]]:
    """List what leads where, and with which weight, if it is one."""
    for caller in found.callers:
        for name in caller.calls:
            yield (0, caller.name), (1, name), None
    for service in found.services:
        if service.node:
            yield (1, service.name), (3, service.node), None
        for route in service.routes:
            key = f"{service.name} {route.name}"
            yield (1, service.name), (2, key), None
            for node, weight in route.weights.items():
                yield (2, key), (3, node), weight


def _edge(x: float, y: float, to_x: float, to_y: float, weight: int | None) -> str:
    bend = (x + to_x) / 2
    curve = f'd="M{x:.0f} {y:.0f}C{bend:.0f} {y:.0f} {bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"'
    kind = "edge idle" if weight == 0 else "edge"
    line = f'<path class="{kind}" {curve} stroke-width="{2 if weight is None else thickness(weight):.2f}"/>'
    label = (
        "" if weight is None else f'<text class="middle weight" x="{to_x - 24:.0f}" y="{to_y + 5:.0f}">{weight}</text>'
    )
    return line + label


def _in_words(found: MeshMap) -> Iterable[str]:
    """Say what the picture shows, for who cannot see it."""
    for caller in found.callers:
        yield f"{caller.name} calls {', '.join(caller.calls)}"
    for service in found.services:
        if service.node:
            yield f"{service.name} is {service.node}"
        for route in service.routes:
            yield f"{service.name} by {route.name}: {', '.join(f'{n} {w}' for n, w in route.weights.items())}"
