"""What Describe operations answer, turned into resources: from files, or walked from an endpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from domain.hosted.kinds import (
    GATEWAY_ROUTE,
    MESH,
    ROUTE,
    VIRTUAL_GATEWAY,
    VIRTUAL_NODE,
    VIRTUAL_ROUTER,
    VIRTUAL_SERVICE,
    Kind,
)
from meshift.errors import BadInput
from meshift.importing.resources import Found, Refusal, own_tags, resource_of

CHILDREN = {VIRTUAL_ROUTER: ROUTE, VIRTUAL_GATEWAY: GATEWAY_ROUTE}
GIVEN_BY_THE_API = ("metadata", "status")


def resource_described(kind: Kind, document: Mapping[str, Any], tags: Any, origin: str) -> Found:
    """Make a resource of a description; what is deleted already is refused."""
    name = str(document.get(kind.name_member, kind.name))
    status = document.get("status")
    if isinstance(status, dict) and status.get("status") == "DELETED":
        return Refusal(kind, name, origin, ("it was deleted: its status is DELETED",))
    members = {member: value for member, value in document.items() if member not in GIVEN_BY_THE_API}
    if isinstance(tags, list) and all(isinstance(tag, dict) and isinstance(tag.get("key"), str) for tag in tags):
        tags = own_tags(tags)
    return resource_of(kind, members if tags is None else {**members, "tags": tags}, origin, name)


def read_endpoint(client: Any, mesh: str) -> list[Found]:
    """Read a whole mesh from an App Mesh API. A mesh that is not there is BadInput."""
    origin, whole = client.meta.endpoint_url, {"meshName": mesh}
    try:
        found = [described(client, kind, names, origin) for kind, names in ((MESH, whole), *names_in(client, whole))]
    except client.exceptions.NotFoundException as error:
        raise BadInput(f"{origin}: {error.response['Error']['Message']}") from error
    return found


def names_in(client: Any, mesh: Mapping[str, str]) -> Iterator[tuple[Kind, dict[str, str]]]:
    """Walk the lists of a mesh, and those of its routers and gateways: what Describe operations are to be asked.

    `mesh` is its `meshName`, and `meshOwner` where it is another account's.
    """
    for kind in (VIRTUAL_NODE, VIRTUAL_GATEWAY, VIRTUAL_ROUTER, VIRTUAL_SERVICE):
        for name in names_listed(client, kind, mesh):
            names = {**mesh, kind.name_member: name}
            yield kind, names
            if kind in CHILDREN:
                child = CHILDREN[kind]
                for below in names_listed(client, child, names):
                    yield child, {**names, child.name_member: below}


def names_listed(client: Any, kind: Kind, names: Mapping[str, str]) -> list[str]:
    pages = client.get_paginator(xform_name(f"List{kind.plural[0].upper()}{kind.plural[1:]}")).paginate(**names)
    return [ref[kind.name_member] for page in pages for ref in page[kind.plural]]


def describe(client: Any, kind: Kind, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what a Describe operation answers."""
    found: dict[str, Any] = getattr(client, xform_name(f"Describe{kind.title}"))(**names)[kind.name]
    return found


def described(client: Any, kind: Kind, names: Mapping[str, str], origin: str) -> Found:
    document = describe(client, kind, names)
    return resource_described(kind, document, tags_of(client, document["metadata"]["arn"]), origin)


def tags_of(client: Any, arn: str) -> list[dict[str, str]] | None:
    """List a resource's tags; None when another account's are not shown."""
    try:
        pages = client.get_paginator("list_tags_for_resource").paginate(resourceArn=arn)
        return [tag for page in pages for tag in page["tags"]]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ForbiddenException", "AccessDeniedException"):
            return None
        raise
