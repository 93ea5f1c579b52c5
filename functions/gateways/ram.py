"""AWS Resource Access Manager: invitations to shares."""

from typing import Any

from botocore.exceptions import ClientError

from gateways.clients import client, error_code


def list_pending_invitations() -> list[dict[str, Any]]:
    """Return all invitations that wait for an answer; RAM has no filter, and its pages may be empty."""
    pages = client("ram").get_paginator("get_resource_share_invitations").paginate()
    return [
        invitation
        for page in pages
        for invitation in page.get("resourceShareInvitations", [])
        if invitation["status"] == "PENDING"
    ]


def list_resources(invitation_arn: str) -> list[dict[str, Any]]:
    """Return what is inside an invitation: `{"arn", "type"}` each. boto3 has no paginator for this operation."""
    resources: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = client("ram").list_pending_invitation_resources(resourceShareInvitationArn=invitation_arn, **more)
        resources += answer.get("resources", [])
        if not answer.get("nextToken"):
            return resources
        more = {"nextToken": answer["nextToken"]}


def accept(invitation_arn: str, client_token: str) -> str:
    """Accept an invitation and return what became of it: ACCEPTED, EXPIRED or REJECTED."""
    try:
        client("ram").accept_resource_share_invitation(
            resourceShareInvitationArn=invitation_arn, clientToken=client_token
        )
    except ClientError as error:
        answered = {
            "ResourceShareInvitationAlreadyAcceptedException": "ACCEPTED",
            "ResourceShareInvitationExpiredException": "EXPIRED",
            "ResourceShareInvitationAlreadyRejectedException": "REJECTED",
        }
        if error_code(error) not in answered:
            raise
        return answered[error_code(error)]
    return "ACCEPTED"
