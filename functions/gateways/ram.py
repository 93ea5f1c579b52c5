"""AWS Resource Access Manager: invitations to shares, and what other accounts share with this one."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import client, error_code

OTHERS = "OTHER-ACCOUNTS"
_ANSWERED = {
    "ResourceShareInvitationAlreadyAcceptedException": "ACCEPTED",
    "ResourceShareInvitationExpiredException": "EXPIRED",
    "ResourceShareInvitationAlreadyRejectedException": "REJECTED",
}
_GONE = "there is no invitation {} for this account, or it was answered more than a week ago"
_UNKNOWN = ("ResourceShareInvitationArnNotFoundException", "MalformedArnException")


def list_invitations() -> list[dict[str, Any]]:
    """Return all invitations, answered ones of the last days too; RAM has no filter, and its pages may be empty.

    One that is on two pages, because others came or went meanwhile, is returned once, as it was seen last.
    """
    pages = client("ram").get_paginator("get_resource_share_invitations").paginate()
    found = {
        invitation["resourceShareInvitationArn"]: invitation
        for page in pages
        for invitation in page.get("resourceShareInvitations", [])
    }
    return list(found.values())


def list_pending_resources(invitation_arn: str) -> list[dict[str, Any]]:
    """Return what is inside an invitation: `{"arn", "type"}` each. boto3 has no paginator for this operation.

    Raises NotFound when the invitation does not wait for an answer any more.
    """
    resources: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        try:
            answer = client("ram").list_pending_invitation_resources(resourceShareInvitationArn=invitation_arn, **more)
        except ClientError as error:
            if error_code(error) in (*_ANSWERED, *_UNKNOWN):
                raise NotFound(f"invitation {invitation_arn} waits no more: {error_code(error)}") from error
            raise
        resources += answer.get("resources", [])
        if not answer.get("nextToken"):
            return resources
        more = {"nextToken": answer["nextToken"]}


def accept(invitation_arn: str) -> str:
    """Accept an invitation and return what became of it: ACCEPTED, EXPIRED or REJECTED; twice is once.

    Raises NotFound when there is no such invitation.
    """
    try:
        client("ram").accept_resource_share_invitation(
            resourceShareInvitationArn=invitation_arn, clientToken=invitation_arn.rpartition("/")[2]
        )
    except ClientError as error:
        if error_code(error) in _UNKNOWN:
            raise NotFound(
                f"there is no invitation {invitation_arn}, or it was answered more than a week ago"
            ) from error
        if error_code(error) not in _ANSWERED:
            raise
        return _ANSWERED[error_code(error)]
    return "ACCEPTED"


def find_invitation(invitation_arn: str) -> dict[str, Any]:
    """Return an invitation. Raises NotFound."""
    for each in list_invitations():
        if each["resourceShareInvitationArn"] == invitation_arn:
            return each
    raise NotFound(_GONE.format(invitation_arn))


def list_received() -> dict[str, list[dict[str, Any]]]:
    """Return what other accounts share with this one: resources by the share's ARN."""
    found: dict[str, list[dict[str, Any]]] = {}
    pages = client("ram").get_paginator("list_resources").paginate(resourceOwner=OTHERS)
    for page in pages:
        for resource in page.get("resources", []):
            found.setdefault(resource["resourceShareArn"], []).append(resource)
    return found


def list_internal_shares() -> set[str]:
    """Return the ARNs of the shares that come from accounts of this account's own organization."""
    return {each["resourceShareArn"] for each in _principals() if each.get("external") is False}


def _principals() -> Iterator[dict[str, Any]]:
    for page in client("ram").get_paginator("list_principals").paginate(resourceOwner=OTHERS):
        yield from page.get("principals", [])
