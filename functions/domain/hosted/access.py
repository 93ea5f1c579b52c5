"""Who may: the caller's relation to a mesh, the rules of shared meshes, then the mesh policy.

Rules of shared meshes: https://docs.aws.amazon.com/app-mesh/latest/userguide/sharing.html. Consumers see everything
in a mesh that is shared with them, and make, change and delete what is theirs, except gateways; the owner deletes
anything but changes only its own. A stranger is forbidden, whether or not what it asks for exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from domain.hosted.errors import ApiError, not_found
from domain.hosted.kinds import GATEWAY_ROUTE, MESH, OPERATIONS, VIRTUAL_GATEWAY, MeshKey

TAG_OPERATIONS = ("TagResource", "UntagResource", "ListTagsForResource")
SHARING_OPERATIONS = ("GetMeshPrincipals", "PutMeshPrincipals", "GetMeshPolicy", "PutMeshPolicy")
STREAM = "StreamAggregatedResources"
"""What Envoy does: App Mesh's action for asking for the configuration of a virtual node or gateway."""


@dataclass(frozen=True)
class Caller:
    """Who asks, as IAM says: account, ARN of the user, role session or root, organization if there is one."""

    account: str
    arn: str
    organization: str | None = None

    @property
    def is_root(self) -> bool:
        return self.arn.endswith(f"::{self.account}:root")


def caller_of(event: Mapping[str, Any]) -> Caller:
    """Read the caller out of a Function URL's event, as IAM established it; without one nobody may do anything."""
    iam = (event["requestContext"].get("authorizer") or {}).get("iam") or {}
    if not iam.get("accountId") or not iam.get("userArn"):
        raise ApiError("ForbiddenException", "the request carries no IAM identity")
    return Caller(iam["accountId"], iam["userArn"], iam.get("principalOrgId"))


class Relation(Enum):
    OWNER = "owner"
    CONSUMER = "consumer"
    STRANGER = "stranger"


@dataclass(frozen=True)
class Ask:
    """What the caller wants: an operation on a resource (its ARN) in a mesh.

    `resource_owner`: whose the resource is, None when it does not exist yet or is a collection; `parent_owner`: whose
    the router or gateway is that a route lies in.
    """

    operation: str
    mesh: MeshKey
    arn: str
    resource_owner: str | None = None
    parent_owner: str | None = None


def relation(caller: Caller, owner: str, access: Mapping[str, Any]) -> Relation:
    """What an account is to a mesh, by the mesh's principals."""
    if caller.account == owner:
        return Relation.OWNER
    invited = set(access.get("accounts", ())).union(*access.get("organizationalUnits", {}).values())
    in_organization = caller.organization is not None and caller.organization == access.get("organization")
    return Relation.CONSUMER if caller.account in invited or in_organization else Relation.STRANGER


def refusal(caller: Caller, ask: Ask, access: Mapping[str, Any] | None) -> ApiError | None:
    """Decide: None when the caller may, else the error to answer with. `access` is None when there is no such mesh."""
    if access is None:
        if caller.account == ask.mesh.owner:
            return not_found(f"Mesh with name {ask.mesh.name} does not exist for account {ask.mesh.owner}")
        return forbidden(caller, ask)
    role = relation(caller, ask.mesh.owner, access)
    if role is Relation.STRANGER or not shared_mesh_allows(role, caller, ask) or not policy_allows(caller, ask, access):
        return forbidden(caller, ask)
    return None


def shared_mesh_allows(role: Relation, caller: Caller, ask: Ask) -> bool:
    """The rules of shared meshes, for owner and consumers."""
    verb, kind = OPERATIONS.get(ask.operation, ("", None))
    theirs = ask.resource_owner in (None, caller.account)
    if ask.operation in TAG_OPERATIONS or ask.operation == STREAM:
        return theirs
    if ask.operation in SHARING_OPERATIONS:
        return role is Relation.OWNER
    if verb in ("Describe", "List"):
        return True
    if verb == "Delete" and role is Relation.OWNER:
        return True
    if role is Relation.CONSUMER and kind in (MESH, VIRTUAL_GATEWAY, GATEWAY_ROUTE):
        return False
    return theirs and (verb != "Create" or ask.parent_owner in (None, caller.account))


def policy_allows(caller: Caller, ask: Ask, access: Mapping[str, Any]) -> bool:
    """The mesh policy; without one, everything that the shared mesh allows.

    The owner's root always manages principals and policy, so that no policy locks everybody out.
    """
    document = access.get("policy")
    if document is None or (
        caller.is_root and caller.account == ask.mesh.owner and ask.operation in SHARING_OPERATIONS
    ):
        return True
    from domain.hosted.policy import (
        parse_policy,
        verdict,
    )  # most meshes have none, and its patterns take long to compile

    return verdict(parse_policy(document), caller.account, caller.arn, action_of(ask.operation), ask.arn) == "allow"


def action_of(operation: str) -> str:
    return f"{'meshift' if operation in SHARING_OPERATIONS else 'appmesh'}:{operation}"


def forbidden(caller: Caller, ask: Ask) -> ApiError:
    return ApiError(
        "ForbiddenException",
        f"User: {caller.arn} is not authorized to perform: {action_of(ask.operation)} on resource: {ask.arn}",
    )


def may_stream(
    caller: Caller, mesh: MeshKey, access: Mapping[str, Any] | None, arn: str, resource_owner: str | None
) -> bool:
    """Whether an Envoy with this identity gets the configuration of a node or gateway: its own account's only."""
    return resource_owner is not None and refusal(caller, Ask(STREAM, mesh, arn, resource_owner), access) is None
