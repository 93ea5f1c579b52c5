"""What RAM remembers, and how an account sees it: shares, associations, invitations of all accounts."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local import events
from local.ram_error import RamError

INVITATION_SECONDS = 12 * 3600
ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d{12}:.+")
_TYPES = {"servicenetwork": "ServiceNetwork", "resourceconfiguration": "ResourceConfiguration"}
Record = dict[str, Any]


@dataclass(frozen=True)
class Organization:
    """An organization of AWS Organizations: accounts, the management account among them, and units by id."""

    id: str
    management: str
    members: frozenset[str]
    units: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:organizations::{self.management}:organization/{self.id}"

    def reach(self, principal: str) -> frozenset[str]:
        """Return the accounts that the ARN of the organization or of a unit stands for; none for any other text."""
        where, _, name = principal.partition("/")
        if principal == self.arn:
            return self.members
        if where == f"arn:aws:organizations::{self.management}:ou":
            return self.units.get(name.removeprefix(f"{self.id}/"), frozenset())
        return frozenset()


class State:
    """All shares, associations and invitations."""

    find_organization: Callable[[], Organization | None] = staticmethod(lambda: None)
    """Which organization there is."""
    shares_inside = False
    """Whether its management account has enabled sharing inside it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.shares: dict[str, Record] = {}
        self.associations: list[Record] = []
        self.invitations: dict[str, Record] = {}

    def _aged(self, one: Record) -> Record:
        if one["status"] == "PENDING" and time.time() >= one["_until"]:
            one["status"] = "EXPIRED"
            for principal in self._of(self.shares[one["resourceShareArn"]], "PRINCIPAL"):
                waiting = principal["status"] == "ASSOCIATING"
                if waiting and principal["associatedEntity"] == one["receiverAccountId"]:
                    principal["status"] = "DISASSOCIATED"
        return one

    def _own(self, account: str, arn: str) -> Record:
        share = self._readable(account, arn)
        if share["owningAccountId"] != account:
            raise RamError("OperationNotPermittedException", f"{arn} belongs to another account.")
        return share

    def _readable(self, account: str, arn: str) -> Record:
        if not ARN.fullmatch(arn) or ":resource-share/" not in arn:
            raise RamError("MalformedArnException", f"The specified resource share ARN {arn} is not valid.")
        share = self.shares.get(arn)
        if share is None or not (share["owningAccountId"] == account or self._concerns(share, account)):
            raise RamError("UnknownResourceException", f"ResourceShare {arn} could not be found.")
        return share

    def _visible(self, account: str, region: str, owner: str) -> list[Record]:
        """Own shares, or those of others that the account has joined, of this Region."""
        return [
            share
            for share in self.shares.values()
            if share["resourceShareArn"].split(":")[3] == region
            and (share["owningAccountId"] == account) == (owner == "SELF")
            and (owner == "SELF" or self._concerns(share, account, joined=True))
        ]

    def _concerns(self, share: Record, account: str | None, *, joined: bool = False) -> bool:
        states = ("ASSOCIATED",) if joined else ("ASSOCIATED", "ASSOCIATING")
        return account is None or any(
            account in self._reach(one["associatedEntity"]) and one["status"] in states
            for one in self._of(share, "PRINCIPAL")
        )

    def _reach(self, principal: str) -> frozenset[str]:
        """The accounts that a principal stands for."""
        whole = self.find_organization()
        return (whole.reach(principal) if whole else frozenset()) or frozenset({principal})

    def _is_inside(self, owner: str, principal: str) -> bool:
        """Say whether a principal is in the organization of a share's owner, and RAM may share inside it."""
        whole = self.find_organization()
        within = whole is not None and {owner, *self._reach(principal)} <= whole.members
        return within and self.shares_inside

    def _of(self, share: Record, kind: str | None = None) -> list[Record]:
        return [
            one
            for one in self.associations
            if one["resourceShareArn"] == share["resourceShareArn"] and kind in (None, one["associationType"])
        ]

    def _resources(self, share: Record) -> list[Record]:
        return [
            {
                "arn": one["associatedEntity"],
                "type": type_of(one["associatedEntity"]),
                "resourceShareArn": share["resourceShareArn"],
                "creationTime": one["creationTime"],
                "lastUpdatedTime": one["lastUpdatedTime"],
                "resourceRegionScope": "REGIONAL",
            }
            for one in self._of(share, "RESOURCE")
            if one["status"] == "ASSOCIATED"
        ]

    def _announce(self, share: Record, status: str) -> None:
        region, owner = share["resourceShareArn"].split(":")[3:5]
        invited = set().union(*(self._reach(one["associatedEntity"]) for one in self._of(share, "PRINCIPAL")))
        for account in [owner, *sorted(invited - {owner})]:
            events.announce(
                account, region, "aws.ram", "Resource Sharing State Change", [share["resourceShareArn"]],
                {"event": "Resource Share Association", "status": status},
            )  # fmt: skip


def type_of(arn: str) -> str:
    """RAM's name for a resource's type.

    >>> type_of("arn:aws:appmesh:us-east-1:111111111111:mesh/apps")
    'appmesh:Mesh'
    >>> type_of("arn:aws:vpc-lattice:us-east-1:111111111111:servicenetwork/sn-1")
    'vpc-lattice:ServiceNetwork'
    """
    service, resource = arn.split(":")[2], arn.split(":", 5)[5]
    kind = re.split("[/:]", resource)[0]
    return f"{service}:{_TYPES.get(kind, kind.capitalize())}"


def wire(record: Record) -> Record:
    return {name: value for name, value in record.items() if not name.startswith("_")}


def token(asked: Record) -> Record:
    return {"clientToken": asked["clientToken"]} if "clientToken" in asked else {}


def tagged(share: Record, filters: Iterable[Record]) -> bool:
    tags = {tag["key"]: tag["value"] for tag in share["tags"]}
    return all(
        wanted["tagKey"] in tags and tags[wanted["tagKey"]] in wanted.get("tagValues", [tags[wanted["tagKey"]]])
        for wanted in filters
    )


def page(name: str, found: list[Record], asked: Record) -> Record:
    token = asked.get("nextToken", "0")
    if not token.isdigit() or int(token) > len(found):
        raise RamError("InvalidNextTokenException", "The specified value for NextToken is not valid.")
    end = int(token) + asked.get("maxResults", 100)
    return {name: found[int(token) : end], **({"nextToken": str(end)} if end < len(found) else {})}
