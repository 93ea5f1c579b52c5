import json

import pytest
from botocore.exceptions import ClientError
from moto.ecs.models import ecs_backends

from domain.errors import Busy
from domain.operations import Signal
from domain.weights import read_weights, with_weights
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers import plan_rollout, shift_traffic
from handlers.inject_envoy import handler
from tests.integration.conftest import failing, make_service, recover
from tests.shapes import SUBJECT, route_spec, task_definition
from tests.template import state_machine


def current(aws, service):
    revision = aws("ecs").describe_services(cluster="apps", services=[service.arn])["services"][0]["taskDefinition"]
    answer = aws("ecs").describe_task_definition(taskDefinition=revision, include=["TAGS"])
    return answer["taskDefinition"], {tag["key"]: tag["value"] for tag in answer["tags"]}


def test_a_service_is_redeployed_with_envoy_and_its_tags_are_kept(aws, mesh, service, context):
    answer = handler(service.document(subject=SUBJECT), context)
    assert answer["outcome"] == "Redeployed"
    revision, tags = current(aws, service)
    assert [each["name"] for each in revision["containerDefinitions"]] == ["app", "envoy"]
    assert tags["team"] == "b"
    assert tags["meshift:injected-from"] == service.task_definition


def test_what_is_foreign_comes_back_equal(aws, mesh, service, context):
    before = aws("ecs").describe_task_definition(taskDefinition=service.task_definition)["taskDefinition"]
    handler(service.document(subject=SUBJECT), context)
    after, _ = current(aws, service)
    own = {
        "taskDefinitionArn",
        "revision",
        "proxyConfiguration",
        "registeredAt",
        "requiresAttributes",
        "containerDefinitions",
    }
    assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
    application = after["containerDefinitions"][0]
    application.pop("dependsOn")
    assert application == before["containerDefinitions"][0]


def test_a_revision_that_was_registered_as_it_would_be_again_is_left_alone(aws, mesh, service, context):
    """Whatever ECS makes of Meshift's own container, it is registered once: here it answers another time-out."""
    handler(service.document(subject=SUBJECT), context)
    revision = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"][-1]
    backend = ecs_backends["123456789012"]["us-east-1"]
    backend.task_definitions["serviceBv2"][2].container_definitions[-1]["startTimeout"] = 119
    (deployment,) = next(iter(backend.services.values())).deployments
    deployment["id"], deployment["taskDefinition"] = "ecs-svc/second", revision
    document = service.document(deployment="ecs-svc/second", execution="another", subject=SUBJECT)
    assert handler(document, context)["outcome"] == "Present"


def test_a_second_try_of_the_same_execution_registers_nothing_more(aws, mesh, service, context):
    """moto leaves deployments[] on the old revision; on ECS the update makes a deployment of the new one."""
    handler(service.document(subject=SUBJECT), context)
    revisions = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"]
    backend = ecs_backends["123456789012"]["us-east-1"]
    (deployment,) = next(iter(backend.services.values())).deployments
    deployment["id"], deployment["taskDefinition"] = "ecs-svc/second", revisions[-1]
    again = handler(service.document(subject=SUBJECT), context)
    assert (again["outcome"], again["reason"].split(" ", 1)[1]) == ("Redeployed", "was injected by an earlier try")
    assert aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"] == revisions


def test_a_deployment_that_is_not_primary_any_more_is_superseded(aws, mesh, service, context):
    answer = handler(service.document(subject=SUBJECT, deployment="ecs-svc/older"), context)
    assert answer["outcome"] == "Superseded"


def test_a_revision_that_ecs_rolled_back_to_is_left_alone_until_it_is_deployed_again(aws, mesh, service, context):
    table = Remembered("rollouts")
    table.remember_rolled_back(service.arn, service.deployment)
    answer = handler(service.document(subject=SUBJECT), context)
    assert answer["outcome"] == "Refused"
    assert "ECS rolled the service back" in answer["reason"]
    table.remember_rolled_back(service.arn, "ecs-svc/an-earlier-one")
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Redeployed"


