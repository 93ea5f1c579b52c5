"""Two accounts on local AWS: invitations in, accepted or left pending; a mesh shared, joined, called and unshared."""

import json

import pytest
from rich.console import Console

from local import demo_shares
from local.demo import Story
from local.demo_shares import card_arn, share
from local.settings import CONSUMER, OWNER
from local.tutorial import wait_for

STRANGER = "333333333333"


@pytest.fixture(scope="module")
def ram(aws):
    return aws.consumer.client("ram")


def test_a_service_of_another_account_joins_is_called_rolls_out_and_is_cut_off(aws):
    """The demo's story, first: no share of another test must let the consumer in."""
    story = Story(Console(quiet=True))
    aws.settings(dataPlane=True)
    try:
        demo_shares.tell(story, aws.instance)
    finally:
        aws.settings(dataPlane=False)
    assert [row for row in story.rows if not row[-1]] == []
    assert len(story.rows) > 10


def status(ram, share_arn):
    (invitation,) = ram.get_resource_share_invitations(resourceShareArns=[share_arn])["resourceShareInvitations"]
    return invitation["status"]


def test_a_trusted_share_is_accepted_and_a_strangers_is_announced_once(aws, ram):
    sqs = aws.consumer.client("sqs")
    inbox, arn = aws.consumer.inbox("inbox")
    topic = aws.consumer.outputs["NotificationTopicArn"]
    aws.consumer.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    strange = share(aws.instance, STRANGER)
    (message,) = wait_for("an announcement", lambda: sqs.receive_message(QueueUrl=inbox).get("Messages"))
    assert json.loads(json.loads(message["Body"])["Message"])["sender"] == STRANGER
    sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
    trusted = share(aws.instance, OWNER)
    wait_for("the trusted share is accepted", lambda: status(ram, trusted) == "ACCEPTED")
    assert status(ram, strange) == "PENDING"
    assert "Messages" not in sqs.receive_message(QueueUrl=inbox)
    received = ram.list_resources(resourceOwner="OTHER-ACCOUNTS", resourceShareArns=[trusted])["resources"]
    assert [each["arn"] for each in received] == [card_arn(OWNER)]


@pytest.mark.parametrize(
    "resources",
    [
        [card_arn(OWNER), f"arn:aws:ec2:us-east-1:{OWNER}:subnet/subnet-1"],
        [f"arn:aws:ssm:us-east-1:{OWNER}:parameter/prod/password"],
    ],
)
def test_a_share_that_holds_something_else_stays_pending(aws, ram, resources):
    answer = aws.owner.client("ram").create_resource_share(name="mixed", resourceArns=resources, principals=[CONSUMER])
    mixed = answer["resourceShare"]["resourceShareArn"]

    def decided():
        table = aws.consumer.outputs["RolloutTable"]
        items = aws.consumer.client("dynamodb").scan(TableName=table)["Items"]
        invitations = ram.get_resource_share_invitations(resourceShareArns=[mixed])["resourceShareInvitations"]
        keys = {f"invitation#{each['resourceShareInvitationArn']}" for each in invitations}
        return [item["value"]["S"] for item in items if item["pk"]["S"] in keys]

    assert wait_for("a decision", decided) == ["PENDING"]
    assert status(ram, mixed) == "PENDING"


def test_all_pages_of_invitations_are_looked_at(aws, ram):
    arns = [share(aws.instance, OWNER) for _ in range(12)]
    wait_for("all are accepted", lambda: all(status(ram, arn) == "ACCEPTED" for arn in arns))
