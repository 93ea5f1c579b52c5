"""Who has a mesh, and who would lose what: made of what the mesh, RAM and the virtual nodes say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.principals import losers, parse_principals
from gateways.own_shares import THERE
from meshift.errors import BadInput

HAS, MAY, HAS_NOT = "has it", "has it if it is in the organization", "has it no more"
BY_HAND = "put into the mesh, not shared through RAM"


@dataclass(frozen=True)
class Node:
    """A virtual node of a consumer's. When its Envoys last asked is not known: discovery keeps no record of polls."""

    name: str
    changed: str | None
    """When it was last written (ISO 8601)."""


@dataclass(frozen=True)
class Consumer:
    """An account that has the mesh, or nodes in it."""

    account: str
    state: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Consumers:
    """Everybody who has a mesh; `losing`: by who is taken out, the nodes that would get no configuration any more."""

    mesh: str
    owner: str
    principals: Mapping[str, str]
    """By principal, as in SharePrincipals: what RAM says of it."""
    consumers: tuple[Consumer, ...]
    losing: Mapping[str, Mapping[str, Sequence[str]]]
    """By account, the names of its nodes."""


def consumers_of(
    mesh: str,
    owner: str,
    states: Mapping[str, str],
    access: Mapping[str, Any],
    references: Iterable[Mapping[str, Any]],
    without: Sequence[str] = (),
) -> Consumers:
    """Say who has a mesh.

    `states`: RAM's principals; `access`: the mesh's, as it shows them; `references`: of ListVirtualNodes; `without`:
    principals that would be taken out together, each by itself when there are none. Raises BadInput for one that is
    no principal.
    """
    # RAM remembers for a while whom it shared with; who let an invitation expire is the mesh's principal all the same.
    states = {name: state for name, state in states.items() if state in THERE or name in access["accounts"]}
    principals = {**dict.fromkeys(_by_hand(access, states), BY_HAND), **states}
    unknown = [each for each in without if each not in principals]
    if unknown:
        raise BadInput(
            f"--without {unknown[0]}: mesh {mesh} is not shared with it; its principals are {', '.join(principals)}"
        )
    there = [each for each in references if each["resourceOwner"] != owner]
    nodes = [(each["virtualNodeName"], each["resourceOwner"]) for each in there]

    def losing_without(plan: Sequence[str]) -> Mapping[str, Sequence[str]]:
        left = [_as_arn(each, owner) for each in principals if each not in plan]
        return losers(nodes, owner, access, parse_principals(left, owner))

    accounts = sorted({*access["resolvedAccounts"], *(account for _, account in nodes)})
    found = tuple(Consumer(each, _state(each, access), _nodes(each, there)) for each in accounts)
    have = {each.account for each in found if each.state != HAS_NOT}
    plans = [tuple(without)] if without else [(each,) for each in principals]
    losing = {
        " ".join(plan): {account: names for account, names in losing_without(plan).items() if account in have}
        for plan in plans
    }
    return Consumers(mesh, owner, principals, found, losing)


def _by_hand(access: Mapping[str, Any], states: Iterable[str]) -> list[str]:
    """Name the mesh's principals that none of RAM's stands for, as a role does for its account."""
    words = {word for state in states for word in re.split("[:/]", state)}
    ids = [*access["accounts"], *access["organizationalUnits"], *filter(None, [access["organization"]])]
    return [each for each in ids if each not in words]


def _as_arn(principal: str, owner: str) -> str:
    """Write an id of AWS Organizations as an ARN; whose it is plays no part here."""
    if principal.startswith("o-"):
        return f"arn:aws:organizations::{owner}:organization/{principal}"
    return f"arn:aws:organizations::{owner}:ou/o-0000000000/{principal}" if principal.startswith("ou-") else principal


def _state(account: str, access: Mapping[str, Any]) -> str:
    if account in access["resolvedAccounts"]:
        return HAS
    return MAY if access["organization"] else HAS_NOT


def _nodes(account: str, references: Iterable[Mapping[str, Any]]) -> tuple[Node, ...]:
    found = [each for each in references if each["resourceOwner"] == account]
    changed = [each.get("lastUpdatedAt") for each in found]
    return tuple(
        Node(each["virtualNodeName"], at.isoformat() if at else None) for each, at in zip(found, changed, strict=True)
    )
