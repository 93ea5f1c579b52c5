"""Tags that were taken away or changed: Envoy goes, or another attempt is made, once."""

import json
import os

import pytest
from moto.ecs.models import ecs_backends

from domain.leaving import acted_on
from domain.weights import read_weights, with_weights
from gateways.enrolled import Enrolled
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers import inject_envoy, join_mesh, receive_deployment, shift_traffic
from handlers.retagging import see_to_changed_tags
from settings import Settings
from tests.integration.conftest import batch, make_service
from tests.shapes import SUBJECT, TAGS, route_spec, task_definition

SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
GONE_BACK = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
ROUTER = SUBJECT["virtualRouter"]


def started(aws):
    """The inputs of all executions, oldest first."""
    states = aws("stepfunctions")
    found = states.list_executions(stateMachineArn=os.environ["STATE_MACHINE_ARN"])["executions"]
    return [json.loads(states.describe_execution(executionArn=each["executionArn"])["input"]) for each in found][::-1]


def deployment_of(aws, service, name, identity="second", reason=""):
    """Let the service's record be as ECS has it after UpdateService; moto keeps the first deployment. Its event."""
    record = next(
        each
        for each in ecs_backends["123456789012"]["us-east-1"].services.values()
        if each.physical_resource_id == service.arn
    )
    (deployment,) = record.deployments
    deployment["id"], deployment["taskDefinition"] = f"ecs-svc/{identity}", record.task_definition
    deployment["rolloutState"] = "COMPLETED" if name == "COMPLETED" else "IN_PROGRESS"
    return {
        "region": "us-east-1",
        "resources": [service.arn],
        "detail": {
            "eventName": f"SERVICE_DEPLOYMENT_{name}",
            "deploymentId": f"ecs-svc/{identity}",
            "reason": reason,
        },
    }


def receive(context, *events):
    assert receive_deployment.handler(batch(*events), context) == {"batchItemFailures": []}


def untag(aws, service, *keys):
    aws("ecs").untag_resource(resourceArn=service.arn, tagKeys=list(keys or ["meshift:mesh"]))


def revision_of(aws, service):
    arn = aws("ecs").describe_services(cluster="apps", services=[service.arn])["services"][0]["taskDefinition"]
    answer = aws("ecs").describe_task_definition(taskDefinition=arn, include=["TAGS"])
    return answer["taskDefinition"], {tag["key"]: tag["value"] for tag in answer["tags"]}


def weights(mesh):
    route = mesh.describe_route(meshName="apps", virtualRouterName=ROUTER, routeName=ROUTER)["route"]
    return read_weights(route["spec"])


def set_weights(mesh, **wanted):
    spec = with_weights(route_spec(), wanted)
    mesh.update_route(meshName="apps", virtualRouterName=ROUTER, routeName=ROUTER, spec=spec)


def make_sibling(aws, running_tasks):
    """Let serviceB have tasks that could take the traffic."""
    stable = make_service(aws, {}, name="serviceB", family="serviceB")
    Remembered("rollouts").claim_virtual_node("apps", "serviceB", stable.arn)
    running_tasks({"stable": (2, stable.task_definition)})


@pytest.fixture
def injected(aws, mesh, service, context):
    """serviceBv2, joined and injected, its deployment complete; moto knows no virtual services, so join is told."""
    assert inject_envoy.handler(service.document(subject=SUBJECT), context)["outcome"] == "Redeployed"
    Enrolled("rollouts").remember(service.arn, acted_on(TAGS), SUBJECT)
    Remembered("rollouts").claim_virtual_node("apps", "serviceBv2", service.arn)
    deployment_of(aws, service, "COMPLETED")
    return service


def leave(aws, service, context, **more):
    """The execution that the last attempt started, up to what Inject Envoy answers; its document then."""
    document = {**started(aws)[-1], "turns": 0, "execution": f"an:execution:{len(started(aws))}", **more}
    document |= join_mesh.handler(document, context)
    return document | inject_envoy.handler(document, context) if document["outcome"] == "Joined" else document


