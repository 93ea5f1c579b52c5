"""A timeline: what was asked for, what was measured and what happened, by seconds since the story began.

    {"samples": [{"at": s, "counts": {version: n}, "errors": {version: n}, "p99Ms": x}],
     "weights": [{"at": s, "weights": {node: weight}}],
     "marks": [{"at": s, "what": "shift", "text": "…"}],
     "table": [{"step": …, "expected": …, "observed": …, "good": true}]}

A sample counts the requests that were answered since the one before it, errors among them. What is missing is empty.
A version that is named as its virtual node is drawn as one with it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any

KINDS = ("shift", "bake", "gate", "paused", "operator", "roll back", "promoted")
"""What happens in a rollout, in the order in which it is drawn; others come after them."""
ASKED_ONLY = "share of the traffic asked for, %; no traffic was measured"


@dataclass(frozen=True)
class Sample:
    """The requests answered up to a moment."""

    at: float
    counts: Mapping[str, int]
    errors: Mapping[str, int]
    p99: float | None

    def share(self, name: str) -> float | None:
        """Return a version's share of the requests in percent; None when there was none."""
        total = sum(self.counts.values())
        return 100 * self.counts.get(name, 0) / total if total else None


@dataclass(frozen=True)
class Asked:
    """The weights from a moment on."""

    at: float
    weights: Mapping[str, int]


@dataclass(frozen=True)
class Mark:
    """Something that happened."""

    at: float
    what: str
    text: str


@dataclass(frozen=True)
class Row:
    """A line of the closing table."""

    step: str
    expected: str
    observed: str
    good: bool


@dataclass(frozen=True)
class Phase:
    """The time between two changes of the weights, and what was measured in it."""

    begin: float
    end: float
    weights: Mapping[str, int]
    sample: Sample


@dataclass(frozen=True)
class Timeline:
    """All of it, in the order of time."""

    samples: tuple[Sample, ...]
    asked: tuple[Asked, ...]
    marks: tuple[Mark, ...]
    table: tuple[Row, ...]

    @property
    def names(self) -> list[str]:
        """Nodes and versions, each once, in the order in which they appear: their place is their colour and shape."""
        found: dict[str, None] = {}
        for each in (*(asked.weights for asked in self.asked), *(sample.counts for sample in self.samples)):
            found |= dict.fromkeys(each)
        return list(found)

    @property
    def versions(self) -> list[str]:
        """The names that requests were counted for."""
        counted = {name for sample in self.samples for name in sample.counts}
        return [name for name in self.names if name in counted]

    @property
    def kinds(self) -> list[str]:
        """The kinds of marks that there are."""
        there = dict.fromkeys(mark.what for mark in self.marks)
        return [kind for kind in KINDS if kind in there] + [kind for kind in there if kind not in KINDS]

    @property
    def begin(self) -> float:
        """The first moment of which something is known; building and deploying come before it."""
        return min((each.at for each in (*self.samples, *self.asked, *self.marks)), default=0.0)

    @property
    def end(self) -> float:
        """The last moment; at least a second later, so that there is something to draw on."""
        return max([self.begin + 1, *(each.at for each in (*self.samples, *self.asked, *self.marks))])

    @property
    def title(self) -> str:
        """What the bands and lines are."""
        return "traffic: share asked for (band) and observed (line), %" if self.samples else ASKED_ONLY

    def steps(self, name: str) -> list[tuple[float, float]]:
        """Return a node's weight as corners of a line: until it changes, and from there on."""
        corners: list[tuple[float, float]] = []
        for each in self.asked:
            weight = each.weights.get(name, 0)
            corners += [*((each.at, last) for _, last in corners[-1:]), (each.at, weight)]
        return [*corners, *((self.end, last) for _, last in corners[-1:])]

    def phases(self) -> list[Phase]:
        """Cut the time where weights change, and sum up what was measured between."""
        changes = [Asked(self.begin, {})] if not self.asked or self.asked[0].at > self.begin else []
        for each in self.asked:
            if not changes or changes[-1].weights != each.weights:
                changes.append(each)
        cut = pairwise([*changes, Asked(self.end, {})])
        phases = [Phase(now.at, then.at, now.weights, self._sum(now.at, then.at)) for now, then in cut]
        return [each for each in phases if each.weights or each.sample.counts]

    def _sum(self, begin: float, end: float) -> Sample:
        within = [each for each in self.samples if begin < each.at <= end or each.at == begin == self.begin]
        worst = max((each.p99 for each in within if each.p99 is not None), default=None)
        return Sample(end, _total(each.counts for each in within), _total(each.errors for each in within), worst)


def read(document: Mapping[str, Any]) -> Timeline:
    """Read a timeline document; parts that are missing are empty."""
    samples = [
        Sample(
            float(each["at"]), _numbers(each.get("counts")), _numbers(each.get("errors")), _finite(each.get("p99Ms"))
        )
        for each in document.get("samples") or []
    ]
    asked = [Asked(float(each["at"]), _numbers(each.get("weights"))) for each in document.get("weights") or []]
    marks = [
        Mark(float(each["at"]), str(each["what"]), str(each.get("text", ""))) for each in document.get("marks") or []
    ]
    table = [
        Row(
            str(each.get("step", "")),
            str(each.get("expected", "")),
            str(each.get("observed", "")),
            bool(each.get("good")),
        )
        for each in document.get("table") or []
    ]
    in_time = attrgetter("at")
    ordered = sorted(samples, key=in_time), sorted(asked, key=in_time), sorted(marks, key=in_time)
    return Timeline(*map(tuple, ordered), tuple(table))


def ticks(top: float, most: int, bottom: float = 0) -> list[float]:
    """Return round numbers from `bottom` up to `top`, at most so many steps of 1, 2 or 5.

    >>> ticks(100, 5), ticks(63, 3, 41)
    ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [50.0, 60.0])
    """
    rough = (top - bottom) / most
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(ten * each for each in (1, 2, 5, 10) if ten * each >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(bottom / step - 1e-9), int(top / step + 1e-9) + 1)]


def told(number: float | None, unit: str = "") -> str:
    """Write a number as short as it is exact enough; a dash for none.

    >>> told(25.04, " %"), told(3.0), told(None)
    ('25.0 %', '3', '–')
    """
    if number is None:
        return "–"
    return f"{number:.0f}{unit}" if number == int(number) else f"{number:.1f}{unit}"


def _numbers(found: Mapping[str, Any] | None) -> dict[str, int]:
    return {str(name): int(number) for name, number in (found or {}).items()}


def _finite(number: Any) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, number in each.items():
            total[name] = total.get(name, 0) + number
    return total
