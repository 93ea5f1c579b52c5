"""Apply a plan, step by step, each saying how it ended."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from meshift.importing.plan import CREATE, REFUSED, UPDATE, Step, title_of
from meshift.importing.resources import Key, Resource
from meshift.importing.target import Target

CREATED, UPDATED, UNCHANGED, FAILED = "created", "updated", "unchanged", "failed"


def apply(steps: list[Step], target: Target, say: Callable[[str], None]) -> list[Step]:
    """Create and update in the plan's order; what fails does not keep others back that do not need it.

    `say` gets a line for each change. What the API refuses is an outcome; a connection that is lost is raised.
    """
    total = sum(step.action in (CREATE, UPDATE) for step in steps)
    ended: list[Step] = []
    absent: set[Key] = set()
    count = 0
    for step in steps:
        resource = step.found
        if step.action not in (CREATE, UPDATE) or not isinstance(resource, Resource):
            ended.append(step.ended(REFUSED if step.action == REFUSED else UNCHANGED))
            continue
        count += 1
        end = attempted(step, resource, target, absent)
        if end.outcome == FAILED and step.action == CREATE:
            absent.add(resource.key)
        mesh = resource.names["meshName"]
        why = f": {end.reasons[-1]}" if end.outcome == FAILED else ""
        say(f"[{count}/{total}] {end.outcome} {mesh}: {title_of(resource)}{why}")
        ended.append(end)
    return ended


def attempted(step: Step, resource: Resource, target: Target, absent: set[Key]) -> Step:
    """Make one change, unless something that it needs could not be made."""
    for key in resource.needs:
        if key in absent:
            return step.ended(FAILED, f"{key.path or f'the mesh {key.mesh}'} could not be created")
    try:
        if step.existing is None:
            target.create(resource)
            return step.ended(CREATED)
        changed_tags = {
            change.path.removeprefix("tags."): change.after for change in step.changes if in_tags(change.path)
        }
        if len(changed_tags) < len(step.changes):
            target.update(resource, step.existing["metadata"]["version"])
        if changed_tags:
            target.tag(step.existing["metadata"]["arn"], changed_tags)
    except ClientError as error:
        return step.ended(FAILED, "{Code}: {Message}".format(**error.response["Error"]))
    return step.ended(UPDATED)


def in_tags(path: str) -> bool:
    return path.startswith("tags.")
