"""What Meshift does to a service comes back as events; none of them makes it do the same again."""

import pytest

from domain.leaving import acted_on
from gateways.enrolled import Enrolled
from handlers import inject_envoy
from tests.integration.test_removal import GONE_BACK, SWEEP, deployment_of, receive, started
from tests.shapes import SUBJECT, TAGS

NAME = "serviceBv2"


@pytest.fixture
def injected(aws, mesh, service, context):
    """A deployment without Envoy, as far as its redeployment."""
    receive(context, deployment_of(aws, service, "IN_PROGRESS", "first"))
    document = service.document(deployment="ecs-svc/first", subject=SUBJECT)
    assert inject_envoy.handler(document, context)["outcome"] == "Redeployed"
    Enrolled("rollouts").remember(service.arn, acted_on(TAGS), SUBJECT)
    return service


def revisions(aws):
    return aws("ecs").list_task_definitions(familyPrefix=NAME)["taskDefinitionArns"]


def document_of(service, identity, **more):
    execution = f"arn:aws:states:us-east-1:123456789012:execution:rollout:{identity}"
    return service.document(deployment=f"ecs-svc/{identity}", execution=execution, subject=SUBJECT, **more)


def test_its_own_deployment_starts_nothing_when_it_begins(aws, injected, context):
    receive(context, deployment_of(aws, injected, "IN_PROGRESS"))
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/first"]


def test_its_own_deployment_is_not_injected_again_when_it_is_complete(aws, injected, context):
    before = revisions(aws)
    receive(context, deployment_of(aws, injected, "COMPLETED"))
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/first", "ecs-svc/second"]
    assert inject_envoy.handler(document_of(injected, "second"), context)["outcome"] == "Present"
    assert revisions(aws) == before


def test_scaling_says_no_more_than_that_the_same_deployment_is_complete(aws, injected, context):
    completed = deployment_of(aws, injected, "COMPLETED")
    receive(context, completed)
    for count in (5, 0, 3):
        aws("ecs").update_service(cluster="apps", service=injected.arn, desiredCount=count)
        receive(context, completed, SWEEP)
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/first", "ecs-svc/second"]


def test_what_the_circuit_breaker_threw_out_is_left_alone_however_often_it_is_told(aws, injected, context):
    """ECS goes back to a revision without Envoy: the one thing that injection would act on."""
    before = revisions(aws)
    aws("ecs").update_service(cluster="apps", service=injected.arn, taskDefinition=injected.task_definition)
    back = deployment_of(aws, injected, "IN_PROGRESS", "zeroth", reason=GONE_BACK)
    failed = {**back, "detail": {**back["detail"], "eventName": "SERVICE_DEPLOYMENT_FAILED", "reason": "failed"}}
    receive(context, failed, back, back)
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/first"]
    completed = deployment_of(aws, injected, "COMPLETED", "zeroth")
    receive(context, completed, completed, SWEEP)
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/first", "ecs-svc/zeroth"]
    answer = inject_envoy.handler(document_of(injected, "zeroth"), context)
    assert (answer["outcome"], "left alone until you deploy again" in answer["reason"]) == ("Refused", True)
    assert revisions(aws) == before


def test_the_next_deployment_after_the_circuit_breaker_is_injected_again(aws, injected, context):
    aws("ecs").update_service(cluster="apps", service=injected.arn, taskDefinition=injected.task_definition)
    receive(context, deployment_of(aws, injected, "IN_PROGRESS", "zeroth", reason=GONE_BACK))
    receive(context, deployment_of(aws, injected, "IN_PROGRESS", "third"))
    assert started(aws)[-1]["deployment"] == "ecs-svc/third"
    assert inject_envoy.handler(document_of(injected, "third"), context)["outcome"] == "Redeployed"


def test_tags_of_others_and_a_sweep_that_comes_twice_start_nothing(aws, injected, context):
    aws("ecs").tag_resource(resourceArn=injected.arn, tags=[{"key": "team", "value": "c"}])
    receive(context, SWEEP, SWEEP)
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/first"]


def test_a_changed_tag_is_tried_once(aws, injected, context):
    deployment_of(aws, injected, "COMPLETED")
    aws("ecs").tag_resource(resourceArn=injected.arn, tags=[{"key": "meshift:policy", "value": "slow"}])
    receive(context, SWEEP)
    receive(context, SWEEP)
    assert [each.get("retagged", False) for each in started(aws)] == [False, True]
