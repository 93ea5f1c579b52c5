"""The report as one HTML file: nothing is fetched, and its content security policy forbids it."""

import base64
import hashlib
import json
from dataclasses import asdict
from html import escape
from pathlib import Path

from local.report import chart, mesh_map, style
from local.report.timeline import Phase, Timeline, told

_BESIDE = Path(__file__).parent


def draw(timeline: Timeline, mesh: str, caller: str, service: str) -> str:
    """Draw a timeline as a page; the same timeline gives the same page."""
    css = style.css() + "\n" + (_BESIDE / "page.css").read_text()
    script = (_BESIDE / "page.js").read_text()
    policy = f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meshift: traffic of {escape(service)}</title>
<style>{css}</style>
</head>
<body>
<main>
<h1>Traffic of {escape(service)} in the mesh {escape(mesh)}</h1>
<p>{chart.measured(timeline)}{_verdict(timeline)}</p>
<h2>The mesh <span class="soft" id="map-when">at {told(timeline.end)} s</span></h2>
<div class="scroll" tabindex="0" role="region" aria-label="mesh map">{mesh_map.draw(timeline, caller, service)}</div>
<h2>Weights asked for, and traffic observed</h2>
{_legend(timeline)}
<div class="scroll" tabindex="0" role="region" aria-label="chart"><div class="over">
{chart.draw(timeline)}
<output id="readout" for="moment"></output>
</div></div>
<label class="screen">The values at a moment: point into the chart, or move this with the arrow keys
<input type="range" id="moment" {_range(timeline)} step="any"></label>
{_phases(timeline)}
{_marks(timeline)}
{_closing(timeline)}
</main>
<script type="application/json" id="timeline">{_data(timeline)}</script>
<script>{script}</script>
</body>
</html>
"""


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(timeline: Timeline) -> str:
    """Write what the script needs; no name can end the element that holds it."""
    found = {"names": timeline.names, **{name: [*asdict(timeline)[name]] for name in ("samples", "asked", "marks")}}
    return json.dumps(found, sort_keys=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _verdict(timeline: Timeline) -> str:
    if not timeline.table:
        return ""
    good = sum(row.good for row in timeline.table)
    return f" {good} of {len(timeline.table)} steps were observed as expected."


def _range(timeline: Timeline) -> str:
    return f'min="{timeline.begin:g}" max="{timeline.end:g}" value="{timeline.end:g}"'


def _legend(timeline: Timeline) -> str:
    items = []
    for place, name in enumerate(timeline.names):
        line = '<path class="asked" d="M0 8L36 8"/><path class="observed" d="M0 8L36 8"/>'
        drawn = f'<g class="v{style.colour(place)}">{line}{chart.symbol(style.shape(place), 18, 8)}</g>'
        items.append(f'<li><svg width="36" height="16" aria-hidden="true">{drawn}</svg>{escape(name)}</li>')
    for kind in timeline.kinds:
        drawn = f'<g class="mark">{chart.symbol(style.glyph(kind), 8, 8)}</g>'
        items.append(f'<li><svg width="16" height="16" aria-hidden="true">{drawn}</svg>{escape(kind)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _phases(timeline: Timeline) -> str:
    rows = [_phase(timeline, each) for each in timeline.phases()]
    names = [f"asked {each}" for each in timeline.names] + [f"observed {each}" for each in timeline.versions]
    caption = "A phase lasts from one change of the weights to the next; what Envoys did before they knew of it counts."
    head = ["from", "to", *names, "requests", "failed", "worst p99"]
    return _table("Between two changes of the weights", caption, head, rows)


def _phase(timeline: Timeline, phase: Phase) -> list[str]:
    sample = phase.sample
    return [
        told(phase.begin, " s"),
        told(phase.end, " s"),
        *(f"{phase.weights[name]} %" if name in phase.weights else "–" for name in timeline.names),
        *(told(sample.share(name), " %") for name in timeline.versions),
        str(sum(sample.counts.values())),
        str(sum(sample.errors.values())),
        told(sample.p99, " ms"),
    ]


def _marks(timeline: Timeline) -> str:
    rows = [[told(mark.at, " s"), mark.what, mark.text] for mark in timeline.marks]
    return _table("What happened", "", ["at", "what", ""], rows)


def _closing(timeline: Timeline) -> str:
    """Draw the closing table; on a phone its cells stand under each other, each with its name."""
    if not timeline.table:
        return ""
    rows = ""
    for row in timeline.table:
        cells = {"step": row.step, "expected": row.expected, "observed": row.observed}
        rows += "<tr>" + "".join(f'<td data-name="{name}">{escape(text)}</td>' for name, text in cells.items())
        answer = "yes" if row.good else "no"
        rows += f'<td data-name="good" class="{answer}">{answer if row.good else answer.upper()}</td></tr>'
    head = "".join(f'<th scope="col">{name}</th>' for name in ("step", "expected", "observed", "good"))
    table = f'<table class="closing"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f"<h2>What was expected, and what was observed</h2>{table}"


def _cell(opened: str, text: str) -> str:
    return f"{opened}{escape(text)}</td>"


def _table(title: str, caption: str, head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    opened = ["<td>" if name else '<td class="text">' for name in head]
    body = "".join(f"<tr>{''.join(map(_cell, opened, row))}</tr>" for row in rows)
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    table = f"<table>{said}<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{title}</h2><div class="scroll" tabindex="0" role="region" aria-label="{title}">{table}</div>'
