"""Show a plan, or how it ended: a table for people, JSON for machines."""

import json
from collections import Counter
from typing import Any

from rich.table import Table
from rich.text import Text

from meshift.importing.plan import CREATE, REFUSED, UNCHANGED, UPDATE, Change, Step, title_of
from meshift.importing.resources import Resource

COLOURS = {CREATE: "green", UPDATE: "yellow", UNCHANGED: "dim", REFUSED: "red"} | {
    "created": "green",
    "updated": "yellow",
    "failed": "red",
}
ACTIONS = (CREATE, UPDATE, UNCHANGED, REFUSED)
OUTCOMES = ("created", "updated", UNCHANGED, REFUSED, "failed")
MOST_CHANGES = 6


def table_of(steps: list[Step]) -> Table:
    """A row for each resource: what happens, to what, and the changes or the reasons."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("action", "mesh", "resource", "details"):
        table.add_column(heading, overflow="fold")
    for step in steps:
        word = step.outcome or step.action
        mesh = step.found.names["meshName"] if isinstance(step.found, Resource) else ""
        details = "\n".join(details_of(step))
        table.add_row(Text(word, style=COLOURS[word]), Text(mesh), Text(title_of(step.found)), Text(details))
    return table


def details_of(step: Step) -> list[str]:
    """Reasons (with the place in the source), or the first changes."""
    if step.reasons:
        return [*step.reasons, f"({step.found.origin})"]
    shown = [change_of(change) for change in step.changes[:MOST_CHANGES]]
    more = len(step.changes) - len(shown)
    return [*shown, f"and {more} more"] if more else shown


def change_of(change: Change) -> str:
    """Write a change.

    >>> change_of(Change("spec.http2Route.action.weightedTargets[0].weight", 100, 75))
    'spec.http2Route.action.weightedTargets[0].weight: 100 → 75'
    """
    before, after = ("nothing" if value is None else short(value) for value in (change.before, change.after))
    return f"{change.path}: {before} → {after}"


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def summary_of(steps: list[Step], applied: bool) -> str:
    """Count what was done, or would be.

    >>> summary_of([], applied=False)
    'Plan: 0 to create, 0 to update, 0 unchanged, 0 refused.'
    """
    count = Counter(step.outcome or step.action for step in steps)
    if applied:
        return "Done: " + ", ".join(f"{count[word]} {word}" for word in OUTCOMES) + "."
    to_do = f"{count[CREATE]} to create, {count[UPDATE]} to update"
    return f"Plan: {to_do}, {count[UNCHANGED]} unchanged, {count[REFUSED]} refused."


def json_of(steps: list[Step], target: str, applied: bool) -> str:
    """Write the whole plan, with every change, as one JSON object."""
    count = Counter(step.outcome or step.action for step in steps)
    summary = {word: count[word] for word in (OUTCOMES if applied else ACTIONS)}
    document = {
        "target": target,
        "applied": applied,
        "summary": summary,
        "resources": [entry_of(step) for step in steps],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def entry_of(step: Step) -> dict[str, Any]:
    found = step.found
    names = dict(found.names) if isinstance(found, Resource) else {found.kind.name_member: found.name}
    return {
        "action": step.action,
        **({"outcome": step.outcome} if step.outcome else {}),
        "kind": found.kind.name,
        "names": names,
        "source": found.origin,
        "changes": [vars(change) for change in step.changes],
        "reasons": list(step.reasons),
    }
