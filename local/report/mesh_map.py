"""The map of the page, as SVG: who calls, the virtual service, and its virtual nodes with their weights."""

from html import escape

from local.report import style
from local.report.chart import symbol
from local.report.timeline import Timeline
from meshift.svg import box, thickness

_ROW, _WIDTH = 64, 720


def draw(timeline: Timeline, caller: str, service: str) -> str:
    """Draw the map with the last weights; the page's script shows those of the moment under the pointer."""
    weights = timeline.asked[-1].weights if timeline.asked else {}
    nodes = [name for name in timeline.names if any(name in each.weights for each in timeline.asked)]
    height = max(1, len(nodes)) * _ROW + 16
    middle = height / 2
    parts = [box(8, middle, 130, caller), box(232, middle, 180, service)]
    parts.append(f'<line class="edge" x1="138" y1="{middle}" x2="232" y2="{middle}" stroke-width="3"/>')
    for row, name in enumerate(nodes):
        place, y = timeline.names.index(name), 8 + _ROW * (row + 0.5)
        weight = weights.get(name, 0)
        line = f'x1="412" y1="{middle}" x2="540" y2="{y}" stroke-width="{thickness(weight)}"'
        label = f'x="500" y="{middle + (y - middle) * 0.69 - 9:.1f}"'
        parts.append(
            f'<g class="v{style.colour(place)}"><line class="edge to" data-node="{escape(name)}" {line}/>'
            f'<text class="weight" data-node="{escape(name)}" {label}>{weight}</text>'
            f"{box(540, y, 172, name)}{symbol(style.shape(place), 556, y, 5)}</g>"
        )
    said = ", ".join(f"{name} {weights.get(name, 0)}" for name in nodes) or "no weights are known"
    return (
        f'<svg class="map" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'aria-labelledby="map-title"><title id="map-title">{escape(caller)} calls {escape(service)}; its weights: '
        f"{escape(said)}</title>{''.join(parts)}</svg>"
    )
