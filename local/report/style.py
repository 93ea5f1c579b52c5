"""How a version looks, in the page and in the picture: by colour and by shape, so that neither is needed alone.

The colours are those of Okabe and Ito, which colour-blind people tell apart (https://jfly.uni-koeln.de/color/), the
dark page's ones lighter.
"""

LIGHT = ("#0072b2", "#d55e00", "#007d5b", "#a8578a", "#9a6a00", "#2f6f8f")
DARK = ("#56b4e9", "#ff8a3d", "#2fc79a", "#e39bc6", "#e6b422", "#a5d3ea")
SHAPES = ("circle", "square", "triangle", "diamond", "cross")
GLYPHS = {
    "shift": "triangle",
    "bake": "square",
    "gate": "diamond",
    "paused": "cross",
    "roll back": "down",
    "promoted": "circle",
}
"""The shape of a mark; others are crosses."""


def colour(place: int) -> int:
    """Return which of the colours a name at this place has."""
    return place % len(LIGHT)


def shape(place: int) -> str:
    """Return which shape a name at this place has."""
    return SHAPES[place % len(SHAPES)]


def glyph(kind: str) -> str:
    """Return the shape of a kind of marks."""
    return GLYPHS.get(kind, "cross")


def css() -> str:
    """Return the colours as variables of a style sheet, the light ones for paper too."""
    light, dark = (" ".join(f"--v{n}: {each};" for n, each in enumerate(colours)) for colours in (LIGHT, DARK))
    rules = [f":root {{ {light} }}", f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"]
    rules += [f".v{n} {{ --v: var(--v{n}); }}" for n in range(len(LIGHT))]
    return "\n".join(rules)
