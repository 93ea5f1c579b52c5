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
    origin = client.meta.endpoint_url
    try:
        return [described(client, MESH, {"meshName": mesh}, origin), *resources_in(client, mesh, origin)]
    except client.exceptions.NotFoundException as error:
        raise BadInput(f"{origin}: {error.response['Error']['Message']}") from error


def resources_in(client: Any, mesh: str, origin: str) -> Iterator[Found]:
    """Walk the lists of a mesh, and those of its routers and gateways."""
    for kind in (VIRTUAL_NODE, VIRTUAL_GATEWAY, VIRTUAL_ROUTER, VIRTUAL_SERVICE):
        for name in names_listed(client, kind, {"meshName": mesh}):
            names = {"meshName": mesh, kind.name_member: name}
            yield described(client, kind, names, origin)
            if kind in CHILDREN:
                child = CHILDREN[kind]
                for below in names_listed(client, child, names):
                    yield described(client, child, {**names, child.name_member: below}, origin)


def names_listed(client: Any, kind: Kind, names: Mapping[str, str]) -> list[str]:
    pages = client.get_paginator(xform_name(f"List{kind.plural[0].upper()}{kind.plural[1:]}")).paginate(**names)
    return [ref[kind.name_member] for page in pages for ref in page[kind.plural]]


def described(client: Any, kind: Kind, names: Mapping[str, str], origin: str) -> Found:
    document = getattr(client, xform_name(f"Describe{kind.title}"))(**names)[kind.name]
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
