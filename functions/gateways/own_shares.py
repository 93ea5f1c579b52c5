"""AWS Resource Access Manager: the share by which this account shares a mesh card, by its name."""

from typing import Any

from gateways.clients import client

SELF = "SELF"


def find(name: str) -> str | None:
    """Return the ARN of this account's share of that name, if there is one."""
    pages = client("ram").get_paginator("get_resource_shares").paginate(resourceOwner=SELF, name=name)
    shares = [share for page in pages for share in page.get("resourceShares", [])]
    return next((str(share["resourceShareArn"]) for share in shares if share["status"] == "ACTIVE"), None)


def create(name: str, resource: str, principals: tuple[str, ...], external: bool, token: str) -> None:
    """Make a share; the same token makes it once."""
    client("ram").create_resource_share(
        name=name,
        resourceArns=[resource],
        principals=list(principals),
        allowExternalPrincipals=external,
        clientToken=token,
    )


def principals_of(share: str) -> set[str]:
    """Return the principals of a share who have it, or are invited to it."""
    pages = client("ram").get_paginator("get_resource_share_associations").paginate(
        associationType="PRINCIPAL", resourceShareArns=[share]
    )  # fmt: skip
    found: list[dict[str, Any]] = [each for page in pages for each in page.get("resourceShareAssociations", [])]
    return {each["associatedEntity"] for each in found if each["status"] in ("ASSOCIATED", "ASSOCIATING")}


def allow_external(share: str, external: bool) -> None:
    """Say whether accounts outside the organization may be among the principals."""
    client("ram").update_resource_share(resourceShareArn=share, allowExternalPrincipals=external)


def add(share: str, resource: str, principals: set[str]) -> None:
    """Put a resource and principals into a share; those outside the organization are invited."""
    client("ram").associate_resource_share(
        resourceShareArn=share, resourceArns=[resource], principals=sorted(principals)
    )


def take_away(share: str, principals: set[str]) -> None:
    """Take principals out of a share."""
    client("ram").disassociate_resource_share(resourceShareArn=share, principals=sorted(principals))


def delete(share: str) -> None:
    """Delete a share."""
    client("ram").delete_resource_share(resourceShareArn=share)
