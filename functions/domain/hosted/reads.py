"""The operations that only look: `Describe*`, `List*`, `ListTagsForResource`."""

from collections.abc import Iterable
from typing import Any

from domain.hosted.access import Ask, refusal
from domain.hosted.kinds import MESH, VIRTUAL_GATEWAY, VIRTUAL_ROUTER, MeshKey, arn_of
from domain.hosted.model import operation, shape
from domain.hosted.pages import page
from domain.hosted.shapes import shown
from domain.hosted.state import Answer, Document, Record, State
from domain.hosted.tags import listed
from domain.hosted.tasks import Task, authorize, existing

LARGEST_PAGE = 100
LARGEST_TAG_PAGE = 50
REF_METADATA = ("arn", "createdAt", "lastUpdatedAt", "meshOwner", "resourceOwner", "version")


def looked(task: Task, state: State) -> Answer:
    """Answer a read of one mesh."""
    authorize(task, state)
    if task.verb == "List":
        return listing(task, state)
    record = existing(task, state)
    if task.verb == "ListTags":
        items, token = page(
            listed(record.tags),
            f"tags/{task.arn}",
            task.params.get("limit", LARGEST_TAG_PAGE),
            task.params.get("nextToken"),
        )
        return Answer({"tags": items} | ({"nextToken": token} if token else {}))
    return shown_record(task.call.operation, record.document)


def shown_record(name: str, document: Document) -> Answer:
    """Show a resource as the operation's output: the document itself is the body."""
    output = shape(operation(name)["output"])
    return Answer(shown(document, output["members"][output["payload"]]), document["metadata"]["version"])


def listing(task: Task, state: State) -> Answer:
    """Show a page of a collection, from the entries of its listing."""
    entries = state.listings.get(task.collection, {})
    above: dict[str, Any] = {"meshName": task.mesh.name, "meshOwner": task.mesh.owner}
    if task.kind.parent:
        parent = VIRTUAL_ROUTER if task.kind.parent == VIRTUAL_ROUTER.name else VIRTUAL_GATEWAY
        above[parent.name_member] = task.params[parent.name_member]
    refs = (
        (
            name,
            {
                **entry,
                **above,
                task.kind.name_member: name,
                "arn": arn_of(task.place.partition, task.place.region, task.mesh, f"{task.collection}/{name}"),
            },
        )
        for name, entry in entries.items()
    )
    return paged(task, refs, f"{task.mesh.owner}/{task.mesh.name}/{task.collection}")


def list_meshes(task: Task, meshes: Iterable[Record]) -> Answer:
    """Show the meshes that the caller owns, and those that are shared with it."""
    refs = []
    for record in meshes:
        key = MeshKey(record.metadata["meshOwner"], record.document["meshName"])
        ask = Ask(task.call.operation, key, record.metadata["arn"], record.metadata["resourceOwner"])
        if refusal(task.caller, ask, record.access) is None:
            ref = {name: record.metadata[name] for name in REF_METADATA} | {"meshName": key.name}
            refs.append((f"{key.owner}/{key.name}", ref))
    return paged(task, refs, MESH.plural)


def paged(task: Task, refs: Iterable[tuple[str, Document]], scope: str) -> Answer:
    items, token = page(refs, scope, task.params.get("limit", LARGEST_PAGE), task.params.get("nextToken"))
    body = {task.kind.plural: items} | ({"nextToken": token} if token else {})
    return Answer(shown(body, operation(task.call.operation)["output"]))
