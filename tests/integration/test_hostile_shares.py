"""Whatever fails, and whoever sends what: nothing is accepted that should not be, nothing lost that should be."""

import json
from datetime import timedelta

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError

from domain.sharing import INVITATION_LIVES
from gateways.clients import client
from gateways.remembered import Remembered
from observability import metrics
from tests.hosted_mesh import Body
from tests.integration.conftest import make_service
from tests.ram import card_arn
from tests.shapes import OWNER, STRANGER

OWN, MESH = "123456789012", f"apps@{OWNER}"
THROTTLED = {"organizations": "TooManyRequestsException", "dynamodb": "ProvisionedThroughputExceededException"}


class Failing:
    """Loses the answers of an operation, `times` times: it is done, and an error comes back.

    So it goes when an answer is lost; who is merely throttled has it easier.
    """

    def __init__(self, service, operation, error=None, times=3):
        self.api, self.error, self.times = client(service), error, times
        self.service, self.seen = service, 0
        self.name = f"before-send.{self.api.meta.service_model.service_id.hyphenize()}.{operation}"

    def __enter__(self):
        self.api.meta.events.register_first(self.name, self.answer)
        return self

    def __exit__(self, *_):
        self.api.meta.events.unregister(self.name, self.answer)

    def answer(self, request, **_):
        if self.seen >= self.times:
            return None
        self.seen += 1
        if self.error:
            raise self.error
        code = THROTTLED.get(self.service, "ThrottlingException")
        content = {"__type": code, "message": "slow down"}
        headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code}
        return AWSResponse(request.url, 400, headers, Body(json.dumps(content).encode()))


@pytest.fixture
def organization(ram, monkeypatch):
    """moto's organization, which is trusted beside OWNER; gives a member."""
    found = client("organizations").create_organization(FeatureSet="ALL")["Organization"]["Id"]
    monkeypatch.setenv("TRUSTED_ORGANIZATION", found)
    made = client("organizations").create_account(Email="a@example.com", AccountName="a")["CreateAccountStatus"]
    return made["AccountId"]


def tried(look):
    """Look; whether the batch comes again, be it that one item failed or all of it."""
    try:
        return look()
    except ClientError:
        return True


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ram", "GetResourceShareInvitations"),
        ("ram", "ListPendingInvitationResources"),
        ("ram", "AcceptResourceShareInvitation"),
        ("ram", "ListResources"),
        ("ram", "ListPrincipals"),
        ("organizations", "DescribeAccount"),
        ("organizations", "DescribeOrganization"),
        ("sns", "Publish"),
        ("dynamodb", "GetItem"),
        ("dynamodb", "PutItem"),
        ("dynamodb", "Query"),
        ("dynamodb", "DeleteItem"),
        ("ecs", "DescribeServices"),
        ("stepfunctions", "StartExecution"),
    ],
)
def test_a_lost_answer_to_any_call_loses_nothing_and_lets_nobody_in(
    aws, ram, look, mail, organization, service, operation
):
    """OWNER by its id, a member by the organization, one inside without an invitation, a stranger; a service waits."""
    waiting = make_service(aws, {"meshift:mesh": MESH})
    Remembered("rollouts").remember_waiting(MESH, waiting.arn, waiting.cluster)
    trusted, member, stranger = ram.share_card(), ram.share_card(organization), ram.share_card(STRANGER)
    inside = ram.share_card(organization, "inside")
    del ram.ram.invitations[ram.invitation(inside)["resourceShareInvitationArn"]]
    for one in ram.ram.associations:
        if one["resourceShareArn"] == inside:
            one.update(status="ASSOCIATED", external=False)
    with Failing(service, operation, times=6 if service == "dynamodb" else 3) as failing:
        assert tried(look)
        assert failing.seen
    for _ in range(2):
        assert not look()
    assert [ram.status(each) for each in (trusted, member, stranger)] == ["ACCEPTED", "ACCEPTED", "PENDING"]
    known = {MESH, f"apps@{organization}", f"inside@{organization}"}
    assert set(Remembered("rollouts").cards()) == known
    assert Remembered("rollouts").freed() == []
    executions = aws("stepfunctions").list_executions(stateMachineArn=machine(aws))["executions"]
    assert 1 <= len(executions) <= (2 if service in ("stepfunctions", "dynamodb") else 1)  # rather twice than never
    senders = [told["sender"] for subject, told in mail() if subject == "Meshift: a share waits for you"]
    assert set(senders) == {STRANGER}
    assert len(senders) <= (2 if service in ("sns", "dynamodb") else 1)


