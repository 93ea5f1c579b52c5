import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deployment import execution_name, parse_event, reason_to_ignore
from domain.errors import InvalidEvent
from tests.shapes import event, service


def test_an_event_names_service_cluster_and_deployment():
    deployment = parse_event(event("ecs-deployment-in-progress"))
    assert (deployment.service.name, deployment.cluster, deployment.deployment) == (
        "serviceBv2",
        "apps",
        "ecs-svc/2394811370187363041",
    )


def test_a_short_arn_has_no_cluster_unless_the_event_tells():
    short = event("ecs-deployment-short-arn")
    assert parse_event(short).cluster is None
    short["detail"]["clusterArn"] = "arn:aws:ecs:us-east-1:111111111111:cluster/apps"
    assert parse_event(short).cluster == "apps"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (event("ecs-deployment-without-resources"), "resources[0] is missing"),
        ({}, "resources[0] is missing"),
        ({"resources": [5], "detail": {}}, "resources[0] is missing"),
        (
            {
                "resources": ["arn:aws:ecs:us-east-1:111111111111:task/apps/1"],
                "detail": {"eventName": "a", "deploymentId": "b"},
            },
            "not the ARN",
        ),
        ({"resources": ["x"]}, "detail is missing"),
        ({"resources": ["x"], "detail": {"eventName": "a"}}, "detail.deploymentId is missing"),
    ],
)
def test_a_broken_event_is_refused_by_the_field(broken, says):
    with pytest.raises(InvalidEvent, match=re.escape(says)):
        parse_event(broken)


def test_a_completed_deployment_is_acted_on():
    assert reason_to_ignore(parse_event(event("ecs-deployment-completed")), service(), has_sidecar=False) is None


def test_a_beginning_deployment_is_acted_on_only_without_a_sidecar():
    begins = parse_event(event("ecs-deployment-in-progress"))
    assert reason_to_ignore(begins, service(), has_sidecar=False) is None
    assert "has its sidecar" in reason_to_ignore(begins, service(), has_sidecar=True)


def test_a_deployment_that_ecs_rolls_back_starts_nothing():
    broken = parse_event(event("ecs-deployment-circuit-breaker"))
    assert "rolling the service back" in reason_to_ignore(broken, service(), has_sidecar=False)


def test_an_event_of_a_deployment_that_is_not_primary_any_more_starts_nothing():
    late = service(deployments=[{"id": "ecs-svc/9", "status": "PRIMARY", "taskDefinition": "x"}])
    assert "not the service's primary" in reason_to_ignore(
        parse_event(event("ecs-deployment-completed")), late, has_sidecar=False
    )


@given(st.text(min_size=1, max_size=300), st.integers(1, 10**6))
def test_every_deployment_id_makes_a_legal_execution_name(deployment, attempt):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", execution_name(deployment, attempt))
