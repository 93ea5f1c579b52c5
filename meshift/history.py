"""`meshift history`: who moved which weight of a virtual service, when, and why."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from gateways.rollout_table import RolloutTable
from meshift.drawing import console_for, split
from meshift.errors import DONE, Failed
from meshift.options import add_aws, add_json, use_aws
from meshift.stack import read_stack

_WIDE = 500
"""Columns of what is read by another program or in a file: a line each."""
Line = Mapping[str, Any]
"""`{"at", "what", "execution", "document"}`, as RolloutTable has it."""


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.add_argument("mesh", help="mesh, or mesh@owner")
    found.add_argument("virtual_service", metavar="virtual-service")
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Show it, oldest first."""
    use_aws(options)
    table = RolloutTable(read_stack(options.stack).output("RolloutTable"))
    lines = table.history(options.mesh, options.virtual_service)
    if not lines:
        raise Failed(f"nothing is known of a rollout of {options.virtual_service} in mesh {options.mesh}")
    rows = told(lines)
    if options.json:
        print(json.dumps(rows, indent=2))
        return DONE
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("when", "what", "weights", "why", "who"):
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(
            *map(Text, (row["at"][:19].replace("T", " "), row["what"], weights_of(row), row["why"], row["who"]))
        )
    console_for(sys.stdout, _WIDE).print(shown)
    return DONE


def told(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Say of each line who and why: `{"at", "what", "who", "why", "execution", "document"}`."""
    return [{**line, **_who_and_why(lines, index)} for index, line in enumerate(lines)]


def weights_of(row: Line) -> str:
    """Write the weights that a line is about."""
    document = row["document"]
    if row["what"] == "weights":
        moved = [f"{node} {document['from'][node]} → {weight}" for node, weight in document["to"].items()]
        return f"{document['route']}: {', '.join(moved)}"
    if row["what"] == "plan":
        return "; ".join(f"{route}: {split(weights)}" for route, weights in document["before"].items())
    return split(document["weights"]) if document.get("weights") else ""


def _who_and_why(lines: Sequence[Line], index: int) -> dict[str, str]:
    line = lines[index]
    document, name = line["document"], line["execution"].rpartition(":")[2]
    who = str(document.get("by") or name)
    if line["what"] == "plan":
        away = f"{document['candidate']} is redeployed, its siblings take over"
        steps = f"{len(document['steps'])} steps to {document['candidate']}"
        return {"why": away if document.get("away") else steps, "who": who}
    if line["what"] == "check":
        said = document["reason"] or document["name"]
        return {"why": f"{document['verdict']}: {said}" + (", told only" if document["dryRun"] else ""), "who": who}
    if line["what"] == "signal":
        return {"why": document["signal"], "who": who}
    if line["what"] == "outcome":
        return {"why": f"{document['outcome']}: {document['reason']}", "who": who}
    if line["what"] != "weights":
        return {"why": json.dumps(document), "who": who}
    same = [each for each in lines if each["execution"] == line["execution"]]
    place = same.index(line)
    asked = _asked(same[:place])
    if asked and asked["signal"] in ("promote", "skip-wait", "approve", "abort"):
        who = f"{asked['by']} ({asked['signal']})"
    return {"why": str(document.get("reason") or _step(same, place)), "who": who}


def _step(same: Sequence[Line], place: int) -> str:
    """Say which step of its plan a weight is, or why it went back."""
    route, to = same[place]["document"]["route"], same[place]["document"]["to"]
    plan = next((each["document"] for each in reversed(same[:place]) if each["what"] == "plan"), None)
    if plan is None:
        return ""
    if to == plan["before"].get(route):
        ended = next((each["document"] for each in same[place:] if each["what"] == "outcome"), None)
        return f"back to the weights before: {ended['reason']}" if ended else "back to the weights before"
    steps = [number for number, step in enumerate(plan["steps"], 1) if step["weights"].get(route) == to]
    return f"step {steps[0]} of {len(plan['steps'])}" if steps else ""


def _asked(before: Sequence[Line]) -> Mapping[str, str] | None:
    """Return the last signal since the weights moved last."""
    for line in reversed(before):
        if line["what"] == "signal":
            found: Mapping[str, str] = line["document"]
            return found
        if line["what"] == "weights":
            return None
    return None
