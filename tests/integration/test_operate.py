"""operate behind its URL: who asks is what IAM says, and every word of it is in the history."""

import json
import os

import pytest

from domain.operations import SIGNALS
from gateways.enrolled import Enrolled
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers.operate import handler
from tests.integration.conftest import answered, make_service
from tests.shapes import SUBJECT

ANN = "arn:aws:sts::123456789012:assumed-role/operators/ann"
CLAIM = "apps", SUBJECT["virtualService"], "arn:aws:states:us-east-1:123456789012:execution:rollout:ecs-svc-1-1"
WHERE = {"mesh": "apps", "virtualService": SUBJECT["virtualService"]}


@pytest.fixture
def ask(context):
    """Ask as the Function URL hands it over; the status and the answer."""

    def send(body=None, arn=ANN, **fields):
        event = {"requestContext": {"authorizer": {"iam": {"userArn": arn}} if arn else {}}}
        answer = handler({**event, "body": json.dumps(fields) if body is None else body}, context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.fixture
def rollout(aws, service):
    """A rollout that holds its virtual service, with a plan."""
    table = RolloutTable("rollouts")
    table.claim_virtual_router(*CLAIM, SUBJECT["virtualService"])
    document = {"service": service.arn, "cluster": "apps", "deployment": service.deployment}
    table.keep_plan(*CLAIM, {**document, "plan": {}, "application": "x"})
    table.remember_last(*CLAIM[:2], document)
    return table


def history(aws):
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    return [json.loads(item["document"]["S"]) for item in items if item["sk"]["S"].endswith("#signal")]


@pytest.mark.parametrize("signal", ["pause", "resume", "abort", "skip-wait", "promote"])
def test_a_signal_is_left_for_the_rollout_with_its_caller(aws, rollout, ask, signal):
    assert ask(signal=signal, **WHERE) == (200, {"signal": signal, "execution": CLAIM[2]})
    left = rollout.claim(*CLAIM[:2])["signal"]
    assert (left.name, left.by) == (signal, ANN)
    assert history(aws) == [{"signal": signal, "by": ANN}]


def test_a_signal_for_a_virtual_service_is_not_for_another_that_shares_its_router(aws, ask):
    table, router = RolloutTable("rollouts"), "shared-router"
    table.claim_virtual_router("apps", router, CLAIM[2], "other.apps.local")
    table.keep_plan("apps", router, CLAIM[2], {"plan": {}, "application": "x"})
    assert ask(signal="abort", **WHERE)[0] == 404
    assert table.claim("apps", router)["signal"] is None
    assert ask(signal="abort", mesh="apps", virtualService="other.apps.local")[0] == 200
    assert table.claim("apps", router)["signal"].name == "abort"


def test_a_deployment_that_waits_for_its_turn_is_not_started_beside_itself(aws, ask, service):
    """Else the second would roll out again what the first has just taken back."""
    document = {"service": service.arn, "cluster": "apps", "deployment": service.deployment, "reason": "x"}
    WaitingRollouts("rollouts").wait(*CLAIM, document, 30)
    status, answer = ask(signal="start", service=service.arn.rpartition("/")[2], cluster="apps")
    assert (status, f"waits for its turn, in execution {CLAIM[2]}" in answer["message"]) == (400, True)


def test_who_could_not_leave_may_be_started_until_it_has_left(aws, ask):
    service = make_service(aws, {"team": "other"}, name="leaving")
    assert ask(signal="start", service="leaving", cluster="apps")[0] == 400, "it never joined"
    Enrolled("rollouts").remember(service.arn, "{}", SUBJECT)
    status, answer = ask(signal="start", service="leaving", cluster="apps")
    assert status == 200
    started = aws("stepfunctions").describe_execution(executionArn=answer["execution"])
    assert json.loads(started["input"])["forced"] is True
    Enrolled("rollouts").remember_left(service.arn)
    assert ask(signal="start", service="leaving", cluster="apps")[0] == 400


def test_two_signals_are_two_even_when_they_say_the_same(rollout, ask):
    ask(signal="skip-wait", **WHERE)
    first = rollout.claim(*CLAIM[:2])["signal"]
    ask(signal="skip-wait", **WHERE)
    assert rollout.claim(*CLAIM[:2])["signal"].id != first.id


def test_a_paused_rollout_is_woken(aws, rollout, ask):
    woken = []
    rollout.keep_token(*CLAIM, "the token")
    with answered(aws("stepfunctions"), "SendTaskSuccess", woken):
        ask(signal="resume", **WHERE)
    assert woken == [{"taskToken": "the token", "output": "{}"}]


def test_nothing_takes_the_place_of_an_abort(rollout, ask):
    assert ask(signal="abort", **WHERE)[0] == 200
    for signal in ("resume", "skip-wait", "promote", "pause"):
        status, answer = ask(signal=signal, **WHERE)
        assert (status, "is being aborted" in answer["message"]) == (404, True)
    assert rollout.claim(*CLAIM[:2])["signal"].name == "abort"


def test_a_mesh_of_ones_own_may_be_named_with_its_owner(rollout, ask):
    assert ask(signal="pause", **{**WHERE, "mesh": "apps@123456789012"})[0] == 200
    assert rollout.claim(*CLAIM[:2])["signal"].name == "pause"


def test_start_with_tags_that_make_no_sense_starts_nothing(aws, ask):
    make_service(aws, {"meshift:mesh": "apps", "meshift:protocol": "soap"}, name="odd")
    assert ask(signal="start", service="odd", cluster="apps")[0] == 400
    machine = os.environ["STATE_MACHINE_ARN"]
    assert aws("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


def test_without_a_rollout_there_is_nothing_to_steer(aws, ask):
    status, answer = ask(signal="pause", **WHERE)
    assert (status, answer["message"]) == (404, "no rollout of serviceb.apps.local in mesh apps is at work")
    assert history(aws) == []


def test_a_rollout_that_is_being_recovered_takes_no_signal(rollout, ask):
    rollout.fence(*CLAIM)
    assert ask(signal="promote", **WHERE)[0] == 404


def test_retry_starts_the_last_deployment_again_even_if_its_application_is_known(aws, rollout, ask, service):
    rollout.claim_deployment(service.arn, service.deployment)
    status, answer = ask(signal="retry", **WHERE)
    assert (status, "is at work already" in answer["message"]) == (400, True)
    rollout.release_virtual_router(*CLAIM)
    status, answer = ask(signal="retry", **WHERE)
    assert status == 200
    execution = aws("stepfunctions").describe_execution(executionArn=answer["execution"])
    assert execution["name"] == service.deployment.replace("/", "-") + "-2"
    assert json.loads(execution["input"]) == {
        "service": service.arn,
        "cluster": "apps",
        "deployment": service.deployment,
        "forced": True,
    }
    assert history(aws) == [{"signal": "retry", "by": ANN}]


def test_a_deployment_that_was_overtaken_is_not_retried(aws, rollout, ask, service):
    rollout.remember_last(*CLAIM[:2], {"service": service.arn, "cluster": "apps", "deployment": "ecs-svc/older"})
    status, answer = ask(signal="retry", **WHERE)
    assert status == 400
    assert "took the place of ecs-svc/older; use start for it" in answer["message"]


def test_start_works_on_the_deployment_that_a_service_has_now(aws, ask, service):
    status, answer = ask(signal="start", service="serviceBv2", cluster="apps")
    assert (status, answer["execution"].rpartition(":")[2]) == (200, service.deployment.replace("/", "-") + "-1")


def test_start_refuses_what_is_not_enrolled(aws, ask):
    make_service(aws, {"team": "b"}, name="bystander")
    status, answer = ask(signal="start", service="bystander", cluster="apps")
    assert (status, answer["message"]) == (400, "service: bystander is not enrolled, or has no deployment")
    assert ask(signal="start", service="nobody", cluster="apps")[0] == 404
    executions = aws("stepfunctions").list_executions(stateMachineArn=os.environ["STATE_MACHINE_ARN"])["executions"]
    assert executions == []


def test_names_are_handed_over(aws, ask, service):
    remembered = Remembered("rollouts")
    remembered.claim_virtual_node("apps", "serviceB", "arn:of:another")
    where = {"mesh": "apps", "service": "serviceBv2", "cluster": "apps"}
    assert ask(signal="hand-over", virtualNode="serviceB", **where)[0] == 200
    assert remembered.service_of("apps", "serviceB") == service.arn
    assert ask(signal="hand-over", cluster="apps", **WHERE)[0] == 200
    assert remembered.cluster_of(*CLAIM[:2]) == "arn:aws:ecs:us-east-1:123456789012:cluster/apps"
    assert ask(signal="hand-over", cluster="nowhere", **WHERE)[0] == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the body is not JSON"),
        ("[]", "the body is [], not an object"),
        ('{"signal": "stop"}', "signal: 'stop' is not one of pause, resume, abort"),
        ('{"signal": "pause", "mesh": "apps"}', "virtualService: missing; pause needs mesh and virtualService"),
        ('{"signal": "pause", "mesh": "a@b", "virtualService": "x"}', "mesh: 'a@b' is not a mesh's name"),
        ('{"signal": "pause", "mesh": 1}', "mesh: 1 is not a text"),
        ('{"signal": "pause", "all": "yes"}', "all: not known here; known are cluster, execution, invitation"),
        ('{"signal": "start", "service": "x"}', "cluster: missing; start needs service and cluster"),
        ('{"signal": "accept-share"}', "invitation: missing; accept-share needs invitation"),
    ],
)
def test_a_request_that_makes_no_sense_says_why_and_changes_nothing(aws, rollout, ask, body, says):
    status, answer = ask(body)
    assert status == 400
    assert says in answer["message"]
    assert rollout.claim(*CLAIM[:2])["signal"] is None


@pytest.mark.parametrize("signal", SIGNALS)
def test_who_does_not_come_through_the_url_is_refused(rollout, ask, signal):
    assert ask(signal=signal, arn=None, **WHERE)[0] == 400
    assert rollout.claim(*CLAIM[:2])["signal"] is None
