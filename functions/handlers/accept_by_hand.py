"""An invitation of AWS RAM that a person accepts, whoever sent it: the signal accept-share of `operate`."""

from typing import Any

from domain.errors import InvalidRequest, NotFound
from gateways import ram
from gateways.remembered import Remembered
from handlers.refused_shares import USED
from settings import Settings


def accept_by_hand(invitation_arn: str, caller: str, settings: Settings) -> dict[str, Any]:
    """Accept, and remember by whose word what is in the share will be used.

    Raises NotFound when there is no such invitation for this account, InvalidRequest when it is too late. accept_shares
    does the rest as soon as RAM announces the association, or at its next sweep.
    """
    invitation = ram.find_invitation(invitation_arn)
    share, sender = invitation.get("resourceShareArn"), invitation["senderAccountId"]
    if not share:
        raise NotFound(f"invitation {invitation_arn} names no share")
    decision, reason = ram.accept(invitation_arn), f"accepted by {caller}"
    table = Remembered(settings.rollout_table)
    table.remember_invitation(invitation_arn, decision, reason)
    if decision != "ACCEPTED":
        raise InvalidRequest(f"invitation: {invitation_arn} is {decision}; account {sender} has to share again")
    table.remember_share(share, USED, reason)
    return {"invitation": invitation_arn, "share": share, "sender": sender, "decision": decision}
