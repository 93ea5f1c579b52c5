"""Clean-up: the services whose traffic the candidate has are scaled to zero, and brought back as candidates."""

import json

import pytest

from gateways.enrolled import Enrolled
from gateways.mesh import _client
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers import clean_up, plan_rollout
from handlers.idle_services import bring_back
from tests.hosted_mesh import URL
from tests.integration.conftest import make_by_hand, make_service
from tests.shapes import SUBJECT, route_spec

NAME = SUBJECT["virtualService"]
POLICY = {"cleanUp": "scale-to-zero", "checkEverySeconds": 1, "deadlineSeconds": 60}
ECS = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


@pytest.fixture
def mesh(aws, hosted, monkeypatch):
    """The tutorial's mesh, hosted: moto lists no virtual services."""
    monkeypatch.setenv("MESH_ENDPOINT", URL)
    monkeypatch.setenv("MESH_SIGNING_NAME", "lambda")
    hosted.account = "123456789012"
    api = hosted.answer_for(_client(URL, "lambda"), hosted.account)
    api.create_mesh(meshName="apps")
    make_by_hand(api)
    return api


@pytest.fixture
def rollout(aws, service, mesh, running_tasks, context):
    """A rollout that has brought serviceBv2 to 100; serviceB is of a service of ours."""
    stable = make_service(aws, name="serviceB")
    Remembered("rollouts").claim_virtual_node("apps", "serviceB", stable.arn)
    Remembered("rollouts").claim_virtual_node("apps", "serviceBv2", service.arn)
    Enrolled("rollouts").remember(stable.arn, "", {**SUBJECT, "virtualNode": "serviceB"})
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(POLICY), Type="String")
    document = service.document(subject=SUBJECT, application="fingerprint")
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Planned", answer
    set_weights(mesh, serviceB=0, serviceBv2=100)
    return {**document, **answer, "outcome": "Promoted", "reason": "serviceBv2 carries all the traffic"}


def set_weights(mesh, **weights):
    spec = route_spec()
    for target in spec["http2Route"]["action"]["weightedTargets"]:
        target["weight"] = weights[target["virtualNode"]]
    mesh.update_route(meshName="apps", virtualRouterName=NAME, routeName=NAME, spec=spec)


def service_of(aws, name):
    return aws("ecs").describe_services(cluster="apps", services=[name])["services"][0]


def target_of(aws, name="serviceB"):
    found = aws("application-autoscaling").describe_scalable_targets(**ECS, ResourceIds=[f"service/apps/{name}"])
    return found["ScalableTargets"][0]


def test_the_side_that_lost_its_traffic_is_scaled_to_zero_once(aws, rollout, context):
    answer = clean_up.handler(rollout, context)
    assert answer == {"reason": "serviceBv2 carries all the traffic; serviceB scaled to zero"}
    assert service_of(aws, "serviceB")["desiredCount"] == 0
    assert service_of(aws, "serviceBv2")["desiredCount"] == 2
    clean_up.handler(rollout, context)
    arn = service_of(aws, "serviceB")["serviceArn"]
    assert Remembered("rollouts").scaled(arn) == {"desiredCount": 2, "scalableTarget": None}, (
        "not what a try made of it"
    )


def test_a_service_whose_scalable_target_was_taken_away_meanwhile_has_its_tasks_back(aws, rollout, context):
    target = {**ECS, "ResourceId": "service/apps/serviceB"}
    aws("application-autoscaling").register_scalable_target(**target, MinCapacity=2, MaxCapacity=9)
    clean_up.handler(rollout, context)
    aws("application-autoscaling").deregister_scalable_target(**target)
    stable = service_of(aws, "serviceB")
    assert bring_back(stable, "apps", Remembered("rollouts"))
    assert service_of(aws, "serviceB")["desiredCount"] == 2
    assert Remembered("rollouts").scaled(stable["serviceArn"]) is None
    found = aws("application-autoscaling").describe_scalable_targets(**ECS, ResourceIds=[target["ResourceId"]])
    assert found["ScalableTargets"] == []


