"""Service networks of VPC Lattice that come in a share: what is between one of them and a VPC of this account."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ASSOCIATED = "associated"
_BROKEN = {"CREATE_FAILED": "was not made", "DELETE_FAILED": "could not be deleted"}
_ENDING = "DELETE_IN_PROGRESS"


@dataclass(frozen=True)
class Association:
    """An association of a VPC with a service network, in VPC Lattice's words."""

    id: str
    status: str

    @property
    def is_ending(self) -> bool:
        """Whether it is being deleted: there can be no other until it is gone."""
        return self.status == _ENDING

    @property
    def outcome(self) -> str:
        """What people are told of it: that it is there, or what is wrong."""
        if self.status in _BROKEN:
            return f"{self.id} {_BROKEN[self.status]} ({self.status}); delete it, and it is made anew"
        return ASSOCIATED


def association_with(network: str, associations: Iterable[Mapping[str, Any]]) -> Association | None:
    """Find a VPC's association with a network (ARN) in what ListServiceNetworkVpcAssociations tells of the VPC.

    >>> association_with("arn:x", [{"id": "snva-1", "status": "ACTIVE", "serviceNetworkArn": "arn:y"}]) is None
    True
    """
    found = [each for each in associations if each.get("serviceNetworkArn") == network]
    found.sort(key=lambda each: each["status"] == _ENDING)
    return Association(found[0]["id"], found[0]["status"]) if found else None


def token_for(network: str, vpc: str, earlier: str) -> str:
    """Return the client token (64 characters) for associating a VPC: the same until there is another association.

    With `earlier` (the id of the one before, empty for none) in it, one that a person has deleted can be made again.
    """
    return hashlib.sha256(f"{network} {vpc} {earlier}".encode()).hexdigest()
