"""What a deployment costs in calls of AWS's own APIs, counted by botocore's event of every call.

ECS, IAM, SSM, CloudWatch and Step Functions are throttled for a whole account; the table and the mesh are Meshift's.
"""

import json
import os
import re
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from gateways.clients import client
from gateways.enrolled import Enrolled
from gateways.mesh import _client
from handlers import inject_envoy, join_mesh, receive_deployment
from tests.hosted_mesh import URL
from tests.iam_simulator import EVENT
from tests.integration.conftest import batch, make_by_hand, make_service
from tests.integration.test_removal import deployment_of
from tests.template import template

THROTTLED = "ecs", "iam", "ssm", "cloudwatch", "stepfunctions"
READ = re.compile("Describe|Get|List|Simulate")
MACHINE = "arn:aws:states:us-east-1:123456789012:execution:rollout"


@contextmanager
def counted():
    """Note the calls of what is throttled, in turn."""
    calls = []

    def note(model, **_):
        calls.append(model.name)

    for name in THROTTLED:
        client(name).meta.events.register("provide-client-params", note, unique_id=f"count-{name}")
    try:
        yield calls
    finally:
        for name in THROTTLED:
            client(name).meta.events.unregister("provide-client-params", unique_id=f"count-{name}")


@pytest.fixture
def apps(aws, hosted, monkeypatch):
    """The tutorial's mesh, hosted, and the stack's default settings."""
    for name, value in {
        "MESH_ENDPOINT": URL,
        "MESH_SIGNING_NAME": "lambda",
        "CONTROL_PLANE": "hosted",
        "DISCOVERY_ENDPOINT": "https://discovery.example/",
        "DISCOVER_FUNCTION_ARN": "arn:aws:lambda:us-east-1:123456789012:function:discover",
        "TASK_ROLE_POLICY": "verify",
    }.items():
        monkeypatch.setenv(name, value)
    policy = template()["Resources"]["DefaultPolicy"]["Properties"]
    aws("ssm").put_parameter(**{key: policy[key] for key in ("Name", "Type", "Value")})
    hosted.account = "123456789012"
    api = hosted.answer_for(_client(URL, "lambda"), hosted.account)
    api.create_mesh(meshName="apps")
    make_by_hand(api)
    provider = {"virtualRouter": {"virtualRouterName": "serviceb.apps.local"}}
    api.create_virtual_service(meshName="apps", virtualServiceName="serviceb.apps.local", spec={"provider": provider})
    answer = SimpleNamespace(status_code=200), {"EvaluationResults": [], "IsTruncated": False}
    events = aws("iam").meta.events
    events.register_first(EVENT, lambda **_: answer, unique_id="simulated")
    yield api
    events.unregister(EVENT, unique_id="simulated")


def event_of(service, name):
    detail = {"eventName": f"SERVICE_DEPLOYMENT_{name}", "deploymentId": service.deployment}
    return {"region": "us-east-1", "resources": [service.arn], "detail": detail}


def execution_of(service):
    """The document of the execution that receive_deployment started."""
    return service.document(execution=f"{MACHINE}:{service.deployment.replace('/', '-')}-1")


def run(service, context):
    """All that the functions do about a deployment that begins, up to its redeployment; what they answer."""
    receive_deployment.handler(batch(event_of(service, "IN_PROGRESS")), context)
    document = execution_of(service)
    document |= join_mesh.handler(document, context)
    return document | inject_envoy.handler(document, context)


def test_an_injected_deployment_costs_five_reads_and_two_writes_and_the_execution_itself(aws, apps, context):
    service = make_service(aws)
    with counted() as calls:
        assert run(service, context)["outcome"] == "Redeployed"
    reads = [name for name in calls if READ.match(name)]
    assert reads == [
        "DescribeServices",
        "DescribeTaskDefinition",
        "GetParameter",
        "SimulatePrincipalPolicy",
        "DescribeServices",
    ]
    writes = [name for name in calls if name not in reads]
    assert writes == ["StartExecution", "RegisterTaskDefinition", "UpdateService"]


def test_an_image_in_ecr_costs_one_more_read_for_the_role_that_pulls_it(aws, apps, context, monkeypatch):
    monkeypatch.setenv("ENVOY_IMAGE", "123456789012.dkr.ecr.us-east-1.amazonaws.com/envoy:1")
    service = make_service(aws)
    with counted() as calls:
        assert run(service, context)["outcome"] == "Redeployed"
    assert calls.count("SimulatePrincipalPolicy") == 2
    assert len([name for name in calls if READ.match(name)]) == 6


