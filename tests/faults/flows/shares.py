"""Meshes of another account: shared, with an invitation, without, by hand; rolled out in, lost, out of reach."""

from tests.cloud.cloud import Cloud, in_force
from tests.cloud.neighbours import ACCOUNT, MESH
from tests.cloud.others import ORGANIZATION, card_arn, network_arn
from tests.cloud.tutorial import deploy, empty
from tests.faults.flows.flow import CANDIDATE, SHORT, STABLE, Flow, given_up, has_envoy, insist, rolling_out, when
from tests.hosted_mesh import OWNER

LOOKED = 3 * 3700
"""Seconds: the hourly sweep has looked, also after an outage."""
VPC, NETWORK = "vpc-12345678", "sn-0123456789abcdef0"
TAG = {"meshift:mesh": f"{MESH}@{ACCOUNT}"}
EVENT = {"source": "aws.ram", "detail-type": "Resource Sharing State Change", "id": "ram", "detail": {}}


def _waits(**parameters: str) -> Cloud:
    """A service waits for the mesh of the other account, which lets this one in."""
    cloud = empty(SHORT, **parameters)
    with in_force(cloud):
        cloud.neighbour.make_mesh()
        cloud.neighbour.let_in(OWNER)
        cloud.parameters.values[card_arn(ACCOUNT, MESH)] = cloud.parameters.values.pop(f"/meshift/meshes/{MESH}")
        deploy(cloud, STABLE, tags=TAG)
        cloud.run()
    return cloud


def _waits_for_trusted() -> Cloud:
    return _waits(TrustedAccounts=ACCOUNT)


def _waits_for_organization() -> Cloud:
    return _waits(TrustedOrganization=ORGANIZATION)


def _waits_for_stranger() -> Cloud:
    return _waits()


def _inside() -> Cloud:
    cloud = _waits_for_trusted()
    with in_force(cloud):
        _accept(cloud)
        cloud.run()
        cloud.wait(100)
    return cloud


def _accept(cloud: Cloud) -> None:
    cloud.invitations.invite(ACCOUNT, MESH, card=True)
    cloud.emit(EVENT)
    cloud.clock.later(LOOKED, lambda: None)


def _be_invited(cloud: Cloud) -> None:
    cloud.invitations.invite(ACCOUNT, MESH, card=True)
    cloud.emit(EVENT)


def _accepted(cloud: Cloud) -> list[str]:
    return [
        f"{each['senderAccountId']} was believed"
        for each in cloud.invitations.invitations.values()
        if each["status"] != "PENDING"
    ]


def _for_networks() -> Cloud:
    return empty(SHORT, TrustedOrganization=ORGANIZATION, ServiceNetworkVpcs=VPC)


def _be_given_a_network(cloud: Cloud) -> None:
    cloud.invitations.share_inside(ACCOUNT, NETWORK, network=True)
    cloud.emit(EVENT)
    cloud.clock.later(LOOKED, lambda: None)


def _not_associated(cloud: Cloud) -> list[str]:
    return [] if cloud.lattice.associated == {VPC: [network_arn(ACCOUNT, NETWORK)]} else ["the VPC was not associated"]


def _share_inside(cloud: Cloud) -> None:
    cloud.invitations.share_inside(ACCOUNT, MESH)
    cloud.emit(EVENT)
    cloud.clock.later(LOOKED, lambda: None)


def _accept_by_hand(cloud: Cloud) -> None:
    invitation = cloud.invitations.invite(ACCOUNT, MESH, card=True)
    cloud.emit(EVENT)
    cloud.clock.later(30, lambda: insist(cloud, "accept-share", invitation=invitation))
    cloud.clock.later(LOOKED, lambda: None)


def _roll_out(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2", tags=TAG)


def _unshare(cloud: Cloud) -> None:
    def end() -> None:
        cloud.invitations.end()
        cloud.neighbour.let_in()
        cloud.emit(EVENT)

    _roll_out(cloud)
    when(cloud, rolling_out, end)


def _lose_the_neighbour(cloud: Cloud) -> None:
    def fall() -> None:
        cloud.neighbour.down = True
        cloud.clock.later(900, rise)

    def rise() -> None:
        cloud.neighbour.down = False

    _roll_out(cloud)
    when(cloud, rolling_out, fall)


def _forgotten(cloud: Cloud) -> list[str]:
    """Say which service still waits for a mesh that is there; who stopped it, or what was refused, is a person's."""
    here = any(each["here"] for each in cloud.invitations.shares.values())
    if not here or given_up(cloud) or has_envoy(cloud, STABLE):
        return []
    return [f"{STABLE} has waited for a mesh, which is there, and was forgotten"]


ACCEPTED = ("Redeployed", "Nothing To Do")
SHARES = (
    Flow("accept a card", _waits_for_trusted, _accept, ACCEPTED, _forgotten),
    Flow("be given a card inside", _waits_for_organization, _share_inside, ACCEPTED, _forgotten),
    Flow("accept a card by hand", _waits_for_stranger, _accept_by_hand, ACCEPTED, _forgotten),
    Flow("be invited by a stranger", _waits_for_organization, _be_invited, (), _accepted),
    Flow("be given a service network", _for_networks, _be_given_a_network, (), _not_associated),
    Flow("roll out in a neighbour's mesh", _inside, _roll_out, ("Redeployed", "Promoted")),
    Flow("lose the share", _inside, _unshare, ("Redeployed", "Frozen")),
    Flow("lose the neighbour", _inside, _lose_the_neighbour, ("Redeployed", "Roll Back Failed")),
)
