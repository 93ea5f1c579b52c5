"""How meshes are laid out in the one DynamoDB table (docs/decisions/0006-mesh-table.md). No calls, only shapes.

| pk                        | sk                    | what                                                            |
|---------------------------|-----------------------|-----------------------------------------------------------------|
| mesh/OWNER/MESH           | changes               | `changes`: the mesh's change counter, a few bytes               |
|                           | mesh                  | the mesh: document, tags, access                                |
|                           | mesh/PATH             | a resource: document, tags                                      |
|                           | listing/COLLECTION    | `entries`: name → what a list shows                             |
|                           | referrers/PATH        | an attribute per referring path: the ports that it names        |
| meshes                    | OWNER/MESH            | a copy of the mesh, for lists of meshes                         |
| account/OWNER             | account               | `meshes`: how many the account owns                             |
| history/OWNER/MESH        | CHANGES               | one write: who, what, when, the document, the one before        |
| token/ACCOUNT/TOKEN       | token                 | a clientToken: request's fingerprint, answer; gone after a day  |
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from domain.hosted.errors import bad_request
from domain.hosted.kinds import MeshKey
from domain.hosted.state import Document, Needs, Record, State, UsedToken, Write

Item = dict[str, Any]
LARGEST_ITEM = 390_000
"""Bytes of text in an item; DynamoDB refuses more than 400 KB with names and keys."""
DIRECTORY = "meshes"


def text_of(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def mesh_pk(mesh: MeshKey) -> str:
    return f"mesh/{mesh.owner}/{mesh.name}"


def changes_key(mesh: MeshKey) -> Item:
    return key(mesh_pk(mesh), "changes")


def record_key(mesh: MeshKey, path: str) -> Item:
    return key(mesh_pk(mesh), f"mesh/{path}" if path else "mesh")


def listing_key(mesh: MeshKey, collection: str) -> Item:
    return key(mesh_pk(mesh), f"listing/{collection}")


def referrers_key(mesh: MeshKey, path: str) -> Item:
    return key(mesh_pk(mesh), f"referrers/{path}")


def directory_key(mesh: MeshKey) -> Item:
    return key(DIRECTORY, f"{mesh.owner}/{mesh.name}")


def account_key(mesh: MeshKey) -> Item:
    return key(f"account/{mesh.owner}", "account")


def history_pk(mesh: MeshKey) -> str:
    return f"history/{mesh.owner}/{mesh.name}"


def history_key(mesh: MeshKey, changes: int) -> Item:
    return key(history_pk(mesh), f"{changes:020d}")


def write_of(item: Item) -> Write:
    """A write out of the history; what was not kept of it counts as unchanged."""
    after: Document | None = json.loads(item["document"]["S"]) if "document" in item else None
    operation = item["operation"]["S"]
    before = json.loads(item["before"]["S"]) if "before" in item else after
    if operation.startswith("Create"):
        before = None
    elif operation.startswith("Delete"):
        after = None
    return Write(float(item["at"]["N"]), item["path"]["S"], before, after)


def token_key(account: str, token: str) -> Item:
    return key(f"token/{account}/{token}", "token")


def keys_of(needs: Needs, account: str) -> list[Item]:
    """The keys of everything that an operation has to see."""
    keys = [changes_key(needs.mesh)]
    keys += [record_key(needs.mesh, path) for path in needs.records]
    keys += [listing_key(needs.mesh, collection) for collection in needs.listings]
    keys += [referrers_key(needs.mesh, path) for path in needs.referrers]
    keys += [account_key(needs.mesh)] if needs.meshes else []
    keys += [token_key(account, needs.token)] if needs.token else []
    return keys


def record_item(item_key: Item, record: Record) -> Item:
    """A resource as an item; one that is too large for DynamoDB is a BadRequestException."""
    texts = {"document": text_of(record.document), "tags": text_of(record.tags), "access": text_of(record.access)}
    size = sum(len(text.encode()) for text in texts.values())
    if size > LARGEST_ITEM:
        raise bad_request(f"the resource has {size} bytes with its tags; it may have {LARGEST_ITEM}")
    return {**item_key, **{name: {"S": text} for name, text in texts.items()}}


def record_of(item: Item) -> Record:
    return Record(*(json.loads(item[name]["S"]) for name in ("document", "tags", "access")))


def state_of(items: Iterable[Item], now: float) -> State:
    """Put what was read together, whatever its order; a clientToken past its day counts for nothing."""
    changes: int | None = None
    token: UsedToken | None = None
    meshes = 0
    records: dict[str, Record] = {}
    listings: dict[str, Mapping[str, Any]] = {}
    referrers: dict[str, Mapping[str, tuple[int | None, ...]]] = {}
    for item in items:
        kind, _, rest = item["sk"]["S"].partition("/")
        if kind == "mesh":
            records[rest] = record_of(item)
        elif kind == "listing":
            listings[rest] = {name: json.loads(entry["S"]) for name, entry in item["entries"]["M"].items()}
        elif kind == "referrers":
            referrers[rest] = {name: tuple(json.loads(value["S"])) for name, value in item.items() if "/" in name}
        elif kind == "changes":
            changes = int(item["changes"]["N"])
        elif kind == "account":
            meshes = int(item["meshes"]["N"])
        elif kind == "token" and float(item["expiresAt"]["N"]) > now:
            token = UsedToken(item["fingerprint"]["S"], json.loads(item["answer"]["S"]))
    return State(changes, records, listings, referrers, token, meshes)
