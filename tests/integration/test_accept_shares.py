"""accept_shares against RAM's own shapes; moto has no invitations, so botocore's stubber answers for RAM."""

import os

import pytest
from botocore.stub import Stubber

from gateways.clients import client
from handlers.accept_shares import handler
from tests.integration.conftest import batch
from tests.shapes import OWNER, STRANGER, event

SHARE_EVENT = event("ram-resource-share-association")


@pytest.fixture
def ram(aws, monkeypatch):
    monkeypatch.setenv("TRUSTED_ACCOUNTS", OWNER)
    monkeypatch.setenv("SHARE_RESOURCE_TYPES", "appmesh:Mesh")
    with Stubber(client("ram")) as stub:
        yield stub
        stub.assert_no_pending_responses()


def arn(number, sender=OWNER):
    return f"arn:aws:ram:us-east-1:{sender}:resource-share-invitation/{number}"


def invitation(number, sender=OWNER, status="PENDING"):
    return {"resourceShareInvitationArn": arn(number, sender), "senderAccountId": sender, "status": status}


def expect_invitations(ram, *pages):
    for index, page in enumerate(pages):
        asked = {"nextToken": str(index)} if index else {}
        more = {"nextToken": str(index + 1)} if index + 1 < len(pages) else {}
        ram.add_response("get_resource_share_invitations", {"resourceShareInvitations": page, **more}, asked)


def expect_resources(ram, number, sender=OWNER, *, pages=1):
    mesh = {"arn": f"arn:aws:appmesh:us-east-1:{sender}:mesh/apps", "type": "appmesh:Mesh"}
    asked = {"resourceShareInvitationArn": arn(number, sender)}
    for index in range(pages):
        more = {"nextToken": str(index + 1)} if index + 1 < pages else {}
        ram.add_response("list_pending_invitation_resources", {"resources": [mesh], **more}, asked)
        asked = {**asked, "nextToken": str(index + 1)}


def expect_acceptance(ram, number, error=None):
    asked = {"resourceShareInvitationArn": arn(number), "clientToken": str(number)}
    if error:
        ram.add_client_error("accept_resource_share_invitation", error, expected_params=asked)
    else:
        ram.add_response("accept_resource_share_invitation", {}, asked)


def decisions(aws):
    items = aws("dynamodb").scan(TableName=os.environ["ROLLOUT_TABLE"])["Items"]
    return {item["pk"]["S"].rpartition("/")[2]: item["value"]["S"] for item in items}


def test_all_pages_are_read_also_empty_ones_and_pages_of_resources(aws, ram, context):
    expect_invitations(ram, [invitation(1)], [], [invitation(2), invitation(3, status="EXPIRED")])
    expect_resources(ram, 1, pages=2)
    expect_acceptance(ram, 1)
    expect_resources(ram, 2)
    expect_acceptance(ram, 2)
    assert handler(batch(SHARE_EVENT), context) == {"batchItemFailures": []}
    assert decisions(aws) == {"1": "ACCEPTED", "2": "ACCEPTED"}


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        ("ResourceShareInvitationAlreadyAcceptedException", "ACCEPTED"),
        ("ResourceShareInvitationAlreadyRejectedException", "REJECTED"),
        ("ResourceShareInvitationExpiredException", "EXPIRED"),
    ],
)
def test_an_invitation_that_was_answered_meanwhile_is_no_failure(aws, ram, context, error, decision):
    expect_invitations(ram, [invitation(1)])
    expect_resources(ram, 1)
    expect_acceptance(ram, 1, error)
    assert handler(batch(SHARE_EVENT), context) == {"batchItemFailures": []}
    assert decisions(aws) == {"1": decision}


def test_a_stranger_stays_pending(aws, ram, context):
    expect_invitations(ram, [invitation(1, STRANGER)])
    expect_resources(ram, 1, STRANGER)
    handler(batch(SHARE_EVENT), context)
    assert decisions(aws) == {"1": "PENDING"}


def test_one_failure_holds_up_nobody_and_comes_again(aws, ram, context):
    expect_invitations(ram, [invitation(1), invitation(2)])
    expect_resources(ram, 1)
    expect_acceptance(ram, 1, "OperationNotPermittedException")
    expect_resources(ram, 2)
    expect_acceptance(ram, 2)
    assert handler(batch(SHARE_EVENT), context) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert decisions(aws) == {"2": "ACCEPTED"}
