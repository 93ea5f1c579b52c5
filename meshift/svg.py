"""Boxes and lines of a mesh, as SVG; what they look like, the style of the page or picture says (`box`, `edge`)."""

from html import escape

LETTER = 9
"""Pixels that a letter takes at most."""


def box(x: float, y: float, width: float, name: str) -> str:
    """Draw a box around a name, its left edge at `x`, its middle at `y`; a name that is too long is cut, and told."""
    shown = name if len(name) <= width / LETTER else name[: int(width / LETTER) - 1] + "…"
    rect = f'<rect class="box" x="{x}" y="{y - 18}" width="{width}" height="36" rx="6"/>'
    text = f'<text class="middle" x="{x + width / 2}" y="{y + 5}">{escape(shown)}</text>'
    return f"<g><title>{escape(name)}</title>{rect}{text}</g>"


def thickness(weight: int) -> float:
    """Return how thick the line of a weight is, in pixels; one that gets nothing is a hair."""
    return 0.5 + weight * 0.115