def test_the_stacks_parameters_say_how_traffic_comes_to_envoy_and_who_measures(
    aws, mesh, service, context, monkeypatch
):
    monkeypatch.setenv("INTERCEPTION", "proxy")
    monkeypatch.setenv("METRICS_SIDECAR", "true")
    monkeypatch.setenv("TRACING_SIDECAR", "true")
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Redeployed"
    revision, _ = current(aws, service)
    assert [each["name"] for each in revision["containerDefinitions"]] == ["app", "envoy", "meshift-collector"]
    assert "proxyConfiguration" not in revision
    assert "awsxray" in revision["containerDefinitions"][-1]["environment"][0]["value"]


def test_a_raised_size_is_in_the_reason(aws, mesh, context):
    containers = [{**task_definition()["containerDefinitions"][0], "memory": 1024}]
    service = make_service(aws, containerDefinitions=containers)
    assert "raised from 512 CPU units and 1024 MiB" in handler(service.document(subject=SUBJECT), context)["reason"]


@pytest.mark.parametrize(
    ("operation", "code", "says"),
    [
        ("RegisterTaskDefinition", "AccessDeniedException", "ECS registers no new revision of serviceBv2"),
        ("RegisterTaskDefinition", "ClientException", "ECS registers no new revision of serviceBv2"),
        ("UpdateService", "AccessDeniedException", "ECS does not deploy arn:aws:ecs"),
        ("UpdateService", "PlatformTaskDefinitionIncompatibilityException", "ECS does not deploy arn:aws:ecs"),
    ],
)
def test_what_ecs_will_not_have_is_a_refusal_with_its_reason(aws, mesh, service, context, operation, code, says):
    message = "User is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/execution"
    with failing(aws, operation, code, message):
        refusal = handler(service.document(subject=SUBJECT), context)
    assert refusal["outcome"] == "Refused"
    assert says in refusal["reason"]
    assert message in refusal["reason"]


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("RegisterTaskDefinition", "ThrottlingException", "Rate exceeded"),
        ("RegisterTaskDefinition", "ClientException", "Too many concurrent attempts to create a new revision"),
        ("UpdateService", "ThrottlingException", "Rate exceeded"),
        ("UpdateService", "ServerException", "Service Unavailable"),
        ("DescribeServices", "ThrottlingException", "Rate exceeded"),
    ],
)
def test_what_is_throttled_waits_its_turn_and_is_no_refusal(aws, mesh, service, context, operation, code, message):
    """The state tries again, later and later, each at a moment of its own; then it is done as if nothing had been."""
    document = service.document(subject=SUBJECT)
    with failing(aws, operation, code, message), pytest.raises((ClientError, Busy), match=code) as raised:
        handler(document, context)
    patient, retry = state_machine()["States"]["Inject Envoy"]["Retry"]
    assert (patient["ErrorEquals"], retry["ErrorEquals"]) == (["Busy"], ["States.ALL"])
    assert (raised.type is Busy) == (code == "ThrottlingException")
    assert patient["MaxAttempts"] * patient["MaxDelaySeconds"] / 2 > 3600, "a thousand services wait their turn"
    assert (retry["JitterStrategy"], retry["BackoffRate"]) == ("FULL", 2)
    assert retry["MaxAttempts"] >= 7
    assert handler(document, context)["outcome"] == "Redeployed"


def test_a_deleted_service_is_refused(aws, mesh, service, context):
    aws("ecs").delete_service(cluster="apps", service=service.arn, force=True)
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Refused"