def test_a_service_whose_tag_is_taken_away_gets_the_revision_that_it_had_before(aws, mesh, injected, context):
    before = aws("ecs").describe_task_definition(taskDefinition=injected.task_definition)["taskDefinition"]
    untag(aws, injected)
    receive(context, SWEEP)
    (attempt,) = started(aws)
    assert (attempt["service"], attempt["retagged"]) == (injected.arn, True)
    assert leave(aws, injected, context)["outcome"] == "Redeployed"
    after, tags = revision_of(aws, injected)
    own = ("taskDefinitionArn", "revision", "registeredAt")
    assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
    assert tags == {"team": "b"}


def test_its_own_deployment_starts_nothing_and_its_nodes_name_is_given_back_when_that_is_complete(
    aws, mesh, injected, context
):
    untag(aws, injected)
    receive(context, SWEEP)
    leave(aws, injected, context)
    remembered = Remembered("rollouts")
    receive(context, deployment_of(aws, injected, "IN_PROGRESS", "third"))
    assert remembered.service_of("apps", "serviceBv2") == injected.arn
    receive(context, deployment_of(aws, injected, "COMPLETED", "third"), SWEEP)
    assert remembered.service_of("apps", "serviceBv2") is None
    assert len(started(aws)) == 1
    assert mesh.describe_virtual_node(meshName="apps", virtualNodeName="serviceBv2")["virtualNode"]


def test_the_nodes_weight_is_moved_off_first_and_stays_off(aws, mesh, injected, context, running_tasks):
    make_sibling(aws, running_tasks)
    set_weights(mesh, serviceB=60, serviceBv2=40)
    untag(aws, injected)
    receive(context, SWEEP)
    document = leave(aws, injected, context)
    assert document["outcome"] == "Carries Traffic"
    assert shift_traffic.handler({**document, "to": "step"}, context)["shifted"]
    assert weights(mesh) == {"serviceB": 100, "serviceBv2": 0}
    assert inject_envoy.handler(document, context)["outcome"] == "Redeployed"
    assert [each["name"] for each in revision_of(aws, injected)[0]["containerDefinitions"]] == ["app"]
    assert Remembered("rollouts").moved_away(injected.arn) is None


def test_traffic_that_went_off_for_the_removal_can_come_back_with_the_tags(aws, mesh, injected, context, running_tasks):
    """Else the application would be known as promoted, and nothing would roll it out again."""
    make_sibling(aws, running_tasks)
    set_weights(mesh, serviceB=60, serviceBv2=40)
    about = {"service": injected.arn, "deployment": "ecs-svc/second", "application": "a"}
    Remembered("rollouts").remember_finished(about, "Promoted")
    untag(aws, injected)
    receive(context, SWEEP)
    document = leave(aws, injected, context)
    assert Remembered("rollouts").finished(injected.arn)
    shift_traffic.handler({**document, "to": "step"}, context)
    assert inject_envoy.handler(document, context)["outcome"] == "Redeployed"
    assert Remembered("rollouts").finished(injected.arn) is None


def test_who_would_get_the_traffic_back_leaves_when_the_rollout_is_over(aws, mesh, injected, context):
    set_weights(mesh, serviceB=100, serviceBv2=0)
    table, claim = RolloutTable("rollouts"), ("apps", ROUTER, "another:execution")
    table.claim_virtual_router(*claim, SUBJECT["virtualService"])
    table.keep_plan(*claim, {"service": "another", "plan": {"before": {ROUTER: {"serviceB": 0, "serviceBv2": 100}}}})
    untag(aws, injected)
    receive(context, SWEEP)
    assert leave(aws, injected, context)["outcome"] == "Wait"
    table.release_virtual_router(*claim)
    assert leave(aws, injected, context, turns=1)["outcome"] == "Redeployed"


def test_while_another_rollout_moves_the_weights_the_removal_waits(aws, mesh, injected, context):
    set_weights(mesh, serviceB=60, serviceBv2=40)
    RolloutTable("rollouts").claim_virtual_router(
        "apps", SUBJECT["virtualRouter"], "another:execution", SUBJECT["virtualService"]
    )
    untag(aws, injected)
    receive(context, SWEEP)
    assert leave(aws, injected, context)["outcome"] == "Wait"


