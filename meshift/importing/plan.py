"""The plan: what an import would do to each resource, and why not. Reads the target, changes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from domain.hosted.kinds import MESH
from meshift.importing.resources import ORDER, Found, Key, Refusal, Resource

CREATE, UPDATE, UNCHANGED, REFUSED = "create", "update", "unchanged", "refused"
ABSENT = object()


class Described(Protocol):
    """What a plan asks a target."""

    def document(self, key: Key) -> dict[str, Any] | None: ...

    def tags(self, document: Mapping[str, Any]) -> dict[str, str] | None: ...


@dataclass(frozen=True)
class Change:
    """One value that an update replaces; None where there is no value."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Step:
    """What happens to one resource. `existing` is what the target describes; `outcome` is set once it was applied."""

    action: str
    found: Found
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
    existing: Mapping[str, Any] | None = None
    outcome: str = ""

    def ended(self, outcome: str, *reasons: str) -> "Step":
        return replace(self, outcome=outcome, reasons=(*self.reasons, *reasons))


def plan(found: list[Found], target: Described) -> list[Step]:
    """Decide each resource, in an order in which all of them can be applied."""
    steps: list[Step] = []
    by_key: dict[Key, Step] = {}
    for item in sorted(found, key=lambda item: ORDER.index(item.kind)):
        if isinstance(item, Refusal):
            steps.append(Step(REFUSED, item, reasons=item.reasons))
            if item.key:
                by_key.setdefault(item.key, steps[-1])
            continue
        step = repeated(item, by_key[item.key]) if item.key in by_key else decided(item, by_key, target)
        if step:
            steps.append(step)
            by_key.setdefault(item.key, step)
    return steps


def repeated(item: Resource, first: Step) -> Step | None:
    """A resource that is in the sources twice: harmless when both say the same."""
    if isinstance(first.found, Resource) and (item.spec, item.tags) == (first.found.spec, first.found.tags):
        return None
    return Step(REFUSED, item, reasons=(f"it is described differently in {first.found.origin}",))


def decided(item: Resource, steps: Mapping[Key, Step], target: Described) -> Step:
    missing = [reason for key in item.needs if (reason := lacking(key, steps, target))]
    if missing:
        return Step(REFUSED, item, reasons=tuple(dict.fromkeys(missing)))
    existing = target.document(item.key)
    if existing is None:
        return Step(CREATE, item)
    changes = (*spec_changes(item, existing), *tag_changes(item, existing, target))
    return Step(UPDATE if changes else UNCHANGED, item, changes, existing=existing)


def lacking(key: Key, steps: Mapping[Key, Step], target: Described) -> str | None:
    """Say why something that a resource needs will not be there, or None when it will."""
    own = Key("", key.mesh, "")  # a mesh in the source is the caller's, even where others spell its owner out
    step = steps.get(key) or (None if key.path else steps.get(own))
    if (step and step.action != REFUSED) or target.document(key):
        return None
    needed = key.path or f"the mesh {key.mesh}"
    return f"{needed} is refused" if step else f"{needed} is neither in the source nor in the target"


def spec_changes(item: Resource, existing: Mapping[str, Any]) -> Iterator[Change]:
    yield from differences(existing.get("spec", {}), item.spec, "spec")


def tag_changes(item: Resource, existing: Mapping[str, Any], target: Described) -> Iterator[Change]:
    """Tags that are new or different; those that only the target has are left alone."""
    before = target.tags(existing) if item.tags else None
    for key, value in (item.tags or {}).items():
        if before is not None and before.get(key) != value:
            yield Change(f"tags.{key}", before.get(key), value)


def differences(before: Any, after: Any, path: str) -> Iterator[Change]:
    """Compare two documents down to where they differ.

    >>> [(c.path, c.before, c.after) for c in differences({"a": [1, 2]}, {"a": [1, 3]}, "spec")]
    [('spec.a[1]', 2, 3)]
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            left, right = (items[index] if index < len(items) else ABSENT for items in (before, after))
            yield from differences(left, right, f"{path}[{index}]")
    elif before != after:
        yield Change(path, *(None if value is ABSENT else value for value in (before, after)))


def title_of(found: Found) -> str:
    """Name a resource for people: the path in its mesh, or what its source calls it."""
    if isinstance(found, Refusal):
        return f"{found.kind.name} {found.name}"
    return "the mesh" if found.kind is MESH else found.path