@pytest.mark.parametrize("name", ["IN_PROGRESS", "COMPLETED"])
def test_an_event_of_a_service_that_is_not_enrolled_costs_one_call(aws, apps, context, name):
    service = make_service(aws, tags={"team": "b"})
    with counted() as calls:
        receive_deployment.handler(batch(event_of(service, name)), context)
    assert calls == ["DescribeServices"]


def test_meshifts_own_deployment_costs_two_calls_when_it_begins(aws, apps, context):
    service = make_service(aws)
    run(service, context)
    event = deployment_of(aws, service, "IN_PROGRESS")
    with counted() as calls:
        receive_deployment.handler(batch(event), context)
    assert calls == ["DescribeServices", "DescribeTaskDefinition"]


def test_the_deployment_of_a_removal_costs_one_call_an_event(aws, apps, context):
    service = make_service(aws)
    run(service, context)
    deployment_of(aws, service, "COMPLETED")
    aws("ecs").untag_resource(resourceArn=service.arn, tagKeys=["meshift:mesh"])
    document = service.document(deployment="ecs-svc/second", execution=f"{MACHINE}:second-1")
    document |= join_mesh.handler(document, context)
    assert inject_envoy.handler(document, context)["outcome"] == "Redeployed"
    for name in ("IN_PROGRESS", "COMPLETED"):
        event = deployment_of(aws, service, name, "third")
        with counted() as calls:
            receive_deployment.handler(batch(event), context)
        assert calls == ["DescribeServices"]
    assert Enrolled("rollouts").known(service.arn).left


def test_a_late_event_costs_one_call(aws, apps, context):
    service = make_service(aws)
    late = event_of(service, "IN_PROGRESS")
    late["detail"]["deploymentId"] = "ecs-svc/older"
    with counted() as calls:
        receive_deployment.handler(batch(late), context)
    assert calls == ["DescribeServices"]


def test_what_was_seen_before_a_wait_is_read_anew(aws, apps, context):
    service = make_service(aws)
    receive_deployment.handler(batch(event_of(service, "IN_PROGRESS")), context)
    document = execution_of(service)
    document |= {**join_mesh.handler(document, context), "turns": 1}
    with counted() as calls:
        assert inject_envoy.handler(document, context)["outcome"] == "Redeployed"
    assert calls[:2] == ["DescribeServices", "DescribeTaskDefinition"]


def test_what_was_seen_long_ago_is_read_anew(aws, apps, context):
    service = make_service(aws)
    receive_deployment.handler(batch(event_of(service, "IN_PROGRESS")), context)
    found = aws("dynamodb").scan(TableName="rollouts")["Items"]
    (seen,) = [item for item in found if item["sk"]["S"].startswith("seen#")]
    aws("dynamodb").put_item(TableName="rollouts", Item={**seen, "at": {"N": str(int(seen["at"]["N"]) - 61)}})
    with counted() as calls:
        document = execution_of(service)
        assert join_mesh.handler(document, context)["outcome"] == "Joined"
    assert calls[:2] == ["DescribeServices", "DescribeTaskDefinition"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": "meshift:protocol", "value": "tcp"}, "the service's tags were changed meanwhile"),
        ({"key": "team", "value": "c"}, "has Envoy beside app"),
    ],
)
def test_tags_that_change_after_they_were_seen_are_not_acted_on(aws, apps, context, change, says):
    service = make_service(aws)
    receive_deployment.handler(batch(event_of(service, "IN_PROGRESS")), context)
    aws("ecs").tag_resource(resourceArn=service.arn, tags=[change])
    document = execution_of(service)
    document |= join_mesh.handler(document, context)
    assert says in inject_envoy.handler(document, context)["reason"]


def test_nothing_that_was_seen_is_left_behind_or_in_a_document(aws, apps, context):
    service = make_service(aws)
    document = run(service, context)
    assert "COLOUR" not in json.dumps(document)
    for item in aws("dynamodb").scan(TableName="rollouts")["Items"]:
        assert not item["sk"]["S"].startswith("seen#")
    machine = os.environ["STATE_MACHINE_ARN"]
    (execution,) = aws("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    read = aws("stepfunctions").describe_execution(executionArn=execution["executionArn"])
    assert set(json.loads(read["input"])) == {"service", "cluster", "deployment"}
    assert execution["name"] == document["execution"].rpartition(":")[2]