def test_a_scalable_target_lets_it_and_has_its_least_back_with_the_next_rollout(aws, rollout, context, mesh):
    target = {**ECS, "ResourceId": "service/apps/serviceB", "MinCapacity": 2, "MaxCapacity": 9}
    aws("application-autoscaling").register_scalable_target(**target)
    clean_up.handler(rollout, context)
    assert target_of(aws)["MinCapacity"] == 0
    assert all(target_of(aws)["SuspendedState"].values())
    assert target_of(aws)["MaxCapacity"] == 9
    stable = service_of(aws, "serviceB")
    document = {
        **rollout,
        "service": stable["serviceArn"],
        "deployment": stable["deployments"][0]["id"],
        "execution": rollout["execution"] + "-next",
        "subject": {**SUBJECT, "virtualNode": "serviceB"},
    }
    RolloutTable("rollouts").release_virtual_router("apps", NAME, rollout["execution"])
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Wait"
    assert "had been scaled to zero after a promotion, and has its tasks back" in answer["reason"]
    assert service_of(aws, "serviceB")["desiredCount"] == 2
    assert target_of(aws)["MinCapacity"] == 2
    assert not any(target_of(aws)["SuspendedState"].values())
    assert Remembered("rollouts").scaled(stable["serviceArn"]) is None


def test_a_node_that_carries_traffic_anywhere_else_is_left_alone(aws, rollout, context, mesh):
    listeners = [{"portMapping": {"port": 80, "protocol": "http2"}}]
    mesh.create_virtual_router(meshName="apps", virtualRouterName="other", spec={"listeners": listeners})
    mesh.create_route(meshName="apps", virtualRouterName="other", routeName="other", spec=route_spec())
    assert "nothing to scale to zero" in clean_up.handler(rollout, context)["reason"]
    assert service_of(aws, "serviceB")["desiredCount"] == 2


def test_a_node_that_itself_provides_a_virtual_service_is_left_alone(aws, rollout, context, mesh):
    provider = {"virtualNode": {"virtualNodeName": "serviceB"}}
    mesh.create_virtual_service(meshName="apps", virtualServiceName="direct", spec={"provider": provider})
    assert "nothing to scale to zero" in clean_up.handler(rollout, context)["reason"]


@pytest.mark.parametrize("now", [{"virtualNode": "serviceC"}, {"virtualNode": "serviceB", "mesh": "other"}])
def test_a_service_that_speaks_for_another_node_by_now_is_left_alone(aws, rollout, context, now):
    Enrolled("rollouts").remember(service_of(aws, "serviceB")["serviceArn"], "", {**SUBJECT, **now})
    assert "nothing to scale to zero" in clean_up.handler(rollout, context)["reason"]


def test_the_candidates_own_service_is_never_scaled_to_zero(aws, rollout, context):
    """It was given another node by its tags, and brought the one that is idle now."""
    Remembered("rollouts").hand_over("apps", "virtualNode", "serviceB", rollout["service"])
    assert "nothing to scale to zero" in clean_up.handler(rollout, context)["reason"]
    assert service_of(aws, "serviceBv2")["desiredCount"] == 2


def test_an_execution_that_was_stopped_scales_nothing_to_zero_any_more(aws, rollout, context):
    """Recovery has fenced it, and may give the traffic back to that side."""
    RolloutTable("rollouts").fence("apps", NAME, rollout["execution"])
    assert "has lost its claim" in clean_up.handler(rollout, context)["reason"]
    assert service_of(aws, "serviceB")["desiredCount"] == 2


def test_recovery_completes_what_clean_up_has_begun(aws, rollout, context):
    clean_up.handler(rollout, context)
    assert RolloutTable("rollouts").claim("apps", NAME)["decided"]["outcome"] == "Promoted"


def test_a_count_that_somebody_raised_is_the_one_that_comes_back(aws, rollout, context):
    clean_up.handler(rollout, context)
    aws("ecs").update_service(cluster="apps", service="serviceB", desiredCount=7)
    clean_up.handler(rollout, context)
    assert Remembered("rollouts").scaled(service_of(aws, "serviceB")["serviceArn"])["desiredCount"] == 7


def test_a_node_that_no_service_brought_is_left_alone(aws, rollout, context):
    Remembered("rollouts").hand_over("apps", "virtualNode", "serviceB", "arn:aws:ecs:us-east-1:1:service/apps/gone")
    assert "nothing to scale to zero" in clean_up.handler(rollout, context)["reason"]