def test_a_hosted_mesh_gets_upstream_envoy_with_a_bootstrap(aws, mesh, service, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setenv("DISCOVERY_ENDPOINT", "https://discovery.example/")
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Redeployed"
    envoy = current(aws, service)[0]["containerDefinitions"][-1]
    assert envoy["image"] == "envoyproxy/envoy:v1.40.0"
    assert "discovery.example" in envoy["command"][3]


def test_a_hosted_mesh_without_discovery_gets_no_envoy_that_could_not_start(aws, mesh, service, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    answer = handler(service.document(subject=SUBJECT), context)
    assert answer["outcome"] == "Refused"
    assert "no discovery URL" in answer["reason"]
    assert len(aws("ecs").list_task_definitions()["taskDefinitionArns"]) == 1


@pytest.fixture
def carrying(aws, mesh, service, running_tasks):
    """serviceBv2 carries 40, and the service behind serviceB has two healthy tasks."""
    set_weights(mesh, 60, 40)
    stable = make_service(aws, {}, name="serviceB", family="serviceB")
    Remembered("rollouts").claim_virtual_node("apps", "serviceB", stable.arn)
    running_tasks({"stable": (2, stable.task_definition)})
    return service


def set_weights(mesh, stable, candidate):
    spec = with_weights(route_spec(), {"serviceB": stable, "serviceBv2": candidate})
    name = SUBJECT["virtualRouter"]
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=spec)


def weights(mesh):
    name = SUBJECT["virtualRouter"]
    return read_weights(mesh.describe_route(meshName="apps", virtualRouterName=name, routeName=name)["route"]["spec"])


def test_a_service_that_carries_traffic_gives_it_away_before_it_is_redeployed(aws, mesh, carrying, context):
    document = carrying.document(subject=SUBJECT)
    first = handler(document, context)
    assert (first["outcome"], first["waitSeconds"]) == ("Carries Traffic", 15)
    assert current(aws, carrying)[0]["taskDefinitionArn"] == carrying.task_definition
    document |= first
    assert shift_traffic.handler({**document, "to": "step"}, context)["shifted"]
    assert weights(mesh) == {"serviceB": 100, "serviceBv2": 0}
    assert handler(document, context)["outcome"] == "Redeployed"
    assert Remembered("rollouts").moved_away(carrying.arn) == {
        SUBJECT["virtualRouter"]: {"serviceB": 60, "serviceBv2": 40}
    }


def test_the_traffic_comes_back_when_the_redeployment_does_not_happen(aws, mesh, carrying, context):
    document = carrying.document(subject=SUBJECT)
    document |= handler(document, context)
    shift_traffic.handler({**document, "to": "step"}, context)
    overtaken = handler({**document, "deployment": "ecs-svc/older"}, context)
    assert overtaken["outcome"] == "Superseded"
    assert shift_traffic.handler({**document, **overtaken, "to": "before"}, context)["shifted"]
    assert weights(mesh) == {"serviceB": 60, "serviceBv2": 40}


def test_what_a_dead_execution_took_away_comes_back(aws, mesh, carrying, context):
    document = carrying.document(subject=SUBJECT)
    document |= handler(document, context)
    shift_traffic.handler({**document, "to": "step"}, context)
    Remembered("rollouts").remember_moved_away(carrying.arn, {})
    recover(context, {})
    assert weights(mesh) == {"serviceB": 60, "serviceBv2": 40}
    assert Remembered("rollouts").moved_away(carrying.arn) is None
    assert RolloutTable("rollouts").claims() == []


def test_the_share_that_was_taken_off_comes_back_by_a_rollout_of_the_same_application(
    aws, mesh, carrying, context, running_tasks
):
    set_weights(mesh, 100, 0)
    policy = {"steps": [{"weight": 25}]}
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(policy), Type="String")
    remembered = Remembered("rollouts")
    document = carrying.document(subject=SUBJECT, application="same")
    remembered.remember_finished(document, "Promoted")
    assert plan_rollout.handler(document, context)["outcome"] == "Nothing To Do"
    before = {SUBJECT["virtualRouter"]: {"serviceB": 60, "serviceBv2": 40}}
    # Whatever revision runs by now: another image of Envoy, or a pipeline, may have made one more.
    remembered.remember_moved_away(carrying.arn, before)
    plan = plan_rollout.handler(document, context)["plan"]
    assert [step["weights"][SUBJECT["virtualRouter"]]["serviceBv2"] for step in plan["steps"]] == [25, 40]