def test_a_node_that_was_handed_over_keeps_its_weight(aws, mesh, injected, context):
    set_weights(mesh, serviceB=60, serviceBv2=40)
    Remembered("rollouts").hand_over("apps", "virtualNode", "serviceBv2", "arn:another")
    untag(aws, injected)
    receive(context, SWEEP)
    assert leave(aws, injected, context)["outcome"] == "Redeployed"
    receive(context, deployment_of(aws, injected, "COMPLETED", "third"))
    assert Remembered("rollouts").service_of("apps", "serviceBv2") == "arn:another"
    assert weights(mesh) == {"serviceB": 60, "serviceBv2": 40}


@pytest.mark.parametrize(("tls", "outcome"), [({"mode": "STRICT"}, "Refused"), (None, "Redeployed")])
def test_traffic_that_nobody_else_can_take_stays_where_it_is_unless_only_envoy_can_take_it(
    aws, mesh, injected, context, tls, outcome
):
    set_weights(mesh, serviceB=0, serviceBv2=100)
    listener = {"portMapping": {"port": 80, "protocol": "http2"}}
    if tls:
        file = {"certificateChain": "/chain.pem", "privateKey": "/key.pem"}
        listener["tls"] = {**tls, "certificate": {"file": file}}
    spec = {"listeners": [listener], "serviceDiscovery": {"dns": {"hostname": "b.apps.local"}}}
    mesh.update_virtual_node(meshName="apps", virtualNodeName="serviceBv2", spec=spec)
    untag(aws, injected)
    receive(context, SWEEP)
    assert leave(aws, injected, context)["outcome"] == outcome
    assert weights(mesh) == {"serviceB": 0, "serviceBv2": 100}
    assert RolloutTable("rollouts").claims() == []


def test_a_node_that_is_no_target_any_more_is_no_obstacle(aws, mesh, injected, context):
    mesh.delete_route(meshName="apps", virtualRouterName=ROUTER, routeName=ROUTER)
    untag(aws, injected)
    receive(context, SWEEP)
    assert leave(aws, injected, context)["outcome"] == "Redeployed"


def test_a_second_try_of_the_same_removal_registers_nothing_more(aws, mesh, injected, context):
    untag(aws, injected)
    receive(context, SWEEP)
    leave(aws, injected, context)
    revisions = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"]
    deployment_of(aws, injected, "IN_PROGRESS", "third")
    again = leave(aws, injected, context)
    assert (again["outcome"], again["reason"].split(" ", 1)[1]) == ("Redeployed", "was made by an earlier try")
    assert aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"] == revisions


def test_a_removal_that_ecs_throws_out_is_not_tried_again_until_something_changes(aws, mesh, injected, context):
    untag(aws, injected)
    receive(context, SWEEP)
    leave(aws, injected, context)
    with_envoy = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"][1]
    aws("ecs").update_service(cluster="apps", service=injected.arn, taskDefinition=with_envoy)
    receive(context, deployment_of(aws, injected, "IN_PROGRESS", reason=GONE_BACK))
    receive(context, deployment_of(aws, injected, "COMPLETED"), SWEEP)
    assert len(started(aws)) == 1
    assert leave(aws, injected, context, retagged=False)["outcome"] == "Refused"
    receive(context, deployment_of(aws, injected, "IN_PROGRESS", "another"))
    assert [each["deployment"] for each in started(aws)] == ["ecs-svc/second", "ecs-svc/another"]


def test_a_rollout_is_aborted_at_once_also_when_the_tag_is_gone_by_then(aws, mesh, injected, context):
    table, claim = RolloutTable("rollouts"), ("apps", SUBJECT["virtualService"], "an:execution")
    table.claim_virtual_router(*claim, SUBJECT["virtualService"])
    rollout = {"service": injected.arn, "deployment": "ecs-svc/second", "application": "x", "plan": {}}
    table.keep_plan(*claim, rollout)
    untag(aws, injected)
    receive(context, deployment_of(aws, injected, "FAILED", reason="tasks failed"))
    assert table.claim(*claim[:2])["signal"].by == "Amazon ECS: tasks failed"


