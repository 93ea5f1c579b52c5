"""AWS RAM in memory: shares between any accounts, with invitations and events, as the API model documents it.

A resource ARN is taken at its word when its account is the caller's. Between accounts there is an invitation, but
inside an organization (local/organizations.py) when its management account has enabled that.
https://docs.aws.amazon.com/ram/latest/APIReference/Welcome.html
"""

import re
import time
import uuid

from local import ram_state
from local.ram_error import RamError
from local.ram_invitations import Invitations
from local.ram_state import Record


class Ram(Invitations):
    """RAM's API: an operation is a method of its name, given account, Region and input; it gives the output."""

    # -- shares ------------------------------------------------------------------------------------------

    def CreateResourceShare(self, account: str, region: str, asked: Record) -> Record:
        resources, principals = asked.get("resourceArns", []), asked.get("principals", [])
        self._check(account, resources, principals, asked.get("allowExternalPrincipals", True))
        now = time.time()
        share = {
            "resourceShareArn": f"arn:aws:ram:{region}:{account}:resource-share/{uuid.uuid4()}",
            "name": asked["name"],
            "owningAccountId": account,
            "allowExternalPrincipals": asked.get("allowExternalPrincipals", True),
            "status": "ACTIVE",
            "tags": list(asked.get("tags", [])),
            "creationTime": now,
            "lastUpdatedTime": now,
            "featureSet": "STANDARD",
        }
        self.shares[share["resourceShareArn"]] = share
        self._associate(share, resources, principals)
        return {"resourceShare": share, **ram_state.token(asked)}

    def GetResourceShares(self, account: str, region: str, asked: Record) -> Record:
        wanted, status = asked.get("resourceShareArns"), asked.get("resourceShareStatus")
        if wanted:
            for arn in wanted:
                self._readable(account, arn)
        found = [
            {**share, "tags": share["tags"] if share["owningAccountId"] == account else []}
            for share in self._visible(account, region, asked["resourceOwner"])
            if (not wanted or share["resourceShareArn"] in wanted)
            and (not status or share["status"] == status)
            and asked.get("name") in (None, share["name"])
            and ram_state.tagged(share, asked.get("tagFilters", []))
        ]
        return ram_state.page("resourceShares", found, asked)

    def UpdateResourceShare(self, account: str, region: str, asked: Record) -> Record:
        share = self._own(account, asked["resourceShareArn"])
        for name in ("name", "allowExternalPrincipals"):
            if name in asked:
                share[name] = asked[name]
        share["lastUpdatedTime"] = time.time()
        return {"resourceShare": share, **ram_state.token(asked)}

    def DeleteResourceShare(self, account: str, region: str, asked: Record) -> Record:
        share = self._own(account, asked["resourceShareArn"])
        share.update(status="DELETED", lastUpdatedTime=time.time())
        self._disassociate(share, self._of(share))
        return {"returnValue": True, **ram_state.token(asked)}

    def TagResource(self, account: str, region: str, asked: Record) -> Record:
        share = self._own(account, asked.get("resourceShareArn") or asked.get("resourceArn", ""))
        given = {tag["key"]: tag for tag in asked["tags"]}
        share["tags"] = [tag for tag in share["tags"] if tag["key"] not in given] + list(given.values())
        return {}

    def UntagResource(self, account: str, region: str, asked: Record) -> Record:
        share = self._own(account, asked.get("resourceShareArn") or asked.get("resourceArn", ""))
        share["tags"] = [tag for tag in share["tags"] if tag["key"] not in asked["tagKeys"]]
        return {}

    def EnableSharingWithAwsOrganization(self, account: str, region: str, asked: Record) -> Record:
        whole = self.find_organization()
        if whole is None or account != whole.management:
            raise RamError("OperationNotPermittedException", f"{account} is not the management account.")
        self.shares_inside = True
        return {"returnValue": True}

    # -- what belongs to a share -------------------------------------------------------------------------

    def AssociateResourceShare(self, account: str, region: str, asked: Record) -> Record:
        share = self._own(account, asked["resourceShareArn"])
        resources, principals = asked.get("resourceArns", []), asked.get("principals", [])
        self._check(account, resources, principals, share["allowExternalPrincipals"])
        return {"resourceShareAssociations": self._associate(share, resources, principals), **ram_state.token(asked)}

    def DisassociateResourceShare(self, account: str, region: str, asked: Record) -> Record:
        share = self._readable(account, asked["resourceShareArn"])
        wanted = [*asked.get("resourceArns", []), *asked.get("principals", [])]
        if share["owningAccountId"] != account and wanted != [account]:
            raise RamError("OperationNotPermittedException", "Another account's share can only be left.")
        gone = [one for one in self._of(share) if one["associatedEntity"] in wanted]
        self._disassociate(share, gone)
        return {"resourceShareAssociations": gone, **ram_state.token(asked)}

    def GetResourceShareAssociations(self, account: str, region: str, asked: Record) -> Record:
        wanted = asked.get("resourceShareArns")
        entity = asked.get("resourceArn") or asked.get("principal")
        found = [
            one
            for one in self.associations
            if one["associationType"] == asked["associationType"]
            and self.shares[one["resourceShareArn"]]["owningAccountId"] == account
            and (not wanted or one["resourceShareArn"] in wanted)
            and entity in (None, one["associatedEntity"])
            and asked.get("associationStatus") in (None, one["status"])
        ]
        return ram_state.page("resourceShareAssociations", found, asked)

    def ListResources(self, account: str, region: str, asked: Record) -> Record:
        wanted, arns, kind = (asked.get(n) for n in ("resourceShareArns", "resourceArns", "resourceType"))
        found = [
            resource
            for share in self._visible(account, region, asked["resourceOwner"])
            if share["status"] == "ACTIVE"
            and (not wanted or share["resourceShareArn"] in wanted)
            and self._concerns(share, asked.get("principal"))
            for resource in self._resources(share)
            if (not arns or resource["arn"] in arns) and kind in (None, resource["type"])
        ]
        return ram_state.page("resources", found, asked)

    def ListPrincipals(self, account: str, region: str, asked: Record) -> Record:
        wanted, principals = asked.get("resourceShareArns"), asked.get("principals")
        mine = asked["resourceOwner"] == "SELF"
        found = [
            {
                "id": one["associatedEntity"] if mine else share["owningAccountId"],
                "resourceShareArn": share["resourceShareArn"],
                "creationTime": one["creationTime"],
                "lastUpdatedTime": one["lastUpdatedTime"],
                "external": one["external"],
            }
            for share in self._visible(account, region, asked["resourceOwner"])
            if not wanted or share["resourceShareArn"] in wanted
            for one in self._of(share, "PRINCIPAL")
            if one["status"] == "ASSOCIATED" and (mine or account in self._reach(one["associatedEntity"]))
        ]
        return ram_state.page("principals", [p for p in found if not principals or p["id"] in principals], asked)

    def _check(self, account: str, resources: list[str], principals: list[str], external: bool) -> None:
        for arn in resources:
            if not ram_state.ARN.fullmatch(arn):
                raise RamError("MalformedArnException", f"The specified resource ARN {arn} is not valid.")
            if arn.split(":")[4] != account:
                raise RamError("UnknownResourceException", f"The resource {arn} could not be found.")
        for principal in principals:
            if not re.fullmatch(r"\d{12}", principal):
                self._check_inside(account, principal)
            elif principal != account and not external and not self._is_inside(account, principal):
                raise RamError(
                    "OperationNotPermittedException",
                    f"The resource share does not allow external principals such as {principal}.",
                )

    def _check_inside(self, account: str, principal: str) -> None:
        if not principal.startswith("arn:aws:organizations::"):
            raise RamError(
                "InvalidParameterException",
                f"Principal {principal} is not a 12-digit account id: roles and users are not known locally.",
            )
        if not self.shares_inside:
            raise RamError(
                "OperationNotPermittedException", "Sharing with AWS Organizations is not enabled for this organization."
            )
        whole = self.find_organization()
        if whole is None or account not in whole.members or not whole.reach(principal):
            raise RamError("UnknownResourceException", f"{principal} could not be found.")

    def _associate(self, share: Record, resources: list[str], principals: list[str]) -> list[Record]:
        now, new = time.time(), []
        known = {one["associatedEntity"] for one in self._of(share) if one["status"] != "DISASSOCIATED"}
        for entity in [*resources, *principals]:
            if entity in known:
                continue
            owner = share["owningAccountId"]
            invited = entity in principals and entity != owner and not self._is_inside(owner, entity)
            new.append(
                {
                    "resourceShareArn": share["resourceShareArn"],
                    "resourceShareName": share["name"],
                    "associatedEntity": entity,
                    "associationType": "PRINCIPAL" if entity in principals else "RESOURCE",
                    "status": "ASSOCIATING" if invited else "ASSOCIATED",
                    "creationTime": now,
                    "lastUpdatedTime": now,
                    "external": invited,
                }
            )
            self.associations.append(new[-1])
            if invited:
                self._invite(share, entity, now)
        if new:
            self._announce(share, "associating" if any(one["external"] for one in new) else "associated")
        return new

    def _disassociate(self, share: Record, gone: list[Record]) -> None:
        self._announce(share, "disassociated")
        for one in gone:
            one.update(status="DISASSOCIATED", lastUpdatedTime=time.time())
        receivers = {one["associatedEntity"] for one in gone}
        for arn, one in list(self.invitations.items()):
            pending = one["status"] == "PENDING" and one["receiverAccountId"] in receivers
            if pending and one["resourceShareArn"] == share["resourceShareArn"]:
                del self.invitations[arn]