def test_a_service_that_begins_to_wait_anew_is_not_forgotten_by_who_just_started_it(aws, ram, look):
    """Its execution was faster: the mesh did not let it in yet."""
    service = make_service(aws, {"meshift:mesh": MESH})
    remembered = Remembered("rollouts")
    remembered.remember_waiting(MESH, service.arn, service.cluster)
    ram.share_card()
    hook = "after-call.sfn.StartExecution"
    again = lambda **_: remembered.remember_waiting(MESH, service.arn, service.cluster)  # noqa: E731
    client("stepfunctions").meta.events.register(hook, again)
    look()
    client("stepfunctions").meta.events.unregister(hook, again)
    assert remembered.freed() == []
    look()
    assert len(aws("stepfunctions").list_executions(stateMachineArn=machine(aws))["executions"]) == 2


def machine(aws):
    (found,) = aws("stepfunctions").list_state_machines()["stateMachines"]
    return found["stateMachineArn"]


@pytest.mark.parametrize("operation", ["DescribeAccount", "DescribeOrganization"])
def test_organizations_that_cannot_be_reached_trusts_nobody_for_now_and_forgets_nobody(
    ram, look, organization, operation, monkeypatch
):
    trusted, member = ram.share_card(), ram.share_card(organization)
    ram.cards[card_arn(organization, "inside")] = ram.cards[card_arn(organization)]
    ram.share_inside(organization, [card_arn(organization, "inside")])
    gone = EndpointConnectionError(endpoint_url="https://organizations.us-east-1.amazonaws.com")
    with Failing("organizations", operation, gone, times=100):
        assert look()
    assert ram.status(trusted) == "ACCEPTED"
    assert MESH in Remembered("rollouts").cards()
    look()
    assert ram.status(member) == "ACCEPTED"
    assert f"apps@{organization}" in Remembered("rollouts").cards()


def test_an_account_that_left_or_is_suspended_is_trusted_by_no_organization(ram, look, organization):
    share = ram.share_card(organization)
    client("organizations").close_account(AccountId=organization)
    look()
    assert ram.status(share) == "PENDING"


def test_huge_pages_of_others_shares_hide_no_trusted_one(ram, look, mail):
    """A stranger's hundred and twenty, and one share with three hundred cards and a subnet at its end."""
    strange = [ram.share(STRANGER, [card_arn(STRANGER, f"m{number}")]) for number in range(120)]
    subnet = f"arn:aws:ec2:us-east-1:{OWNER}:subnet/subnet-1"
    mixed = ram.share(OWNER, [*(card_arn(OWNER, f"m{number}") for number in range(300)), subnet])
    trusted = ram.share_card()
    assert not look()
    assert (ram.status(trusted), ram.status(mixed)) == ("ACCEPTED", "PENDING")
    assert {ram.status(each) for each in strange} == {"PENDING"}
    opened = {asked["resourceShareInvitationArn"] for asked in ram.asked("ListPendingInvitationResources")}
    assert opened == {ram.invitation(each)["resourceShareInvitationArn"] for each in (mixed, trusted)}
    assert Remembered("rollouts").cards() == [MESH]


def test_who_is_trusted_is_answered_before_strangers_are_told_of(ram, look):
    """A look that runs out of time has done what matters."""
    strange = [ram.share(STRANGER, [card_arn(STRANGER, f"m{number}")]) for number in range(3)]
    trusted = ram.share_card()
    client("sns").meta.events.register_first("before-send.sns.Publish", seen := Seen(ram, trusted))
    look()
    client("sns").meta.events.unregister("before-send.sns.Publish", seen)
    assert seen.statuses == ["ACCEPTED"] * len(strange)