def test_a_deployment_with_envoy_of_a_service_that_is_not_enrolled_any_more_is_seen_to(aws, mesh, injected, context):
    untag(aws, injected)
    receive(context, deployment_of(aws, injected, "IN_PROGRESS", "third"))
    assert leave(aws, injected, context)["outcome"] == "Redeployed"
    receive(context, SWEEP)
    assert len(started(aws)) == 1


def test_a_service_that_was_deployed_without_envoy_by_its_owner_has_left(aws, mesh, injected, context):
    aws("ecs").update_service(cluster="apps", service=injected.arn, taskDefinition=injected.task_definition)
    untag(aws, injected)
    receive(context, deployment_of(aws, injected, "COMPLETED", "third"))
    assert leave(aws, injected, context)["outcome"] == "Nothing To Do"
    assert Remembered("rollouts").service_of("apps", "serviceBv2") is None


def test_the_traffic_of_a_service_that_its_owner_deployed_without_envoy_goes_to_its_siblings(
    aws, mesh, injected, context, running_tasks
):
    set_weights(mesh, serviceB=60, serviceBv2=40)
    make_sibling(aws, running_tasks)
    aws("ecs").update_service(cluster="apps", service=injected.arn, taskDefinition=injected.task_definition)
    untag(aws, injected)
    receive(context, deployment_of(aws, injected, "COMPLETED", "third"))
    document = leave(aws, injected, context)
    assert document["outcome"] == "Carries Traffic"
    assert Remembered("rollouts").service_of("apps", "serviceBv2") == injected.arn
    assert shift_traffic.handler({**document, "to": "step"}, context)["shifted"]
    assert inject_envoy.handler(document, context)["outcome"] == "Redeployed"
    assert weights(mesh) == {"serviceB": 100, "serviceBv2": 0}
    assert Remembered("rollouts").service_of("apps", "serviceBv2") is None


def test_a_missed_event_of_completion_is_made_up_for_by_the_sweep(aws, mesh, injected, context):
    aws("ecs").update_service(cluster="apps", service=injected.arn, taskDefinition=injected.task_definition)
    deployment_of(aws, injected, "COMPLETED", "third")
    untag(aws, injected)
    receive(context, SWEEP)
    assert leave(aws, injected, context)["outcome"] == "Nothing To Do"
    assert Remembered("rollouts").service_of("apps", "serviceBv2") is None


def test_tags_that_come_back_in_time_keep_envoy(aws, mesh, injected, context):
    untag(aws, injected)
    receive(context, SWEEP)
    document = {**started(aws)[-1], "turns": 0, "execution": injected.document()["execution"]}
    document |= join_mesh.handler(document, context)
    aws("ecs").tag_resource(resourceArn=injected.arn, tags=[{"key": "meshift:mesh", "value": "apps"}])
    answer = inject_envoy.handler(document, context)
    assert (answer["outcome"], answer["reason"]) == ("Superseded", "the service is enrolled again")
    receive(context, SWEEP)
    assert len(started(aws)) == 2


def test_a_tag_that_goes_between_joining_and_injecting_leaves_the_service_as_it_is(aws, mesh, service, context):
    untag(aws, service)
    answer = inject_envoy.handler(service.document(subject=SUBJECT), context)
    assert (answer["outcome"], answer["reason"]) == ("Superseded", "the service is not enrolled any more")


