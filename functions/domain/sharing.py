"""Shares: which of them are taken without asking a person.

Those whose sender is trusted, with nothing in them but allowed resource types of the sender's own. An invitation that
is not taken stays pending; a share that came without one, as inside an organization, is not used. Documents are in
RAM's own shapes; whatever is missing or misspelt in them counts as untrusted, and nothing here raises.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

CARD, MESH, NETWORK = "ssm:Parameter", "appmesh:Mesh", "vpc-lattice:ServiceNetwork"
REFUSED, UNREADABLE, MISSING = "shared by nobody who is trusted", "shared, and cannot be read", "in no share any more"
UNPROVEN = "shared by an account of which AWS does not say that it is in TrustedOrganization"
"""Why what was shared may have to be forgotten."""
INVITATION_LIVES = timedelta(hours=12)
"""RAM user guide: only some types, none of which Meshift accepts by default, have longer."""
LATE = timedelta(hours=3)
"""An invitation with less time than that is announced once more."""

# Written out, for \d and \w take digits and letters of all scripts.
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<name>.+)"
)
_NAMES = {
    CARD: re.compile(r"parameter/meshift/meshes/(?P<mesh>[A-Za-z0-9_.-]{1,255})"),
    MESH: re.compile(r"mesh/(?P<mesh>[^\s/@#]{1,255})"),
    NETWORK: re.compile(r"servicenetwork/sn-[0-9a-z]{17}"),
}
_ONLY = {
    CARD: "parameters /meshift/meshes/NAME",
    MESH: "meshes mesh/NAME",
    NETWORK: "service networks servicenetwork/sn-…",
}
_INVITATION = re.compile(r"resource-share-invitation/[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Trust:
    """Whom a stack trusts with what, and where it is itself."""

    accounts: frozenset[str]
    organization: str | None
    """Id of the organization all of whose accounts are trusted; None for none."""
    types: frozenset[str]
    partition: str
    region: str
    account: str

    def knows(self, sender: str) -> bool:
        """Say whether a sender is trusted without asking which organization it is in."""
        return sender in self.accounts


@dataclass(frozen=True)
class Verdict:
    """What to do with a share, and why."""

    accept: bool
    reason: str


@dataclass(frozen=True)
class SharedMesh:
    """A mesh that a share holds, by its card or itself."""

    name: str
    owner: str
    arn: str
    type: str

    @property
    def id(self) -> str:
        """NAME@OWNER, as in the tag."""
        return f"{self.name}@{self.owner}"


def judge_invitation(
    invitation: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    trust: Trust,
    sender_organization: str | None = None,
) -> Verdict:
    """Decide on an invitation; `resources` (`{"arn", "type"}`) are of ListPendingInvitationResources.

    `sender_organization` is what AWS says, never what the sender does; None when it is not known.
    """
    sender, status = invitation.get("senderAccountId"), invitation.get("status")
    if status != "PENDING":
        return Verdict(False, f"the invitation is {status}, not PENDING")
    if invitation.get("receiverAccountId", trust.account) != trust.account:
        return Verdict(False, f"the invitation is for account {invitation['receiverAccountId']}")
    for field, pattern in (("resourceShareInvitationArn", _INVITATION), ("resourceShareArn", None)):
        if field == "resourceShareArn" and field not in invitation:
            continue
        refused = _misplaced(invitation.get(field), "ram", sender, trust)
        if refused or (pattern and not pattern.fullmatch(_parsed(invitation[field])["name"])):
            return Verdict(False, f"the invitation's {field} {invitation.get(field)!r} is not {sender}'s: {refused}")
    return _judge(sender, resources, trust, sender_organization)


def judge_received(
    share_arn: str, resources: Sequence[Mapping[str, Any]], trust: Trust, sender_organization: str | None = None
) -> Verdict:
    """Decide on a share that is there, accepted or without an invitation; `resources` are of ListResources."""
    refused = _misplaced(share_arn, "ram", None, trust)
    if refused:
        return Verdict(False, f"the share {share_arn!r} {refused}")
    return _judge(sender_of(share_arn), resources, trust, sender_organization)


def _judge(
    sender: Any, resources: Sequence[Mapping[str, Any]], trust: Trust, sender_organization: str | None
) -> Verdict:
    if sender == trust.account:
        return Verdict(False, f"account {sender} is this one")
    of_organization = trust.organization is not None and sender_organization == trust.organization
    if not trust.knows(sender) and not of_organization:
        whom = " nor of TrustedOrganization, as far as AWS Organizations says" if trust.organization else ""
        return Verdict(False, f"account {sender} is not one of TrustedAccounts{whom}")
    if not resources:
        return Verdict(False, "the share is empty")
    for resource in resources:
        refused = _unwanted(resource, sender, trust)
        if refused:
            return Verdict(False, f"the share holds {refused}")
    return Verdict(True, f"account {sender} is trusted and all {len(resources)} resources are of allowed types")


def _unwanted(resource: Mapping[str, Any], sender: str, trust: Trust) -> str | None:
    kind, arn = resource.get("type"), resource.get("arn")
    if not isinstance(kind, str) or kind not in trust.types:
        return f"a {kind}, which is not one of ShareResourceTypes"
    refused = _misplaced(arn, kind.partition(":")[0], sender, trust)
    if refused:
        return f"{arn!r}, which {refused}"
    pattern = _NAMES.get(kind)
    if pattern and not pattern.fullmatch(_parsed(arn)["name"]):
        return f"{arn!r}; only {_ONLY[kind]} are accepted"
    return None


def _misplaced(arn: Any, service: str, account: str | None, trust: Trust) -> str | None:
    """Say what is wrong with where a resource is; None when it is this partition's, Region's and that account's."""
    found = _parsed(arn)
    if not found:
        return "is not an ARN"
    if account is not None and found["account"] != account:
        return f"is not of account {account}"
    if found["service"] != service:
        return f"is not of service {service}"
    if (found["partition"], found["region"]) != (trust.partition, trust.region):
        return f"is not in {trust.region}, where this stack works"
    return None


