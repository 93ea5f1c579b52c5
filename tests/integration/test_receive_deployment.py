import json
import os

import pytest

from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.receive_deployment import handler
from tests.integration.conftest import batch, make_service
from tests.shapes import TAGS, event


@pytest.fixture
def executions(aws):
    """List the executions that were started, name to input."""

    def listed():
        states = aws("stepfunctions")
        found = states.list_executions(stateMachineArn=os.environ["STATE_MACHINE_ARN"])["executions"]
        return {
            each["name"]: json.loads(states.describe_execution(executionArn=each["executionArn"])["input"])
            for each in found
        }

    return listed


@pytest.fixture
def buried(aws):
    """List the dead letters with their cause."""

    def listed():
        messages = aws("sqs").receive_message(
            QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"], MessageAttributeNames=["All"], MaxNumberOfMessages=10
        )
        return [each["MessageAttributes"]["Cause"]["StringValue"] for each in messages.get("Messages", [])]

    return listed


def test_a_completed_deployment_starts_one_execution_that_knows_it(deployment_event, service, executions, context):
    assert handler(batch(deployment_event()), context) == {"batchItemFailures": []}
    assert executions() == {
        service.deployment.replace("/", "-") + "-1": {
            "service": service.arn,
            "cluster": "apps",
            "deployment": service.deployment,
        }
    }


def test_the_same_event_again_starts_nothing(deployment_event, executions, context):
    handler(batch(deployment_event()), context)
    handler(batch(deployment_event(), deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS")), context)
    assert len(executions()) == 1


def test_a_deployment_without_envoy_starts_as_soon_as_it_begins(deployment_event, executions, context):
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS")), context)
    assert len(executions()) == 1


def test_an_unenrolled_service_starts_nothing_and_leaves_no_trace(aws, executions, context):
    plain = make_service(aws, tags={"team": "b"})
    event = {
        "region": "us-east-1",
        "resources": [plain.arn],
        "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": plain.deployment},
    }
    handler(batch(event), context)
    assert executions() == {}
    assert aws("dynamodb").scan(TableName="rollouts")["Items"] == []


def test_a_deleted_service_starts_nothing(aws, service, deployment_event, executions, context):
    aws("ecs").delete_service(cluster="apps", service=service.arn, force=True)
    assert handler(batch(deployment_event()), context) == {"batchItemFailures": []}
    assert executions() == {}


@pytest.mark.parametrize(
    "name",
    [
        "ecs-deployment-in-progress",
        "ecs-deployment-completed",
        "ecs-deployment-circuit-breaker",
        "ecs-deployment-short-arn",
    ],
)
def test_an_event_of_an_unknown_cluster_or_a_short_arn_starts_nothing(aws, name, executions, buried, context):
    assert handler(batch(event(name)), context) == {"batchItemFailures": []}
    assert executions() == {}
    assert buried() == []


def test_an_event_from_another_region_starts_nothing(deployment_event, executions, context):
    far = deployment_event()
    far["resources"] = [far["resources"][0].replace("us-east-1", "eu-west-1")]
    handler(batch(far), context)
    assert executions() == {}


@pytest.mark.parametrize(
    "body",
    [
        event("ecs-deployment-without-resources"),
        "not json",
        [],
        {"resources": ["arn:aws:s3:::x"], "detail": {"eventName": "a", "deploymentId": "b"}},
    ],
)
def test_what_cannot_be_understood_is_buried_at_once_with_its_cause(aws, body, buried, context):
    assert handler(batch(body), context) == {"batchItemFailures": []}
    (cause,) = buried()
    assert cause


def test_only_the_failed_message_of_a_batch_comes_again(aws, deployment_event, executions, context, monkeypatch):
    other = deployment_event()
    other["detail"]["deploymentId"] = "ecs-svc/other"
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:gone")
    answer = handler(batch(deployment_event(), other), context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


def test_a_claim_whose_execution_never_started_is_started_by_the_next_delivery(
    deployment_event, executions, context, monkeypatch
):
    right = os.environ["STATE_MACHINE_ARN"]
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:gone")
    handler(batch(deployment_event()), context)
    monkeypatch.setenv("STATE_MACHINE_ARN", right)
    handler(batch(deployment_event()), context)
    assert len(executions()) == 1


def test_tags_that_make_no_sense_still_start_an_execution_which_says_so(aws, executions, context):
    odd = make_service(aws, tags={**TAGS, "meshift:protocol": "soap"})
    event = {
        "region": "us-east-1",
        "resources": [odd.arn],
        "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": odd.deployment},
    }
    handler(batch(event), context)
    assert len(executions()) == 1


def test_a_rollback_by_ecs_is_remembered_for_its_own_deployment_only(service, deployment_event, context):
    reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
    table = Remembered("rollouts")
    handler(
        batch(deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS", reason=reason, deploymentId="ecs-svc/late")), context
    )
    assert table.rolled_back(service.arn) is None
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS", reason=reason)), context)
    assert table.rolled_back(service.arn) == service.deployment


def test_an_event_of_another_accounts_service_starts_nothing(deployment_event, executions, context):
    foreign = deployment_event()
    foreign["resources"] = [foreign["resources"][0].replace("123456789012", "210987654321")]
    handler(batch(foreign), context)
    assert executions() == {}


@pytest.fixture
def claimed(service):
    """A rollout of an earlier deployment of the service is at work."""
    table = RolloutTable("rollouts")
    claim = "apps", "serviceb.apps.local", "arn:aws:states:us-east-1:123456789012:execution:rollout:ecs-svc-1-1"
    table.claim_virtual_router(*claim, "serviceb.apps.local")
    document = {"service": service.arn, "deployment": "ecs-svc/1", "application": "x"}
    table.keep_plan(*claim, {**document, "plan": {}})
    return lambda: (table.claim(*claim[:2]) or {}).get("signal")


GONE_BACK = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."


def test_a_rollout_is_aborted_when_ecs_gives_its_deployment_up(deployment_event, claimed, context):
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_FAILED")), context)
    assert claimed() is None, "another deployment failed"
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_FAILED", deploymentId="ecs-svc/1", reason="tasks")), context)
    assert (claimed().name, claimed().by) == ("abort", "Amazon ECS: tasks")


def test_a_rollout_is_aborted_when_ecs_goes_back_and_not_by_a_late_word_of_it(deployment_event, claimed, context):
    late = deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS", reason=GONE_BACK, deploymentId="ecs-svc/late")
    handler(batch(late), context)
    assert claimed() is None
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS", reason=GONE_BACK)), context)
    assert claimed().name == "abort"


def test_traffic_that_was_taken_off_a_service_is_seen_to_when_ecs_goes_back(
    service, deployment_event, executions, context
):
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS", reason=GONE_BACK)), context)
    assert executions() == {}
    Remembered("rollouts").remember_moved_away(service.arn, {"route": {"serviceBv2": 100}})
    handler(batch(deployment_event("SERVICE_DEPLOYMENT_IN_PROGRESS", reason=GONE_BACK)), context)
    assert len(executions()) == 1