def test_tags_that_were_refused_are_tried_again_when_they_change_and_only_then(aws, mesh, service, context):
    aws("ecs").tag_resource(resourceArn=service.arn, tags=[{"key": "meshift:protocol", "value": "soap"}])
    assert join_mesh.handler(service.document(), context)["outcome"] == "Refused"
    receive(context, SWEEP)
    assert started(aws) == []
    aws("ecs").tag_resource(resourceArn=service.arn, tags=[{"key": "team", "value": "c"}])
    receive(context, SWEEP)
    assert started(aws) == [], "a tag of somebody else"
    aws("ecs").tag_resource(resourceArn=service.arn, tags=[{"key": "meshift:protocol", "value": "http"}])
    receive(context, SWEEP)
    receive(context, SWEEP)
    assert len(started(aws)) == 1


def test_changed_tags_are_reason_enough_to_try_what_ecs_threw_out(aws, mesh, service, context):
    Remembered("rollouts").remember_rolled_back(service.arn, service.deployment)
    assert inject_envoy.handler(service.document(subject=SUBJECT), context)["outcome"] == "Refused"
    retagged = service.document(subject=SUBJECT, retagged=True)
    assert inject_envoy.handler(retagged, context)["outcome"] == "Redeployed"


def test_a_sweep_describes_ten_services_at_a_time_and_forgets_those_that_are_gone(aws, mesh, context):
    services = [make_service(aws, name=f"orders-{number}") for number in range(12)]
    for service in services:
        Enrolled("rollouts").remember(service.arn, acted_on(TAGS), SUBJECT)
    Enrolled("rollouts").remember("arn:aws:ecs:us-east-1:123456789012:service/gone/x", "{}")
    aws("ecs").delete_service(cluster="apps", service=services[0].arn, force=True)
    untag(aws, services[1])
    asked = []
    events = aws("ecs").meta.events
    events.register("before-call.ecs.DescribeServices", lambda params, **_: asked.append(params["body"]), "asked")
    receive(context, SWEEP)
    events.unregister("before-call.ecs.DescribeServices", unique_id="asked")
    assert sorted(len(json.loads(body)["services"]) for body in asked) == [1, 2, 10]
    assert [each["service"] for each in started(aws)] == [services[1].arn]
    assert {each.service for each in Enrolled("rollouts").all()} == {each.arn for each in services[1:]}


def test_a_service_that_cannot_be_started_holds_up_no_other_and_the_sweep_comes_again(aws, mesh, context, monkeypatch):
    service = make_service(aws)
    Enrolled("rollouts").remember(service.arn, acted_on(TAGS), SUBJECT)
    untag(aws, service)
    right = os.environ["STATE_MACHINE_ARN"]
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:gone")
    assert receive_deployment.handler(batch(SWEEP), context)["batchItemFailures"]
    monkeypatch.setenv("STATE_MACHINE_ARN", right)
    receive(context, SWEEP)
    assert [each["service"] for each in started(aws)] == [service.arn]


def test_a_look_that_has_no_time_left_leaves_the_rest_to_the_next_one(aws, mesh, context):
    services = [make_service(aws, name=f"service{number}") for number in range(3)]
    for service in services:
        Enrolled("rollouts").remember(service.arn, acted_on(TAGS), SUBJECT)
        untag(aws, service)
    see_to_changed_tags(Settings.from_env(os.environ), seconds=0)
    assert started(aws) == []
    receive(context, SWEEP)
    assert sorted(each["service"] for each in started(aws)) == sorted(service.arn for service in services)


def test_a_service_that_never_joined_is_left_alone_when_its_tags_go(aws, mesh, context):
    service = make_service(aws, {**TAGS, "meshift:protocol": "soap"})
    join_mesh.handler(service.document(), context)
    untag(aws, service)
    receive(context, SWEEP)
    assert leave(aws, service, context)["outcome"] == "Nothing To Do"
    assert task_definition()["family"] == revision_of(aws, service)[0]["family"]


def test_a_controller_that_owns_the_task_definition_is_refused_by_name(aws, mesh, injected, context):
    untag(aws, injected)
    receive(context, SWEEP)
    for record in ecs_backends["123456789012"]["us-east-1"].services.values():
        record.deployment_controller = {"type": "CODE_DEPLOY"}
    document = leave(aws, injected, context)
    assert document["outcome"] == "Refused"
    assert "is deployed by CODE_DEPLOY" in document["reason"]
