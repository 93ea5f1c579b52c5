"""AWS Resource Access Manager: the share by which this account shares a mesh card, by its name."""

from typing import Any

from gateways.clients import client

SELF = "SELF"
THERE = ("ASSOCIATED", "ASSOCIATING")
"""The states of a principal who has a share, or is invited to it."""


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
    return {name for name, status in states_of(share).items() if status in THERE}


def states_of(share: str) -> dict[str, str]:
    """Return all principals that RAM knows of a share, and the state of each: ASSOCIATED, ASSOCIATING (invited), …"""
    pages = client("ram").get_paginator("get_resource_share_associations").paginate(
        associationType="PRINCIPAL", resourceShareArns=[share]
    )  # fmt: skip
    found: list[dict[str, Any]] = [each for page in pages for each in page.get("resourceShareAssociations", [])]
    found.sort(key=lambda each: each["status"] in THERE)  # one who was taken out and put in again has several
    return {each["associatedEntity"]: each["status"] for each in found}


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


def enable_organization() -> bool:
    """Let RAM share inside the organization of this account, its management account; say whether RAM did."""
    return bool(client("ram").enable_sharing_with_aws_organization().get("returnValue"))
