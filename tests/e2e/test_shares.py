"""Two accounts on local AWS: invitations in, accepted or left pending; a mesh shared, joined, called and unshared."""

import json

import pytest
from rich.console import Console

from local import demo_shares
from local.demo import Story
from local.demo_shares import card_arn, meshift, share
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
    own_policy_of_the_card = ["ssm:DeleteResourcePolicy", "ssm:GetResourcePolicies", "ssm:PutResourcePolicy"]
    assert aws.owner.idle("ShareMeshRole") == own_policy_of_the_card  # local RAM writes none
    for role in ("JoinMeshRole", "InjectEnvoyRole", "PlanRolloutRole", "ShiftTrafficRole", "CheckHealthRole"):
        # The statement for the consumer's own mesh may be idle, the one for others' is not.
        assert aws.consumer.idle(role).count("lambda:InvokeFunctionUrl") < 2


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


@pytest.fixture
def organization(aws):
    """Owner and consumer in one organization, which the consumer trusts instead of accounts; gives its ARN."""
    aws.settings(organization=[OWNER, CONSUMER])
    whole = aws.consumer.client("organizations").describe_organization()["Organization"]
    demo_shares.set_parameters(aws.instance, CONSUMER, TrustedAccounts="", TrustedOrganization=whole["Id"])
    yield whole["Arn"]
    demo_shares.set_parameters(aws.instance, CONSUMER, TrustedAccounts=OWNER, TrustedOrganization="")
    demo_shares.unshare_mesh(aws.instance)
    aws.settings(organization=[])


def sweep(consumer):
    """Look for shares without any event of RAM's: what the schedule sends, sent to where it sends it."""
    pages = consumer.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="meshift")
    names = {
        each["LogicalResourceId"]: each["PhysicalResourceId"] for p in pages for each in p["StackResourceSummaries"]
    }
    rule = names["ShareSweep"].rpartition("/")[2]
    (target,) = consumer.client("events").list_targets_by_rule(Rule=rule)["Targets"]
    queue = consumer.client("sqs").get_queue_url(QueueName=target["Arn"].rpartition(":")[2])["QueueUrl"]
    consumer.client("sqs").send_message(QueueUrl=queue, MessageBody='{"detail-type": "Scheduled Event"}')


def test_a_mesh_that_is_shared_with_the_organization_needs_no_invitation(aws, ram, organization):
    """Found by RAM's event, and by the sweep; who is inside gets in, and is told where by the owner's card."""
    owner, dynamodb = aws.owner.client("ram"), aws.consumer.client("dynamodb")
    early = {"name": "early", "resourceArns": [card_arn(OWNER)], "principals": [organization]}
    with pytest.raises(owner.exceptions.OperationNotPermittedException):
        owner.create_resource_share(**early)
    meshift(aws.instance, OWNER, "mesh", "enable-organization-sharing", "--yes")
    before = ram.get_resource_share_invitations()["resourceShareInvitations"]
    card = {"pk": {"S": "meshes"}, "sk": {"S": f"apps@{OWNER}"}}
    item = {"TableName": aws.consumer.outputs["RolloutTable"], "Key": card}
    dynamodb.delete_item(**item)  # of shares in other tests
    demo_shares.share_mesh(aws.instance, organization)
    wait_for("the mesh is found by RAM's event", lambda: dynamodb.get_item(**item).get("Item"))
    dynamodb.delete_item(**item)
    sweep(aws.consumer)
    wait_for("the mesh is found by the sweep", lambda: dynamodb.get_item(**item).get("Item"))
    assert ram.get_resource_share_invitations()["resourceShareInvitations"] == before
    assert f"mesh apps@{OWNER}" in meshift(aws.instance, CONSUMER, "mesh", "map", f"apps@{OWNER}")
