"""Shares: which invitations of AWS RAM are accepted without asking a person.

One whose sender is trusted, with nothing in it but allowed resource types. Everything else stays pending.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MESH_CARD_PREFIX = "parameter/meshift/meshes/"


@dataclass(frozen=True)
class Verdict:
    """What to do with an invitation, and why."""

    accept: bool
    reason: str


def meshes_in(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the meshes (NAME@OWNER) that a share holds, themselves or by their cards.

    >>> meshes_in([{"type": "appmesh:Mesh", "arn": "arn:aws:appmesh:us-east-1:111122223333:mesh/apps"}])
    ['apps@111122223333']
    """
    found = []
    for resource in resources:
        _, _, _, _, account, name = resource["arn"].split(":", 5)
        for prefix in ("mesh/", MESH_CARD_PREFIX):
            if name.startswith(prefix):
                found.append(f"{name.removeprefix(prefix)}@{account}")
    return found


def judge(
    invitation: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    trusted_accounts: Collection[str],
    allowed_types: Collection[str],
) -> Verdict:
    """Decide on one pending invitation; both in RAM's own shapes.

    Resources are `{"arn", "type"}`, of ListPendingInvitationResources.
    """
    sender = invitation["senderAccountId"]
    if sender not in trusted_accounts:
        return Verdict(False, f"account {sender} is not one of TrustedAccounts")
    if invitation["resourceShareInvitationArn"].split(":")[4] != sender:
        return Verdict(False, f"the invitation's ARN does not belong to account {sender}")
    if not resources:
        return Verdict(False, "the share is empty")
    for resource in resources:
        if resource["type"] not in allowed_types:
            return Verdict(False, f"the share holds a {resource['type']}, which is not one of ShareResourceTypes")
        _, _, _, _, account, name = resource["arn"].split(":", 5)
        if account != sender:
            return Verdict(False, f"the share holds {resource['arn']}, which is not of account {sender}")
        if resource["type"] == "ssm:Parameter" and not name.startswith(MESH_CARD_PREFIX):
            return Verdict(False, f"the share holds parameter {resource['arn']}; only /meshift/meshes/* are accepted")
    return Verdict(True, f"account {sender} is trusted and all {len(resources)} resources are of allowed types")