def _parsed(arn: Any) -> dict[str, str]:
    match = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    return match.groupdict() if match else {}


def sender_of(arn: str) -> str:
    """Return the account in the ARN of a share or an invitation: its sender.

    >>> sender_of("arn:aws:ram:us-east-1:111122223333:resource-share/1")
    '111122223333'
    """
    return _parsed(arn).get("account", "")


def meshes_in(resources: Iterable[Mapping[str, Any]], sender: str) -> list[SharedMesh]:
    """List the meshes of the sender's own that a share holds, themselves or by their cards.

    >>> [mesh.id for mesh in meshes_in([{"type": "appmesh:Mesh",
    ...     "arn": "arn:aws:appmesh:us-east-1:111122223333:mesh/apps"}], "111122223333")]
    ['apps@111122223333']
    """
    found = _named(resources, sender, (CARD, MESH))
    return [SharedMesh(match["mesh"], sender, arn, kind) for arn, (kind, match) in found.items()]


def networks_in(resources: Iterable[Mapping[str, Any]], sender: str) -> list[str]:
    """List the ARNs of the sender's own service networks of VPC Lattice that a share holds.

    >>> networks_in([{"type": "vpc-lattice:ServiceNetwork",
    ...     "arn": "arn:aws:vpc-lattice:us-east-1:111122223333:servicenetwork/sn-0123456789abcdef0"}], "444455556666")
    []
    """
    return list(_named(resources, sender, (NETWORK,)))


def _named(
    resources: Iterable[Mapping[str, Any]], sender: str, kinds: Iterable[str]
) -> dict[str, tuple[str, re.Match[str]]]:
    """Find the sender's own resources of these kinds whose names are right: kind and name by ARN."""
    found = {}
    for resource in resources:
        kind, parsed = str(resource.get("type")), _parsed(resource.get("arn"))
        match = _NAMES[kind].fullmatch(parsed["name"]) if kind in kinds and parsed else None
        if match and parsed["account"] == sender and parsed["service"] == kind.partition(":")[0]:
            found[resource["arn"]] = kind, match
    return found


def invitation_ends(invitation: Mapping[str, Any]) -> datetime | None:
    """Say when a pending invitation expires; None when it does not say when it came."""
    came = invitation.get("invitationTimestamp")
    return came + INVITATION_LIVES if isinstance(came, datetime) else None


def is_late(invitation: Mapping[str, Any], now: datetime, sweep_minutes: int) -> bool:
    """Say whether a pending invitation must be announced once more: little time, or no further sweep, is left."""
    ends = invitation_ends(invitation)
    return ends is not None and ends - now < max(LATE, 2 * timedelta(minutes=sweep_minutes))


def is_gone(missing_since: datetime, now: datetime, sweep_minutes: int) -> bool:
    """Say whether what no share has held since then is not shared any more.

    Two looks must have missed it, half a sweep apart at least: one alone may have got an answer that was not whole, and
    RAM's events come in swarms.
    """
    return now - missing_since >= timedelta(minutes=sweep_minutes) / 2
