"""From what Meshift itself remembers of a virtual service to a timeline: its plans, weights, signals and outcomes."""

from collections.abc import Iterable
from typing import Any

Line = tuple[float, str, dict[str, Any]]
"""A line of the history: seconds since the epoch, what it is, its document."""
_OUTCOMES = {"Promoted": "promoted", "Rolled Back": "roll back"}


def follow(lines: Iterable[Line], began: float, route: str) -> dict[str, list[dict[str, Any]]]:
    """Return the `weights` and `marks` of a timeline that began at a time (seconds since the epoch).

    The weights are those of one route: as a plan found it, and as each shift and outcome left it.
    """
    weights: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for when, what, document in lines:
        at = round(when - began, 3)
        if what == "weights" and document["route"] == route:
            marks.append({"at": at, "what": "shift", "text": _changed(document["from"], document["to"])})
            weights.append({"at": at, "weights": document["to"]})
        elif what == "plan" and route in document["before"]:
            weights.append({"at": at, "weights": document["before"][route]})
        elif what == "signal":
            kind = "paused" if document["signal"] == "pause" else "operator"
            marks.append({"at": at, "what": kind, "text": document["signal"]})
        elif what == "outcome":
            kind = _OUTCOMES.get(document["outcome"], document["outcome"].lower())
            marks.append({"at": at, "what": kind, "text": document["reason"]})
            if document["weights"]:
                weights.append({"at": at, "weights": document["weights"]})
    return {"weights": weights, "marks": marks}


def _changed(before: dict[str, int], after: dict[str, int]) -> str:
    return ", ".join(f"{node} {before[node]} → {weight}" for node, weight in after.items() if before[node] != weight)
