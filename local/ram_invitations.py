"""RAM's invitations: only the receiver sees them, and one to a mesh lives 12 hours."""

import time
import uuid

from local import ram_state
from local.ram_error import RamError
from local.ram_state import Record, State


class Invitations(State):
    """The operations on invitations."""

    def GetResourceShareInvitations(self, account: str, region: str, asked: Record) -> Record:
        arns, shares = asked.get("resourceShareInvitationArns"), asked.get("resourceShareArns")
        for arn in arns or []:
            self._invitation(account, region, arn)
        found = [
            ram_state.wire(self._aged(one))
            for one in self.invitations.values()
            if one["receiverAccountId"] == account
            and one["_region"] == region
            and (not arns or one["resourceShareInvitationArn"] in arns)
            and (not shares or one["resourceShareArn"] in shares)
        ]
        return ram_state.page("resourceShareInvitations", found, asked)

    def ListPendingInvitationResources(self, account: str, region: str, asked: Record) -> Record:
        one = self._invitation(account, region, asked["resourceShareInvitationArn"])
        self._still_open(one, accepted=False)
        return ram_state.page("resources", self._resources(self.shares[one["resourceShareArn"]]), asked)

    def AcceptResourceShareInvitation(self, account: str, region: str, asked: Record) -> Record:
        return self._close(account, region, asked, "ACCEPTED", "ASSOCIATED")

    def RejectResourceShareInvitation(self, account: str, region: str, asked: Record) -> Record:
        return self._close(account, region, asked, "REJECTED", "DISASSOCIATED")

    def expire(self, invitation: str) -> Record:
        """Let a pending invitation expire now (tests)."""
        with self.lock:
            if invitation not in self.invitations:
                raise LookupError(f"no invitation {invitation}")
            self.invitations[invitation]["_until"] = 0.0
            return {"invitation": invitation, "status": self._aged(self.invitations[invitation])["status"]}

    def _invite(self, share: Record, receiver: str, now: float) -> None:
        region, sender = share["resourceShareArn"].split(":")[3:5]
        arn = f"arn:aws:ram:{region}:{sender}:resource-share-invitation/{uuid.uuid4()}"
        self.invitations[arn] = {
            "resourceShareInvitationArn": arn,
            "resourceShareName": share["name"],
            "resourceShareArn": share["resourceShareArn"],
            "senderAccountId": sender,
            "receiverAccountId": receiver,
            "invitationTimestamp": now,
            "status": "PENDING",
            "_region": region,
            "_until": now + ram_state.INVITATION_SECONDS,
        }

    def _close(self, account: str, region: str, asked: Record, status: str, association: str) -> Record:
        one = self._invitation(account, region, asked["resourceShareInvitationArn"])
        self._still_open(one, accepted=True)
        one["status"] = status
        share = self.shares[one["resourceShareArn"]]
        for principal in self._of(share, "PRINCIPAL"):
            if principal["associatedEntity"] == account and principal["status"] == "ASSOCIATING":
                principal.update(status=association, lastUpdatedTime=time.time())
        self._announce(share, association.lower())
        return {"resourceShareInvitation": ram_state.wire(one), **ram_state.token(asked)}

    def _invitation(self, account: str, region: str, arn: str) -> Record:
        if not ram_state.ARN.fullmatch(arn) or ":resource-share-invitation/" not in arn:
            raise RamError("MalformedArnException", f"The specified invitation ARN {arn} is not valid.")
        one = self.invitations.get(arn)
        if one is None or one["_region"] != region:
            raise RamError("ResourceShareInvitationArnNotFoundException", f"The invitation {arn} could not be found.")
        if one["receiverAccountId"] != account:
            raise RamError("OperationNotPermittedException", f"The invitation {arn} is not for {account}.")
        return self._aged(one)

    def _still_open(self, one: Record, *, accepted: bool) -> None:
        refused = {"REJECTED": "AlreadyRejected", "EXPIRED": "Expired"}
        if accepted:
            refused["ACCEPTED"] = "AlreadyAccepted"
        if one["status"] in refused:
            raise RamError(
                f"ResourceShareInvitation{refused[one['status']]}Exception",
                f"The invitation {one['resourceShareInvitationArn']} is {one['status'].lower()}.",
            )