class Seen:
    """Looks at an invitation whenever something is published."""

    def __init__(self, ram, share):
        self.ram, self.share, self.statuses = ram, share, []

    def __call__(self, **_):
        self.statuses.append(self.ram.status(self.share))


def test_the_same_invitation_on_two_pages_is_answered_and_announced_once(ram, look, mail):
    """Others came and went between the pages."""
    trusted, _ = ram.share_card(), ram.share(STRANGER, [card_arn(STRANGER)])
    whole = ram.ram.GetResourceShareInvitations

    def twice(account, region, asked):
        found = whole(account, region, {})["resourceShareInvitations"]
        second = asked.get("nextToken") == "second"
        return {"resourceShareInvitations": found, **({} if second else {"nextToken": "second"})}

    ram.ram.GetResourceShareInvitations = twice
    assert not look()
    assert ram.status(trusted) == "ACCEPTED"
    assert len(ram.asked("AcceptResourceShareInvitation")) == 1
    assert len(mail()) == 1


def test_pages_may_be_empty(ram, look):
    share = ram.share_card()
    whole = ram.ram.GetResourceShareInvitations

    def late(account, region, asked):
        if asked.get("nextToken") != "second":
            return {"resourceShareInvitations": [], "nextToken": "second"}
        return whole(account, region, {})

    ram.ram.GetResourceShareInvitations = late
    look()
    assert ram.status(share) == "ACCEPTED"


@pytest.mark.parametrize("answered", ["ACCEPTED", "REJECTED"])
def test_what_somebody_answered_in_the_console_meanwhile_is_counted_as_that(ram, look, told_metrics, answered):
    share = ram.share_card(STRANGER)
    look()
    verb = {"ACCEPTED": "Accept", "REJECTED": "Reject"}[answered]
    arn = ram.invitation(share)["resourceShareInvitationArn"]
    getattr(ram.ram, f"{verb}ResourceShareInvitation")(OWN, "us-east-1", {"resourceShareInvitationArn": arn})
    told_metrics()
    look()
    assert told_metrics()[f"Share{answered.title()}"] == [1.0]
    assert Remembered("rollouts").invitation(arn) == answered
    look()
    assert f"Share{answered.title()}" not in told_metrics()


@pytest.fixture
def told_metrics(monkeypatch, capsys):
    """What CloudWatch was told since the last time."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    metrics.clear_metrics()  # of other tests

    def read():
        told = {}
        for line in capsys.readouterr().out.splitlines():
            document = json.loads(line)
            if "_aws" in document:
                told |= {name: value for name, value in document.items() if name.startswith(("Share", "Oldest"))}
        return told

    return read


def test_every_end_of_an_invitation_is_a_metric_and_so_is_how_long_the_oldest_has_waited(ram, look, told_metrics, mail):
    share = ram.share_card(STRANGER)
    ram.share_card()
    look()
    told = told_metrics()
    assert (told["SharesWaiting"], told["ShareRefused"], told["ShareAccepted"]) == ([1.0], [1.0], [1.0])
    ram.invitation(share)["invitationTimestamp"] -= (INVITATION_LIVES - timedelta(hours=2, minutes=55)).total_seconds()
    look()
    assert 32400 < told_metrics()["OldestShareWaiting"][0] < 32800  # OldShareAlarm rings above 32400
    late = [told for subject, told in mail() if subject == "Meshift: a share soon expires"]
    assert [each["sender"] for each in late] == [STRANGER]
    ram.ram.expire(ram.invitation(share)["resourceShareInvitationArn"])
    look()
    told = told_metrics()
    assert (told["ShareExpired"], told["SharesWaiting"], told["OldestShareWaiting"]) == ([1.0], [0.0], [0.0])
