"""A change of a mesh as the items of one DynamoDB transaction. No calls, only shapes."""

from dataclasses import dataclass
from typing import Any

from domain.hosted.access import Caller
from domain.hosted.kinds import MeshKey
from domain.hosted.state import Change, Outcome, State
from gateways.mesh_items import (
    LARGEST_ITEM,
    Item,
    account_key,
    changes_key,
    directory_key,
    history_key,
    listing_key,
    record_item,
    record_key,
    referrers_key,
    text_of,
    token_key,
)

Write = dict[str, Any]
TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Writer:
    """Who writes, in which request, when (seconds since the epoch): what history keeps beside the change."""

    caller: Caller
    request_id: str
    at: float


def transaction_of(table: str, state: State, outcome: Outcome, change: Change, writer: Writer) -> list[Write]:
    """Write a change, on condition that the mesh is still what `state` saw."""
    mesh = change.mesh
    changes = state.changes + 1 if state.changes is not None else int(writer.at * 1000)
    writes = [counter(mesh, state.changes, changes, gone=change.meshes < 0)]
    if change.meshes:
        writes.append(account(mesh, state.meshes, change.meshes))
    for path, record in change.puts.items():
        writes.append({"Put": {"Item": record_item(record_key(mesh, path), record)}})
        if not path:
            writes.append({"Put": {"Item": record_item(directory_key(mesh), record)}})
    for path in change.deletes:
        gone = referrers_key(mesh, path) if path else directory_key(mesh)
        writes += [delete(record_key(mesh, path)), delete(gone)]
    writes += [
        {"Put": {"Item": {**listing_key(mesh, collection), "entries": {"M": {}}}}} for collection in change.opened
    ]
    writes += [delete(listing_key(mesh, collection)) for collection in change.closed]
    writes += [
        listed(mesh, collection, name, entry)
        for collection, entries in change.entries.items()
        for name, entry in entries.items()
    ]
    writes += [referred(mesh, path, change.path, ports) for path, ports in change.refers.items()]
    writes.append(history(change, state, changes, writer))
    if change.token:
        writes.append(token(change, outcome, writer))
    return [{verb: {"TableName": table, **request} for verb, request in write.items()} for write in writes]


def counter(mesh: MeshKey, seen: int | None, changes: int, *, gone: bool) -> Write:
    """Raise the change counter, if it is what was seen: this orders all writes to the mesh.

    It begins at the time of creation, so that a mesh which is made again never repeats a number.
    """
    if seen is None:
        item = {**changes_key(mesh), "changes": {"N": str(changes)}}
        return {"Put": {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
    condition: Write = {
        "Key": changes_key(mesh),
        "ConditionExpression": "#c = :seen",
        "ExpressionAttributeNames": {"#c": "changes"},
        "ExpressionAttributeValues": {":seen": {"N": str(seen)}},
    }
    if gone:
        return {"Delete": condition}
    condition["ExpressionAttributeValues"][":changes"] = {"N": str(changes)}
    return {"Update": {**condition, "UpdateExpression": "SET #c = :changes"}}


def account(mesh: MeshKey, seen: int, more: int) -> Write:
    """Count the owner's meshes, if their number is what was seen."""
    return {
        "Update": {
            "Key": account_key(mesh),
            "UpdateExpression": "SET #m = :now",
            "ConditionExpression": "#m = :seen" if seen else "attribute_not_exists(#m) OR #m = :seen",
            "ExpressionAttributeNames": {"#m": "meshes"},
            "ExpressionAttributeValues": {":seen": {"N": str(seen)}, ":now": {"N": str(seen + more)}},
        }
    }


def delete(item_key: Item) -> Write:
    return {"Delete": {"Key": item_key}}


def listed(mesh: MeshKey, collection: str, name: str, entry: dict[str, Any] | None) -> Write:
    """Put a name into a listing, or take it out."""
    update: Write = {"Key": listing_key(mesh, collection), "ExpressionAttributeNames": {"#e": "entries", "#n": name}}
    if entry is None:
        return {"Update": {**update, "UpdateExpression": "REMOVE #e.#n"}}
    values = {":entry": {"S": text_of(entry)}}
    return {"Update": {**update, "UpdateExpression": "SET #e.#n = :entry", "ExpressionAttributeValues": values}}


def referred(mesh: MeshKey, path: str, by: str, ports: tuple[int | None, ...] | None) -> Write:
    """Note that one resource refers to another, or that it does no more."""
    update: Write = {"Key": referrers_key(mesh, path), "ExpressionAttributeNames": {"#by": by}}
    if ports is None:
        return {"Update": {**update, "UpdateExpression": "REMOVE #by"}}
    values = {":ports": {"S": text_of(ports)}}
    return {"Update": {**update, "UpdateExpression": "SET #by = :ports", "ExpressionAttributeValues": values}}


def history(change: Change, state: State, changes: int, writer: Writer) -> Write:
    """Keep what was written, by whom, and what was there before; of a deletion, what was deleted."""
    before = state.records.get(change.path)
    record = change.puts.get(change.path) or before
    item = record_item(history_key(change.mesh, changes), record) if record else {}
    if before and change.path in change.puts:
        text = text_of(before.document)
        if sum(len(each["S"].encode()) for each in item.values()) + len(text.encode()) <= LARGEST_ITEM:
            item["before"] = {"S": text}
    texts = {
        "operation": change.operation,
        "path": change.path,
        "account": writer.caller.account,
        "caller": writer.caller.arn,
        "requestId": writer.request_id,
    }
    return {
        "Put": {"Item": {**item, **{name: {"S": text} for name, text in texts.items()}, "at": {"N": str(writer.at)}}}
    }


def token(change: Change, outcome: Outcome, writer: Writer) -> Write:
    """Remember a clientToken with its answer, unless another request used it meanwhile."""
    document = change.puts[change.path].document if change.path in change.puts else outcome.answer.body
    return {
        "Put": {
            "Item": {
                **token_key(writer.caller.account, change.token or ""),
                "fingerprint": {"S": change.fingerprint},
                "answer": {"S": text_of(document)},
                "expiresAt": {"N": str(int(writer.at) + TOKEN_SECONDS)},
            },
            "ConditionExpression": "attribute_not_exists(pk) OR expiresAt <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(writer.at)}},
        }
    }
