from moto.ecs.models import ecs_backends

from gateways.remembered import Remembered
from handlers.inject_envoy import handler
from tests.shapes import SUBJECT


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


def test_a_deleted_service_is_refused(aws, mesh, service, context):
    aws("ecs").delete_service(cluster="apps", service=service.arn, force=True)
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Refused"


def test_a_hosted_mesh_gets_upstream_envoy_with_a_bootstrap(aws, mesh, service, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setenv("DISCOVERY_ENDPOINT", "https://discovery.example/")
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Redeployed"
    envoy = current(aws, service)[0]["containerDefinitions"][-1]
    assert envoy["image"] == "envoyproxy/envoy:v1.40.0"
    assert "discovery.example" in envoy["command"][1]


def test_a_hosted_mesh_without_discovery_gets_no_envoy_that_could_not_start(aws, mesh, service, context, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    answer = handler(service.document(subject=SUBJECT), context)
    assert answer["outcome"] == "Refused"
    assert "no DiscoveryEndpoint" in answer["reason"]
    assert len(aws("ecs").list_task_definitions()["taskDefinitionArns"]) == 1
