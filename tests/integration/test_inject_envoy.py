from types import SimpleNamespace

import pytest
from moto.ecs.models import ecs_backends

from gateways.rollout_table import RolloutTable
from handlers.inject_envoy import handler
from tests.integration.conftest import make_service
from tests.shapes import TAGS, task_definition


def current(aws, service):
    revision = aws("ecs").describe_services(cluster="apps", services=[service.arn])["services"][0]["taskDefinition"]
    answer = aws("ecs").describe_task_definition(taskDefinition=revision, include=["TAGS"])
    return answer["taskDefinition"], {tag["key"]: tag["value"] for tag in answer["tags"]}


def test_a_service_is_redeployed_with_envoy_and_its_tags_are_kept(aws, mesh, service, context):
    answer = handler(service.document(), context)
    assert answer["outcome"] == "Redeployed"
    revision, tags = current(aws, service)
    assert [each["name"] for each in revision["containerDefinitions"]] == ["app", "envoy"]
    assert tags["team"] == "b"
    assert tags["meshift:injected-from"] == service.task_definition


def test_what_is_foreign_comes_back_equal(aws, mesh, service, context):
    before = aws("ecs").describe_task_definition(taskDefinition=service.task_definition)["taskDefinition"]
    handler(service.document(), context)
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
    handler(service.document(), context)
    revision = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"][-1]
    backend = ecs_backends["123456789012"]["us-east-1"]
    backend.task_definitions["serviceBv2"][2].container_definitions[-1]["startTimeout"] = 119
    (deployment,) = next(iter(backend.services.values())).deployments
    deployment["id"], deployment["taskDefinition"] = "ecs-svc/second", revision
    document = service.document(deployment="ecs-svc/second", execution="another")
    assert handler(document, context)["outcome"] == "Present"


def test_a_second_try_of_the_same_execution_registers_nothing_more(aws, mesh, service, context):
    """moto leaves deployments[] on the old revision; on ECS the update makes a deployment of the new one."""
    handler(service.document(), context)
    revisions = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"]
    backend = ecs_backends["123456789012"]["us-east-1"]
    (deployment,) = next(iter(backend.services.values())).deployments
    deployment["id"], deployment["taskDefinition"] = "ecs-svc/second", revisions[-1]
    again = handler(service.document(), context)
    assert (again["outcome"], again["reason"].split(" ", 1)[1]) == ("Redeployed", "was injected by an earlier try")
    assert aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"] == revisions


@pytest.mark.parametrize(
    ("tags", "changes", "says"),
    [
        ({**TAGS, "meshift:protocol": "soap"}, {}, "tag meshift:protocol: 'soap'"),
        ({**TAGS, "meshift:mesh": "nowhere"}, {}, "mesh nowhere has no virtual node serviceBv2"),
        ({**TAGS, "meshift:virtual-node": "nobody"}, {}, "mesh apps has no virtual node nobody"),
        ({**TAGS, "meshift:container": "web"}, {}, "'web' is no container"),
        (TAGS, {"networkMode": "host", "requiresCompatibilities": ["EC2"]}, "networkMode host"),
        (TAGS, {"networkMode": "bridge", "requiresCompatibilities": ["EC2"]}, "networkMode bridge"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(aws, mesh, context, tags, changes, says):
    service = make_service(aws, tags, **changes)
    answer = handler(service.document(), context)
    assert answer["outcome"] == "Refused"
    assert says in answer["reason"]
    assert len(aws("ecs").list_task_definitions()["taskDefinitionArns"]) == 1
    present = aws("ecs").describe_services(cluster="apps", services=[service.arn])["services"][0]
    assert present["taskDefinition"] == service.task_definition


def test_a_deployment_that_is_not_primary_any_more_is_superseded(aws, mesh, service, context):
    answer = handler(service.document(deployment="ecs-svc/older"), context)
    assert answer["outcome"] == "Superseded"


def test_a_revision_that_ecs_rolled_back_to_is_left_alone_until_it_is_deployed_again(aws, mesh, service, context):
    table = RolloutTable("rollouts")
    table.remember_rolled_back(service.arn, service.deployment)
    answer = handler(service.document(), context)
    assert answer["outcome"] == "Refused"
    assert "ECS rolled the service back" in answer["reason"]
    table.remember_rolled_back(service.arn, "ecs-svc/an-earlier-one")
    assert handler(service.document(), context)["outcome"] == "Redeployed"


def test_the_stacks_parameters_say_how_traffic_comes_to_envoy_and_who_measures(
    aws, mesh, service, context, monkeypatch
):
    monkeypatch.setenv("INTERCEPTION", "proxy")
    monkeypatch.setenv("METRICS_SIDECAR", "true")
    monkeypatch.setenv("TRACING_SIDECAR", "true")
    assert handler(service.document(), context)["outcome"] == "Redeployed"
    revision, _ = current(aws, service)
    assert [each["name"] for each in revision["containerDefinitions"]] == ["app", "envoy", "meshift-collector"]
    assert "proxyConfiguration" not in revision
    assert "awsxray" in revision["containerDefinitions"][-1]["environment"][0]["value"]


def test_a_raised_size_is_in_the_reason(aws, mesh, context):
    containers = [{**task_definition()["containerDefinitions"][0], "memory": 1024}]
    service = make_service(aws, containerDefinitions=containers)
    assert "raised from 512 CPU units and 1024 MiB" in handler(service.document(), context)["reason"]


def test_a_role_that_meshift_may_not_pass_is_a_refusal(aws, mesh, service, context):
    message = "User is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/execution"
    denied = {"Error": {"Code": "AccessDeniedException", "Message": message}}
    answer = SimpleNamespace(status_code=400), denied
    events, event = aws("ecs").meta.events, "before-call.ecs.RegisterTaskDefinition"
    events.register_first(event, lambda **_: answer, unique_id="denied")
    try:
        refusal = handler(service.document(), context)
    finally:
        events.unregister(event, unique_id="denied")
    assert refusal["outcome"] == "Refused"
    assert "ECS registers no revision of serviceBv2 with Envoy" in refusal["reason"]
    assert message in refusal["reason"]


def test_a_deleted_service_is_refused(aws, mesh, service, context):
    aws("ecs").delete_service(cluster="apps", service=service.arn, force=True)
    assert handler(service.document(), context)["outcome"] == "Refused"


def test_a_hosted_mesh_gets_upstream_envoy_with_a_bootstrap(aws, mesh, service, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setenv("DISCOVERY_ENDPOINT", "https://discovery.example/")
    assert handler(service.document(), context)["outcome"] == "Redeployed"
    envoy = current(aws, service)[0]["containerDefinitions"][-1]
    assert envoy["image"] == "envoyproxy/envoy:v1.40.0"
    assert "discovery.example" in envoy["command"][1]


def test_a_hosted_mesh_without_discovery_gets_no_envoy_that_could_not_start(aws, mesh, service, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    answer = handler(service.document(), context)
    assert answer["outcome"] == "Refused"
    assert "no DiscoveryEndpoint" in answer["reason"]
    assert len(aws("ecs").list_task_definitions()["taskDefinitionArns"]) == 1


def test_another_accounts_hosted_mesh_is_refused_by_name(aws, mesh, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setenv("DISCOVERY_ENDPOINT", "https://discovery.example/")
    service = make_service(aws, {**TAGS, "meshift:mesh": "apps@999999999999"})
    answer = handler(service.document(), context)
    assert answer["outcome"] == "Refused"
    assert "mesh apps is of account 999999999999" in answer["reason"]
