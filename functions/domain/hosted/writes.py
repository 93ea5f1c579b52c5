"""The operations that change something. Each takes what was read and gives back the answer and the whole change."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.hosted.errors import conflict, in_use, limit_exceeded
from domain.hosted.kinds import IN_A_MESH, MESH, Kind, arn_of
from domain.hosted.listeners import (
    check_route_fits,
    check_routes_still_fit,
    check_target_fits,
    check_targets_still_fit,
    listeners_of,
)
from domain.hosted.reads import shown_record
from domain.hosted.specs import protocol_and_port, references
from domain.hosted.state import Answer, Change, Document, Outcome, Record, State
from domain.hosted.tags import mapping_of, with_tags, without_tags
from domain.hosted.tasks import Task, authorize, existing, fingerprint, missing_path, replayed, routes_below


def written(task: Task, state: State, at: float, uid: str) -> Outcome:
    """Decide a write at a time (seconds since the epoch); `uid` is that of a resource which may come to be."""
    if (task.verb, task.kind) != ("Create", MESH):
        authorize(task, state)
    before = replayed(task, state.token)
    if before is not None:
        return Outcome(shown_record(task.call.operation, before))
    outcome = WRITES[task.verb](task, state, at, uid)
    token = task.params.get("clientToken")
    if outcome.change is None or token is None:
        return outcome
    return replace(outcome, change=replace(outcome.change, token=token, fingerprint=fingerprint(task)))


def create(task: Task, state: State, at: float, uid: str) -> Outcome:
    """Make a resource: its name is free, its collection has room, and what it names exists and fits."""
    spec = task.params.get("spec", {})
    if task.path in state.records:
        raise conflict(f"{task.kind.title} with name {task.name} already exists in mesh {task.mesh.name}")
    count = state.meshes if task.kind is MESH else len(state.listings[task.collection])
    if count >= task.kind.quota:
        where = f"account {task.mesh.owner}" if task.kind is MESH else task.parent or f"mesh {task.mesh.name}"
        raise limit_exceeded(f"there are {count} {task.kind.plural} in {where}; the quota is {task.kind.quota}")
    check_references(task.kind, spec, state, task)
    document = {
        **names_of(task),
        "metadata": {
            "arn": arn_of(task.place.partition, task.place.region, task.mesh, task.path),
            "createdAt": at,
            "lastUpdatedAt": at,
            "meshOwner": task.mesh.owner,
            "resourceOwner": task.caller.account,
            "uid": uid,
            "version": 1,
        },
        "spec": spec,
        "status": status_of(spec),
    }
    record = Record(document, mapping_of(task.params.get("tags", ())))
    change = Change(
        task.mesh,
        task.call.operation,
        task.path,
        puts={task.path: record},
        entries=entries_of(task, document),
        opened=IN_A_MESH if task.kind is MESH else routes_below(task.kind, task.path),
        refers=references(task.kind.name, spec),
        meshes=int(task.kind is MESH),
    )
    return Outcome(shown_record(task.call.operation, document), change)


def update(task: Task, state: State, at: float, _: str) -> Outcome:
    """Replace a resource's spec; what points at its ports must still fit. The version rises by one."""
    record = existing(task, state)
    spec = task.params.get("spec", {})
    check_references(task.kind, spec, state, task)
    listeners = listeners_of(spec)
    for collection in routes_below(task.kind, task.path):
        check_routes_still_fit(state.listings[collection], listeners, task.kind.title)
    check_targets_still_fit(state.referrers.get(task.path, {}), task.name, listeners)
    metadata = record.metadata
    document = {
        **record.document,
        "spec": spec,
        "status": status_of(spec),
        "metadata": {
            **metadata,
            "lastUpdatedAt": max(at, metadata["lastUpdatedAt"]),
            "version": metadata["version"] + 1,
        },
    }
    now = references(task.kind.name, spec)
    gone = dict.fromkeys(set(references(task.kind.name, record.document["spec"])) - set(now))
    change = Change(
        task.mesh,
        task.call.operation,
        task.path,
        puts={task.path: replace(record, document=document)},
        entries=entries_of(task, document),
        refers={**gone, **now},
    )
    return Outcome(shown_record(task.call.operation, document), change)


