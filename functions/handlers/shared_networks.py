"""Service networks of VPC Lattice that other accounts share: told, and associated with VPCs that the stack names."""

from datetime import UTC, datetime

from domain.errors import Refused
from domain.networks import ASSOCIATED, Association, association_with, token_for
from domain.sharing import REFUSED, is_gone, sender_of
from gateways import announcements, lattice
from gateways.shared import NETWORKS, Shared
from observability import logger
from settings import Settings


def use_network(arn: str, settings: Settings) -> None:
    """Tell people of a network once, and associate ServiceNetworkVpcs with it; what is refused is tried each time."""
    shared, vpcs = Shared(settings.rollout_table), settings.service_network_vpcs
    known = shared.network(arn)
    if known is None:
        to_do = "nothing, they are being associated with it" if vpcs else "associate your VPCs with it"
        what = {"sender": sender_of(arn), "network": arn, "vpcs": list(vpcs), "toDo": to_do}
        announcements.notify(settings.topic_arn, "Meshift: a service network is shared with you", what)
        known = {}
        shared.remember_network(arn, known)
    for vpc in vpcs:
        before = known.get(vpc, {})
        after = _associate(arn, vpc, before)
        if after != before:
            _tell(arn, vpc, after["outcome"], settings)
            known = {**known, vpc: after}
            shared.remember_network(arn, known)


def lose_network(arn: str, missed: datetime | None, why: str, settings: Settings) -> None:
    """Forget a network (ARN) that no share holds; see `lose_mesh`."""
    shared = Shared(settings.rollout_table)
    if why != REFUSED and not (missed and is_gone(missed, datetime.now(UTC), settings.share_sweep_minutes)):
        if missed is None:
            shared.miss(NETWORKS, arn)
        return
    vpcs = sorted(vpc for vpc, each in (shared.network(arn) or {}).items() if each["outcome"] == ASSOCIATED)
    # https://docs.aws.amazon.com/vpc-lattice/latest/ug/sharing.html#stop-sharing
    reason = f"it is {why}; associations stay until you or its owner delete them, and there can be no new ones"
    lost = {"network": arn, "vpcs": vpcs, "reason": reason}
    announcements.notify(settings.topic_arn, "Meshift: a service network is not shared any more", lost)
    shared.forget(NETWORKS, arn)


def _associate(network: str, vpc: str, before: dict[str, str]) -> dict[str, str]:
    """See to one VPC; returns what became of it, and of which association: `{"outcome", "association"}`."""
    earlier = before.get("association", "")
    try:
        found = _association(network, vpc, earlier)
    except Refused as error:
        return {"outcome": str(error), "association": earlier}
    return before if found.is_ending else {"outcome": found.outcome, "association": found.id}


def _association(network: str, vpc: str, earlier: str) -> Association:
    """Find an association, or make it. Raises Refused."""
    found = association_with(network, lattice.list_associations(vpc))
    if found:
        return found
    try:
        made = lattice.associate(network, vpc, token_for(network, vpc, earlier))
    except Refused:
        found = association_with(network, lattice.list_associations(vpc))
        if found:  # somebody just did
            return found
        raise
    return Association(made["id"], made["status"])


def _tell(network: str, vpc: str, outcome: str, settings: Settings) -> None:
    is_done = outcome == ASSOCIATED
    logger.info("A VPC is associated" if is_done else "A VPC is not associated", network=network, vpc=vpc, why=outcome)
    subject = f"Meshift: a VPC is {'' if is_done else 'not '}associated with a service network"
    again = {} if is_done else {"again": "at the next look at shares"}
    announcements.notify(settings.topic_arn, subject, {"network": network, "vpc": vpc, "outcome": outcome, **again})