@pytest.mark.parametrize("stable", [0, 1])
def test_without_siblings_that_can_carry_it_a_service_is_redeployed_in_place(
    aws, mesh, carrying, running_tasks, context, stable
):
    """One healthy task has to carry what two had: 40 % of the traffic needs one, all of it needs two."""
    set_weights(mesh, 0, 100)
    stable_revision = aws("ecs").describe_services(cluster="apps", services=["serviceB"])["services"][0]
    running_tasks({"stable": (stable, stable_revision["taskDefinition"])})
    assert handler(carrying.document(subject=SUBJECT), context)["outcome"] == "Redeployed"
    assert weights(mesh) == {"serviceB": 0, "serviceBv2": 100}
    assert RolloutTable("rollouts").claims() == []


@pytest.mark.parametrize(
    ("outcome", "deployment", "expected"),
    [
        ("Promoted", "its own", "Carries Traffic"),
        ("Nothing To Do", "its own", "Carries Traffic"),
        ("Rolled Back", "its own", "Redeployed"),
        ("Promoted", "an earlier one", "Redeployed"),
        (None, "its own", "Redeployed"),
    ],
)
def test_an_idle_version_takes_over_only_if_it_has_carried_everything_before(
    aws, mesh, carrying, context, outcome, deployment, expected
):
    """A version that was rolled back runs with healthy Envoys too."""
    set_weights(mesh, 0, 100)
    stable = aws("ecs").describe_services(cluster="apps", services=["serviceB"])["services"][0]
    own = stable["deployments"][0]["id"] if deployment == "its own" else "ecs-svc/earlier"
    if outcome:
        finished = {"service": stable["serviceArn"], "deployment": own, "application": "x"}
        Remembered("rollouts").remember_finished(finished, outcome)
    assert handler(carrying.document(subject=SUBJECT), context)["outcome"] == expected


def test_traffic_comes_back_when_ecs_throws_the_redeployment_out(aws, mesh, carrying, context):
    """The earlier revision has its sidecar: the share that was taken off it is brought back by a rollout."""
    remembered = Remembered("rollouts")
    document = carrying.document(subject=SUBJECT)
    remembered.remember_rolled_back(carrying.arn, carrying.deployment)
    remembered.remember_moved_away(carrying.arn, {SUBJECT["virtualRouter"]: {"serviceBv2": 100}})
    bare = handler(document, context)
    assert (bare["outcome"], "stays where it is" in bare["reason"]) == ("Refused", True)
    set_weights(mesh, 100, 0)
    policy = {"steps": [{"weight": 25}]}
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(policy), Type="String")
    remembered.remember_finished({**document, "application": "same"}, "Promoted")
    planned = plan_rollout.handler({**document, "application": "same"}, context)
    assert planned["outcome"] == "Planned"


def test_while_another_rollout_moves_the_weights_it_waits_and_at_last_is_refused(aws, mesh, carrying, context):
    RolloutTable("rollouts").claim_virtual_router(
        "apps", SUBJECT["virtualRouter"], "another:execution", SUBJECT["virtualService"]
    )
    document = carrying.document(subject=SUBJECT)
    assert handler(document, context)["outcome"] == "Wait"
    assert "is in the hands of" in WaitingRollouts("rollouts").waiting()[0]["document"]["reason"]
    late = handler({**document, "turns": 1500}, context)
    assert late["outcome"] == "Refused"
    assert "is in the hands of execution execution" in late["reason"]


def test_an_injection_that_waits_can_be_aborted(aws, mesh, carrying, context):
    RolloutTable("rollouts").claim_virtual_router(
        "apps", SUBJECT["virtualRouter"], "another:execution", SUBJECT["virtualService"]
    )
    document = carrying.document(subject=SUBJECT)
    assert handler(document, context)["outcome"] == "Wait"
    WaitingRollouts("rollouts").give_signal(
        "apps", SUBJECT["virtualService"], document["execution"], Signal("1", "abort", "ann")
    )
    ended = handler({**document, "turns": 1}, context)
    assert (ended["outcome"], ended["reason"]) == ("Refused", "aborted by ann: the service is left as it is")
    assert WaitingRollouts("rollouts").waiting() == []


def test_an_operators_retry_injects_again_what_ecs_threw_out(aws, mesh, service, context):
    Remembered("rollouts").remember_rolled_back(service.arn, service.deployment)
    assert handler(service.document(subject=SUBJECT, forced=True), context)["outcome"] == "Redeployed"
