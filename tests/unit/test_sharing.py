"""Which shares are taken: the tables name every hostile or broken case by what is wrong with it."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.sharing import (
    Trust,
    invitation_ends,
    is_gone,
    is_late,
    judge_invitation,
    judge_received,
    meshes_in,
    networks_in,
)
from tests.lattice import network_arn
from tests.shapes import OWNER, STRANGER

OWN, ORGANIZATION = "222222222222", "o-abcdefghij"
TYPES = frozenset({"appmesh:Mesh", "ssm:Parameter", "vpc-lattice:ServiceNetwork"})
TRUST = Trust(frozenset({OWNER}), None, TYPES, "aws", "us-east-1", OWN)
OF_ORGANIZATION = Trust(frozenset(), ORGANIZATION, TYPES, "aws", "us-east-1", OWN)
SHARE = f"arn:aws:ram:us-east-1:{OWNER}:resource-share/1"
MESH = {"arn": f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps", "type": "appmesh:Mesh"}
CARD = {"arn": f"arn:aws:ssm:us-east-1:{OWNER}:parameter/meshift/meshes/apps", "type": "ssm:Parameter"}
NETWORK = {
    "arn": f"arn:aws:vpc-lattice:us-east-1:{OWNER}:servicenetwork/sn-0123456789abcdef0",
    "type": "vpc-lattice:ServiceNetwork",
}
SUBNET = {"arn": f"arn:aws:ec2:us-east-1:{OWNER}:subnet/subnet-1", "type": "ec2:Subnet"}


def invitation(sender=OWNER, **changes):
    return {
        "resourceShareInvitationArn": f"arn:aws:ram:us-east-1:{sender}:resource-share-invitation/1",
        "resourceShareArn": f"arn:aws:ram:us-east-1:{sender}:resource-share/1",
        "senderAccountId": sender,
        "receiverAccountId": OWN,
        "status": "PENDING",
        **changes,
    }


def card(name, **changes):
    return {**CARD, "arn": f"arn:aws:ssm:us-east-1:{OWNER}:{name}", **changes}


def mesh(arn, kind="appmesh:Mesh"):
    return {"arn": arn, "type": kind}


@pytest.mark.parametrize("resources", [[MESH], [CARD], [NETWORK], [MESH, CARD, NETWORK], [CARD, CARD]])
def test_a_trusted_share_of_allowed_types_is_accepted(resources):
    assert judge_invitation(invitation(), resources, TRUST).accept
    assert judge_received(SHARE, resources, TRUST).accept


def test_an_invitation_may_leave_out_what_it_need_not_say():
    short = invitation()
    del short["receiverAccountId"], short["resourceShareArn"]
    assert judge_invitation(short, [CARD], TRUST).accept


RESOURCES = {
    "nothing in it": ([], "the share is empty"),
    "a type that is not allowed": ([SUBNET], "a ec2:Subnet"),
    "allowed and other types": ([MESH, CARD, SUBNET], "a ec2:Subnet"),
    "other types first": ([SUBNET, MESH], "a ec2:Subnet"),
    "a hundred meshes and one subnet": ([MESH] * 100 + [SUBNET], "a ec2:Subnet"),
    "the type in small letters": ([{**MESH, "type": "appmesh:mesh"}], "appmesh:mesh"),
    "the type in capitals": ([{**CARD, "type": "SSM:PARAMETER"}], "SSM:PARAMETER"),
    "a type with a space": ([{**MESH, "type": "appmesh:Mesh "}], "is not one of ShareResourceTypes"),
    "a Cyrillic letter in the type": ([{**MESH, "type": "аppmesh:Mesh"}], "is not one of ShareResourceTypes"),
    "no type": ([{"arn": MESH["arn"]}], "a None"),
    "an empty type": ([{**MESH, "type": ""}], "is not one of ShareResourceTypes"),
    "a type that is a list": ([{**MESH, "type": ["appmesh:Mesh"]}], "is not one of ShareResourceTypes"),
    "no ARN": ([{"type": "appmesh:Mesh"}], "is not an ARN"),
    "an ARN that is none": ([mesh("apps")], "is not an ARN"),
    "an ARN that is a list": ([mesh([MESH["arn"]])], "is not an ARN"),
    "an ARN that ends with a line": ([mesh(MESH["arn"] + "\n")], "is not an ARN"),
    "somebody else's mesh": ([mesh(f"arn:aws:appmesh:us-east-1:{STRANGER}:mesh/apps")], "is not of account"),
    "the receiver's own mesh": ([mesh(f"arn:aws:appmesh:us-east-1:{OWN}:mesh/apps")], "is not of account"),
    "an account in Arabic digits": ([mesh(f"arn:aws:appmesh:us-east-1:{'١' * 12}:mesh/apps")], "is not an ARN"),
    "an account of 13 digits": ([mesh(f"arn:aws:appmesh:us-east-1:{OWNER}1:mesh/apps")], "is not an ARN"),
    "no account": ([mesh("arn:aws:s3:::bucket")], "is not an ARN"),
    "another Region": ([mesh(f"arn:aws:appmesh:eu-west-1:{OWNER}:mesh/apps")], "is not in us-east-1"),
    "no Region": ([mesh(f"arn:aws:appmesh::{OWNER}:mesh/apps")], "is not an ARN"),
    "another partition": ([mesh(f"arn:aws-cn:appmesh:us-east-1:{OWNER}:mesh/apps")], "is not in us-east-1"),
    "an odd partition": ([mesh(f"arn:awsome:appmesh:us-east-1:{OWNER}:mesh/apps")], "is not in us-east-1"),
    "no partition": ([mesh(f"arn::appmesh:us-east-1:{OWNER}:mesh/apps")], "is not an ARN"),
    "a parameter that says it is a mesh": ([{**CARD, "type": "appmesh:Mesh"}], "is not of service appmesh"),
    "a mesh that says it is a parameter": ([{**MESH, "type": "ssm:Parameter"}], "is not of service ssm"),
    "a part of a mesh": ([mesh(MESH["arn"] + "/virtualNode/b")], "only meshes"),
    "a mesh whose name holds an owner": ([mesh(f"{MESH['arn']}@{STRANGER}")], "only meshes"),
    "a secret parameter": ([card("parameter/prod/password")], "only parameters /meshift/meshes/NAME"),
    "a rollout policy": ([card("parameter/meshift/policies/default")], "only parameters"),
    "the cards' path elsewhere": ([card("parameter/x/meshift/meshes/apps")], "only parameters"),
    "the cards' path with more": ([card("parameter/meshift/meshes2/apps")], "only parameters"),
    "the cards' path in capitals": ([card("parameter/Meshift/meshes/apps")], "only parameters"),
    "the cards' path alone": ([card("parameter/meshift/meshes/")], "only parameters"),
    "below a card": ([card("parameter/meshift/meshes/apps/password")], "only parameters"),
    "out of the cards' path": ([card("parameter/meshift/meshes/../policies/default")], "only parameters"),
    "a double slash": ([card("parameter//meshift/meshes/apps")], "only parameters"),
    "a Cyrillic letter in the path": ([card("parameter/mеshift/meshes/apps")], "only parameters"),
    "a Cyrillic letter in the mesh": ([card("parameter/meshift/meshes/аpps")], "only parameters"),
    "no letter at all": ([card("parameter/meshift/meshes/\u200b")], "only parameters"),
    "a mesh with an owner": ([card(f"parameter/meshift/meshes/apps@{STRANGER}")], "only parameters"),
    "a service of Lattice's that says it is a network": (
        [{**NETWORK, "arn": NETWORK["arn"].replace("servicenetwork/sn", "service/svc")}],
        "only service networks",
    ),
    "somebody else's network": ([{**NETWORK, "arn": network_arn(STRANGER)}], "is not of account"),
    "a network's name that is none": ([{**NETWORK, "arn": NETWORK["arn"] + "/x"}], "only service networks"),
    "a Cyrillic letter in a network's name": ([{**NETWORK, "arn": NETWORK["arn"][:-1] + "а"}], "only service networks"),
    "a card's path that is no parameter": ([card("document/meshift/meshes/apps")], "only parameters"),
}


@pytest.mark.parametrize(("resources", "says"), RESOURCES.values(), ids=RESOURCES)
def test_a_trusted_senders_share_with_something_else_in_it_is_not_taken(resources, says):
    for verdict in (judge_invitation(invitation(), resources, TRUST), judge_received(SHARE, resources, TRUST)):
        assert not verdict.accept
        assert says in verdict.reason


INVITATIONS = {
    "from a stranger": (invitation(STRANGER), "is not one of TrustedAccounts"),
    "from oneself": (invitation(OWN), "is this one"),
    "from nobody": (invitation(None), "is not an ARN"),
    "from a trusted account in other digits": (invitation("１" * 12), "is not an ARN"),
    "from a trusted account and a blank": (invitation(OWNER + " "), "is not an ARN"),
    "an ARN of somebody else": (
        invitation(resourceShareInvitationArn=invitation(STRANGER)["resourceShareInvitationArn"]),
        "is not of account",
    ),
    "a share of somebody else": (invitation(resourceShareArn=invitation(STRANGER)["resourceShareArn"]), "is not of"),
    "a sender that the ARN does not name": (invitation(STRANGER, senderAccountId=OWNER), "is not of account"),
    "no ARN": (invitation(resourceShareInvitationArn=None), "is not an ARN"),
    "an ARN that is no invitation's": (invitation(resourceShareInvitationArn=SHARE), "resourceShareInvitationArn"),
    "an ARN with a path": (
        invitation(resourceShareInvitationArn=f"arn:aws:ram:us-east-1:{OWNER}:resource-share-invitation/1/../2"),
        "resourceShareInvitationArn",
    ),
    "an ARN of another service": (
        invitation(resourceShareInvitationArn=f"arn:aws:iam:us-east-1:{OWNER}:resource-share-invitation/1"),
        "is not of service ram",
    ),
    "another Region": (
        invitation(resourceShareInvitationArn=f"arn:aws:ram:eu-west-1:{OWNER}:resource-share-invitation/1"),
        "is not in us-east-1",
    ),
    "another partition": (
        invitation(resourceShareArn=f"arn:aws-us-gov:ram:us-east-1:{OWNER}:resource-share/1"),
        "is not in us-east-1",
    ),
    "for somebody else": (invitation(receiverAccountId=STRANGER), "is for account"),
    "accepted": (invitation(status="ACCEPTED"), "is ACCEPTED"),
    "rejected": (invitation(status="REJECTED"), "is REJECTED"),
    "expired": (invitation(status="EXPIRED"), "is EXPIRED"),
    "pending in other letters": (invitation(status="pending"), "is pending"),
    "without a status": (invitation(status=None), "is None"),
}


@pytest.mark.parametrize(("sent", "says"), INVITATIONS.values(), ids=INVITATIONS)
def test_an_invitation_with_something_wrong_stays_pending(sent, says):
    verdict = judge_invitation(sent, [CARD], TRUST)
    assert not verdict.accept
    assert says in verdict.reason


@pytest.mark.parametrize(
    ("share", "says"),
    [
        ("1", "is not an ARN"),
        (None, "is not an ARN"),
        (SHARE.replace("us-east-1", "eu-west-1"), "is not in us-east-1"),
        (SHARE.replace(":ram:", ":ssm:"), "is not of service ram"),
        (SHARE.replace(OWNER, STRANGER), "is not one of TrustedAccounts"),
        (SHARE.replace(OWNER, OWN), "is this one"),
    ],
)
def test_a_share_that_is_there_is_judged_by_its_own_arn(share, says):
    verdict = judge_received(share, [CARD], TRUST)
    assert not verdict.accept
    assert says in verdict.reason


@pytest.mark.parametrize("organization", ["o-abcdefghik", "O-ABCDEFGHIJ", "", None])
def test_a_member_of_the_trusted_organization_is_trusted_and_nobody_whose_organization_is_another_or_not_known(
    organization,
):
    assert judge_invitation(invitation(STRANGER), [shared(STRANGER)], OF_ORGANIZATION, ORGANIZATION).accept
    assert not judge_invitation(invitation(STRANGER), [shared(STRANGER)], OF_ORGANIZATION, organization).accept
    share = SHARE.replace(OWNER, STRANGER)
    assert judge_received(share, [shared(STRANGER)], OF_ORGANIZATION, ORGANIZATION).accept
    assert not judge_received(share, [shared(STRANGER)], OF_ORGANIZATION, organization).accept


def test_without_a_trusted_organization_no_membership_helps():
    for organization in (ORGANIZATION, None):
        assert not judge_invitation(invitation(STRANGER), [shared(STRANGER)], TRUST, organization).accept


def test_members_of_the_organization_may_not_share_everything_either():
    assert not judge_invitation(invitation(), [CARD, SUBNET], OF_ORGANIZATION, ORGANIZATION).accept


def shared(account):
    return {**CARD, "arn": CARD["arn"].replace(OWNER, account)}


def test_networks_are_found_that_are_the_senders_own():
    others = {**NETWORK, "arn": network_arn(STRANGER)}
    assert networks_in([MESH, NETWORK, others, CARD, {**NETWORK, "type": "appmesh:Mesh"}], OWNER) == [NETWORK["arn"]]


@pytest.mark.parametrize(("minutes", "gone"), [(0, False), (29, False), (30, True), (600, True)])
def test_what_is_missing_for_half_a_sweep_is_gone_when_it_is_looked_for_again(minutes, gone):
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert is_gone(now - timedelta(minutes=minutes), now, 60) is gone


def test_meshes_are_found_by_name_and_owner_whatever_else_the_share_holds():
    found = meshes_in([MESH, CARD, NETWORK, SUBNET, shared(STRANGER), card("parameter/prod/password")], OWNER)
    assert [(each.id, each.type, each.arn) for each in found] == [
        (f"apps@{OWNER}", "appmesh:Mesh", MESH["arn"]),
        (f"apps@{OWNER}", "ssm:Parameter", CARD["arn"]),
    ]


@pytest.mark.parametrize(
    ("hours", "sweep_minutes", "late"),
    [(0, 60, False), (8.9, 60, False), (9.1, 60, True), (13, 60, True), (0, 660, True), (7.9, 120, False)],
)
def test_an_invitation_is_late_while_there_is_still_time_for_a_person(hours, sweep_minutes, late):
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    sent = invitation(invitationTimestamp=now - timedelta(hours=hours))
    assert is_late(sent, now, sweep_minutes) is late
    assert invitation_ends(sent) == now + timedelta(hours=12 - hours)


def test_an_invitation_that_does_not_say_when_it_came_is_never_late():
    assert not is_late(invitation(), datetime.now(UTC), 60)
