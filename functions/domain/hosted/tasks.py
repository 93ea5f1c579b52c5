"""Prepare an operation: which mesh and resource it is about, and what has to be read before it can be decided."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from domain.hosted.access import Ask, Caller, refusal
from domain.hosted.errors import ApiError, conflict, not_found
from domain.hosted.kinds import (
    GATEWAY_ROUTE,
    IN_A_MESH,
    KINDS,
    MESH,
    OPERATIONS,
    VIRTUAL_GATEWAY,
    VIRTUAL_NODE,
    VIRTUAL_ROUTER,
    Kind,
    MeshKey,
    arn_of,
    collection_of,
    named,
    parse_arn,
    path_of,
    split_path,
)
from domain.hosted.requests import Call
from domain.hosted.specs import check_spec, references
from domain.hosted.state import Needs, Record, State, UsedToken
from domain.hosted.tags import mapping_of

TAG_VERBS = {"ListTagsForResource": "ListTags", "TagResource": "Tag", "UntagResource": "Untag"}
READS = ("Describe", "List", "ListTags", "Get")
NAMES = tuple(kind.name_member for kind in KINDS)


@dataclass(frozen=True)
class Place:
    """Where the meshes live: AWS partition and Region, for their ARNs."""

    partition: str
    region: str


@dataclass(frozen=True)
class Task:
    """A call, who makes it, and what it is about: a verb on the resource of a kind at a path in a mesh."""

    call: Call
    caller: Caller
    place: Place
    verb: str
    kind: Kind
    mesh: MeshKey
    path: str
    needs: Needs
    collection: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        return self.call.params

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2] or self.mesh.name

    @property
    def arn(self) -> str:
        """The ARN that policies speak of: the resource's, or for a list that of the mesh or parent."""
        path = self.parent if self.verb == "List" else self.path
        return arn_of(self.place.partition, self.place.region, self.mesh, path)

    @property
    def parent(self) -> str:
        """The path of the router or gateway that a route lies in, else the empty path of the mesh."""
        return self.collection.rpartition("/")[0] if self.kind.parent else ""

    @property
    def reads_only(self) -> bool:
        return self.verb in READS


def task_of(call: Call, caller: Caller, place: Place) -> Task:
    """Prepare a call of App Mesh's API; what breaks a rule by itself is refused here, before anything is read."""
    if call.operation in TAG_VERBS:
        mesh, path = parse_arn(call.params["resourceArn"], place.region)
        kind, _ = split_path(path) or (MESH, {})
        return Task(
            call,
            caller,
            place,
            TAG_VERBS[call.operation],
            kind,
            mesh,
            path,
            Needs(mesh, tuple(dict.fromkeys(("", path)))),
        )
    verb, kind = OPERATIONS[call.operation]
    params = call.params
    for member in NAMES:
        if member in params:
            named(params[member], member)
    owner = params.get("meshOwner", caller.account)
    if not (owner.isascii() and owner.isdigit()):
        raise ApiError("BadRequestException", "meshOwner must be an account id of 12 digits")
    mesh = MeshKey(owner, params.get("meshName", ""))
    if "spec" in params:
        check_spec(kind.name, params["spec"])
    mapping_of(params.get("tags", ()))
    collection = "" if kind is MESH else collection_of(kind, params)
    path = "" if verb == "List" else path_of(kind, params)
    needs = needs_of(verb, kind, mesh, path, collection, params)
    return Task(call, caller, place, verb, kind, mesh, path, needs, collection)


def needs_of(verb: str, kind: Kind, mesh: MeshKey, path: str, collection: str, params: dict[str, Any]) -> Needs:
    """What to read: the resource, what stands above it, what its spec names, and what may stand in the way."""
    parent = collection.rpartition("/")[0] if kind.parent else ""
    records = {"": None, parent: None, path: None}
    listings: tuple[str, ...] = ()
    if verb in ("Create", "List") and kind is not MESH:
        listings = (collection,)
    elif verb in ("Update", "Delete"):
        listings = IN_A_MESH if kind is MESH else routes_below(kind, path)
    if verb in ("Create", "Update"):
        records.update(dict.fromkeys(references(kind.name, params.get("spec", {}))))
    referrers = (
        (path,) if (verb == "Delete" and kind is not MESH) or (verb == "Update" and kind is VIRTUAL_NODE) else ()
    )
    return Needs(
        mesh,
        tuple(records),
        listings if (verb, kind) != ("Update", MESH) else (),
        referrers,
        token=params.get("clientToken"),
        meshes=kind is MESH and verb in ("Create", "Delete"),
    )


def routes_below(kind: Kind, path: str) -> tuple[str, ...]:
    """The collection that a router or gateway brings with it."""
    child = {VIRTUAL_ROUTER: "route", VIRTUAL_GATEWAY: GATEWAY_ROUTE.name}.get(kind)
    return (f"{path}/{child}",) if child else ()


def authorize(task: Task, state: State) -> Record:
    """Raise what the caller is refused with, or give back the mesh."""
    mesh, record, parent = state.mesh, state.records.get(task.path), state.records.get(task.parent)
    ask = Ask(
        task.call.operation,
        task.mesh,
        task.arn,
        resource_owner=record.metadata["resourceOwner"] if record and task.verb != "List" else None,
        parent_owner=parent.metadata["resourceOwner"] if parent and task.parent else None,
    )
    if task.verb == "Create":
        ask = Ask(ask.operation, ask.mesh, ask.arn, None, ask.parent_owner)
    refused = refusal(task.caller, ask, mesh.access if mesh else None)
    if refused:
        raise refused
    if mesh is None:  # refusal() has refused already
        raise missing(MESH, task.mesh.name, task.mesh)
    if task.parent and task.parent not in state.records:
        raise missing_path(task.parent, task.mesh)
    return mesh


def existing(task: Task, state: State) -> Record:
    """The resource that the call names, at the version that it insists on."""
    record = state.records.get(task.path)
    if record is None:
        raise missing_path(task.path, task.mesh)
    wanted, version = task.call.if_match, record.metadata["version"]
    if wanted is not None and wanted != version and not task.reads_only:
        raise conflict(f"{task.kind.title} {task.name} is at version {version}, not {wanted} as If-Match says")
    return record


def missing(kind: Kind, name: str, mesh: MeshKey) -> ApiError:
    return not_found(f"{kind.title} with name {name} does not exist in mesh {mesh.name} of account {mesh.owner}")


def missing_path(path: str, mesh: MeshKey) -> ApiError:
    kind, _ = split_path(path) or (MESH, {})
    return missing(kind, path.rpartition("/")[2], mesh)


def fingerprint(task: Task) -> str:
    """What makes two requests the same: operation and parameters."""
    text = json.dumps([task.call.operation, task.params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def replayed(task: Task, token: UsedToken | None) -> dict[str, Any] | None:
    """The answer that this request got before, if it repeats one; a token used for another request is a conflict."""
    if token is None:
        return None
    if token.fingerprint != fingerprint(task):
        raise conflict("clientToken was used before, with another request")
    return token.answer
