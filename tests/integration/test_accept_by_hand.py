"""accept-share: an invitation that a person accepts through operate, whoever sent it."""

import json

import pytest

from gateways.remembered import Remembered
from handlers import accept_shares
from handlers.operate import handler
from tests.integration.conftest import batch
from tests.ram import answered_ram, card_arn
from tests.shapes import OWNER, STRANGER

ANN = "arn:aws:sts::123456789012:assumed-role/operators/ann"
OWN, MESH = "123456789012", f"apps@{STRANGER}"


@pytest.fixture
def ram(aws, monkeypatch):
    monkeypatch.setenv("TRUSTED_ACCOUNTS", OWNER)
    monkeypatch.setenv("SHARE_RESOURCE_TYPES", "ssm:Parameter")
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    with answered_ram(OWN) as found:
        yield found


@pytest.fixture
def ask(context):
    def send(invitation, arn=ANN):
        event = {"requestContext": {"authorizer": {"iam": {"userArn": arn}}}}
        body = json.dumps({"signal": "accept-share", "invitation": invitation})
        answer = handler({**event, "body": body}, context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


def look(context):
    assert accept_shares.handler(batch({}), context) == {"batchItemFailures": []}


def arn_of(ram, share):
    return ram.invitation(share)["resourceShareInvitationArn"]


def test_what_a_person_accepts_is_used_and_who_did_is_remembered(aws, ram, ask, context):
    share = ram.share_card(STRANGER)
    look(context)
    status, answer = ask(arn_of(ram, share))
    assert (status, answer["decision"], answer["sender"]) == (200, "ACCEPTED", STRANGER)
    look(context)
    assert Remembered("rollouts").cards() == [MESH]
    assert Remembered("rollouts").share(share) == ("USED", f"accepted by {ANN}")
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    (noted,) = [item for item in items if item["pk"]["S"] == f"invitation#{arn_of(ram, share)}"]
    assert (noted["value"]["S"], noted["reason"]["S"]) == ("ACCEPTED", f"accepted by {ANN}")


def test_twice_is_once_also_when_somebody_accepted_it_in_the_console(ram, ask, context):
    share = ram.share_card(STRANGER)
    ram.ram.AcceptResourceShareInvitation(OWN, "us-east-1", {"resourceShareInvitationArn": arn_of(ram, share)})
    look(context)
    assert Remembered("rollouts").cards() == []
    for _ in range(2):
        assert ask(arn_of(ram, share))[0] == 200
    look(context)
    assert Remembered("rollouts").cards() == [MESH]


def test_a_persons_word_makes_no_card_true(ram, ask, context):
    share = ram.share_card(STRANGER, says={"owner": OWNER})
    ask(arn_of(ram, share))
    look(context)
    assert Remembered("rollouts").cards() == []


def test_a_persons_word_is_for_one_share(ram, ask, context):
    share = ram.share_card(STRANGER)
    ram.share_inside(STRANGER, [card_arn(STRANGER, "other")])
    ask(arn_of(ram, share))
    look(context)
    assert Remembered("rollouts").cards() == [MESH]


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        ("ResourceShareInvitationExpiredException", "EXPIRED"),
        ("ResourceShareInvitationAlreadyRejectedException", "REJECTED"),
    ],
)
def test_too_late_is_said_and_nothing_is_used(ram, ask, error, decision):
    share = ram.share_card(STRANGER)
    ram.failing["AcceptResourceShareInvitation"] = [error]
    status, answer = ask(arn_of(ram, share))
    assert (status, decision in answer["message"]) == (400, True)
    assert Remembered("rollouts").share(share) is None


@pytest.mark.parametrize("invitation", ["x", "arn:aws:ram:us-east-1:333333333333:resource-share-invitation/none", "é"])
def test_an_invitation_that_is_not_there_is_not_found(ram, ask, invitation):
    assert ask(invitation)[0] == 404
    assert ram.asked("AcceptResourceShareInvitation") == []


def test_somebody_elses_invitation_is_not_found(ram, ask):
    share = ram.share(STRANGER, [card_arn(STRANGER)], to="444444444444")
    assert ask(arn_of(ram, share))[0] == 404
