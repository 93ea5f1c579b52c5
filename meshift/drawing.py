"""How rollouts look in a terminal: lines and bars; colours are rich's business, and only a terminal has them."""

from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Text

from meshift.rollouts import Rollout

_BAR = 30
_COLOURS = {"Promoted": "green", "Rolled Back": "red", "Roll Back Failed": "red", "Frozen": "yellow"}

_VERDICTS = {"pass": "green", "fail": "red"}


def console_for(stream: TextIO, otherwise: int = 140) -> Console:
    """A console as wide as the terminal; `otherwise` where there is none: wide enough for a log."""
    return Console(file=stream, width=None if stream.isatty() else otherwise, highlight=False)


def span(seconds: float) -> str:
    """Write a time.

    >>> span(45), span(600), span(754), span(7260)
    ('45 s', '10 min', '12 min 34 s', '2 h 1 min')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def bar(weight: int, width: int = _BAR) -> str:
    """Draw a weight of 100.

    >>> bar(25, 8), bar(1, 8), bar(0, 8)
    ('██······', '█·······', '········')
    """
    full = max(1, round(weight * width / 100)) if weight else 0
    return "█" * full + "·" * (width - full)


def split(weights: Mapping[str, int]) -> str:
    """Write the weights of a route.

    >>> split({"v1": 75, "v2": 25})
    'v1 75, v2 25'
    """
    return ", ".join(f"{node} {weight}" for node, weight in weights.items())


def where(rollout: Rollout) -> str:
    """Say how far a rollout is, in a line."""
    found = rollout.as_json()
    if rollout.waits:
        return f"waits: {found['reason']}"
    if "step" not in found:
        return rollout.state or "no execution is at work on it any more"
    step = f"step {found['step']} of {found['steps']}"
    left = f", {span(found['secondsToGo'])} to go if all stays well" if found["secondsToGo"] is not None else ""
    if found["paused"]:
        return f"{step}, paused: the weights stay until the next signal"
    if rollout.gate:
        rest = span(max(0, rollout.gate["timeoutSeconds"] - rollout.gate["waitedSeconds"]))
        return f"{step} waits for approval, {rest} left, then {rollout.gate['onTimeout']}"
    if rollout.state in ("Bake", "Check Health", "What Now?"):
        return f"{step} bakes, check {min(found['checksDone'] + 1, found['checks'])} of {found['checks']}{left}"
    return f"{step}, {rollout.state}{left}"


def checks(rollout: Rollout) -> str:
    """Say what the checks of a rollout found."""
    found = rollout.as_json()
    said = found["reason"] if rollout.state not in ("Shift Traffic", "Was Traffic Shifted?") else ""
    return f"{found['failures']} of {found['failureLimit']} failures" + (f"; {said}" if said else "")


def draw(rollout: Rollout) -> Text:
    """Draw a rollout: what moves, how far it is, the weights as bars, the checks, and by what it is done."""
    text = Text()
    text.append(f"{rollout.title}\n", "bold")
    text.append(f"  {where(rollout)}\n", "yellow" if rollout.waits or rollout.document.get("paused") else "")
    candidate = (rollout.document.get("plan") or {}).get("candidate")
    for route, weights in (rollout.weights or {}).items():
        if len(rollout.weights or {}) > 1:
            text.append(f"  route {route}\n", "dim")
        width = max(map(len, weights))
        for node, weight in weights.items():
            text.append(f"  {node.ljust(width)} {weight:>3} ")
            text.append(f"{bar(weight)}\n", "cyan" if node == candidate else "blue")
    if rollout.plan is not None and "away" not in rollout.plan:
        text.append(f"  checks: {checks(rollout)}\n")
    for result in rollout.results:
        only = ", told only" if result["dryRun"] else ""
        text.append(f"    {result['verdict']:<12} ", _VERDICTS.get(result["verdict"], "yellow"))
        text.append(f"{result['reason'] or result['name']}{only}\n")
    text.append(f"  {rollout.document.get('deployment', '')} in execution {rollout.name}\n", "dim")
    return text


def ending(outcome: str, reason: str) -> Text:
    """Write how a rollout ended."""
    return Text.assemble((outcome, f"bold {_COLOURS.get(outcome, '')}".strip()), f": {reason}")
