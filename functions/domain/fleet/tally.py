"""The fleet's counts: what was found, what came of it, and when too much of it failed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from domain.fleet.judgement import INJECT, NOTHING_TO_DO, REFUSED, UPGRADE
from domain.fleet.progress import BROUGHT_IN, FAILED, LEFT_ALONE, SUPERSEDED

_NAMES = {
    NOTHING_TO_DO: "nothingToDo",
    INJECT: "inject",
    UPGRADE: "upgrade",
    REFUSED: "refused",
    BROUGHT_IN: "broughtIn",
    LEFT_ALONE: "leftAlone",
    SUPERSEDED: "superseded",
    FAILED: "failed",
}
_MOST_FAILURES = 20
_LONGEST = 300

Document = Mapping[str, Any]


def empty_tally() -> dict[str, Any]:
    """Begin: nothing seen, nothing done, `failures` by service and reason."""
    return {"services": 0, "notEnrolled": 0, "waves": 0, **dict.fromkeys(_NAMES.values(), 0), "failures": []}


def count_judged(tally: Document, actions: Sequence[str | None]) -> dict[str, Any]:
    """Count services that were looked at, by what they need; None stands for one that is not enrolled."""
    found = Counter("notEnrolled" if each is None else _NAMES[each] for each in actions)
    counted = {name: tally[name] + number for name, number in found.items()}
    return {**tally, **counted, "services": tally["services"] + len(actions)}


def count_wave(tally: Document, wave: Sequence[Document], results: Sequence[Document]) -> dict[str, Any]:
    """Count what came of a wave; a service that nothing was heard of has failed."""
    heard = {each["service"]: each for each in results if each.get("outcome") in _NAMES}
    unheard = {"outcome": FAILED, "reason": "nothing was heard of it"}
    ends = [heard.get(each["service"], {**each, **unheard}) for each in wave]
    found = Counter(_NAMES[each["outcome"]] for each in ends)
    failed = [each for each in ends if each["outcome"] == FAILED]
    failures = [{"service": each["service"], "reason": each["reason"][:_LONGEST]} for each in failed]
    return {
        **tally,
        **{name: tally[name] + number for name, number in found.items()},
        "waves": tally["waves"] + 1,
        "failures": [*tally["failures"], *failures][:_MOST_FAILURES],
    }


def too_many_failed(before: Document, after: Document, wave: Sequence[Document], tolerate: int) -> str | None:
    """Say why no other wave may begin, or None; `tolerate` is a percentage of the wave.

    >>> too_many_failed({"failed": 0}, {"failed": 2, "waves": 1}, [{}] * 5, tolerate=20)
    'wave 1: 2 of 5 services failed, more than 20 %'
    """
    failed = after["failed"] - before["failed"]
    if failed * 100 <= tolerate * len(wave):
        return None
    return f"wave {after['waves']}: {failed} of {len(wave)} services failed, more than {tolerate} %"