def delete(task: Task, state: State, _: float, __: str) -> Outcome:
    """Take a resource away that holds nothing and that nothing refers to."""
    record = existing(task, state)
    for collection in task.needs.listings:
        if state.listings.get(collection):
            inside = f"{collection}/{min(state.listings[collection])}"
            raise in_use(f"{task.kind.title} {task.name} cannot be deleted: {inside} is in it")
    referrers = state.referrers.get(task.path)
    if referrers:
        raise in_use(f"{task.kind.title} {task.name} cannot be deleted: {min(referrers)} refers to it")
    gone: dict[str, tuple[int | None, ...] | None] = dict.fromkeys(references(task.kind.name, record.document["spec"]))
    change = Change(
        task.mesh,
        task.call.operation,
        task.path,
        deletes=(task.path,),
        refers=gone,
        entries={} if task.kind is MESH else {task.collection: {task.name: None}},
        closed=task.needs.listings,
        meshes=-int(task.kind is MESH),
    )
    return Outcome(shown_record(task.call.operation, {**record.document, "status": {"status": "DELETED"}}), change)


def tag(task: Task, state: State, _: float, __: str) -> Outcome:
    record = existing(task, state)
    return retagged(task, record, with_tags(record.tags, mapping_of(task.params["tags"])))


def untag(task: Task, state: State, _: float, __: str) -> Outcome:
    record = existing(task, state)
    return retagged(task, record, without_tags(record.tags, task.params["tagKeys"]))


def retagged(task: Task, record: Record, tags: Mapping[str, str]) -> Outcome:
    change = Change(task.mesh, task.call.operation, task.path, puts={task.path: replace(record, tags=tags)})
    return Outcome(Answer({}), None if tags == record.tags else change)


WRITES = {"Create": create, "Update": update, "Delete": delete, "Tag": tag, "Untag": untag}


def check_references(kind: Kind, spec: Document, state: State, task: Task) -> None:
    """What a spec names exists in the mesh, and a route fits the listener above it and those of its targets."""
    for path, named in references(kind.name, spec).items():
        record = state.records.get(path)
        if record is None:
            raise missing_path(path, task.mesh)
        if kind.name == "route":
            for port in named:
                check_target_fits(
                    "a weighted target", port, path.rpartition("/")[2], listeners_of(record.document["spec"])
                )
    if kind.parent:
        expects = protocol_and_port(spec)
        above = state.records[task.parent].document["spec"]
        title = "Virtual Router" if kind.name == "route" else "Virtual Gateway"
        check_route_fits(
            "Route" if kind.name == "route" else "Gateway route",
            expects["protocol"],
            expects.get("port"),
            listeners_of(above),
            title,
        )


def status_of(spec: Document) -> Document:
    """INACTIVE is what no Envoy can be told of: certificates of ACM. What was served before stays served."""
    return {"status": "INACTIVE" if names_acm(spec) else "ACTIVE"}


def names_acm(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "acm" in value or any(map(names_acm, value.values()))
    return isinstance(value, list) and any(map(names_acm, value))


def names_of(task: Task) -> Document:
    """The names in a document: the mesh's, the parent's, the resource's own."""
    members = {"meshName", f"{task.kind.parent}Name", task.kind.name_member}
    return {member: value for member, value in task.params.items() if member in members}


def entries_of(task: Task, document: Document) -> dict[str, dict[str, Document | None]]:
    """The entry of a resource in its collection's listing: what `List*` shows that cannot be derived."""
    if task.kind is MESH:
        return {}
    kept = ("createdAt", "lastUpdatedAt", "resourceOwner", "version")
    entry: dict[str, Any] = {name: document["metadata"][name] for name in kept}
    if task.kind.parent:
        entry["expects"] = protocol_and_port(document["spec"])
    return {task.collection: {task.name: entry}}
