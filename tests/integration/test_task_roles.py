"""Task roles: what is missing is named, what may be attached is attached, and nothing of it blocks."""

import json

import pytest

from handlers.inject_envoy import handler
from tests.iam_simulator import Simulator
from tests.integration.conftest import make_service
from tests.shapes import SUBJECT, TAGS

ACCOUNT = "123456789012"
NODE = f"arn:aws:appmesh:us-east-1:{ACCOUNT}:mesh/apps/virtualNode/serviceBv2"
DISCOVER = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:meshift-DiscoverFunction-1"
STREAM = {"Effect": "Allow", "Action": "appmesh:StreamAggregatedResources", "Resource": NODE}
PULL = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
ASSUME = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def simulator(aws, monkeypatch):
    monkeypatch.setenv("TASK_ROLE_POLICY", "verify")
    with Simulator(aws("iam")) as simulator:
        yield simulator


@pytest.fixture
def envoy_policy(aws):
    """The policy that the stack made: the tutorial's, for any node."""
    document = {"Version": "2012-10-17", "Statement": [{**STREAM, "Resource": "*"}]}
    return aws("iam").create_policy(PolicyName="envoy", PolicyDocument=json.dumps(document))["Policy"]["Arn"]


def make_role(aws, name, *statements, path="/"):
    role = aws("iam").create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=ASSUME)["Role"]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        aws("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return role["Arn"]


def redeployed(aws, context, task_role, execution_role=None, **changes):
    """Deploy a service with these roles, and give back the reason that its execution ends with."""
    execution_role = execution_role or make_role(aws, "execution", PULL)
    service = make_service(aws, TAGS, taskRoleArn=task_role, executionRoleArn=execution_role, **changes)
    answer = handler(service.document(subject=SUBJECT), context)
    assert answer["outcome"] == "Redeployed"
    return answer["reason"].partition("has Envoy beside app")[2]


def test_a_role_that_may_do_it_all_is_not_spoken_of(aws, mesh, context, simulator):
    assert redeployed(aws, context, make_role(aws, "orders", STREAM)) == ""
    assert simulator.asked == ["orders", "execution"]


def test_the_missing_statement_is_named_in_iams_own_words(aws, mesh, context, simulator):
    reason = redeployed(aws, context, make_role(aws, "orders"))
    assert reason.startswith("; task role orders may not do what its Envoy needs; allow it: ")
    assert json.loads(reason.partition("allow it: ")[2]) == {**STREAM, "Action": [STREAM["Action"]]}


def test_a_denial_counts_as_missing(aws, mesh, context, simulator):
    role = make_role(aws, "orders", STREAM, {**STREAM, "Effect": "Deny"})
    assert "may not do what its Envoy needs" in redeployed(aws, context, role)


def test_the_execution_role_must_be_able_to_pull_the_image(aws, mesh, context, simulator):
    execution = make_role(aws, "poor", {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"})
    reason = redeployed(aws, context, make_role(aws, "orders", STREAM), execution)
    assert "execution role poor may not do what its Envoy needs" in reason
    assert "arn:aws:ecr:us-east-1:840364872350:repository/aws-appmesh-envoy" in reason
    assert "GetAuthorizationToken" not in reason


def test_a_task_without_a_role_is_told_which_rights_it_lacks(aws, mesh, context, simulator):
    reason = redeployed(aws, context, "")
    assert "the task definition has no task role, so its Envoy may not" in reason
    assert NODE in reason


def test_a_role_that_does_not_exist_does_not_block(aws, mesh, context, simulator):
    reason = redeployed(aws, context, f"arn:aws:iam::{ACCOUNT}:role/nobody")
    assert "the task role could not be verified" in reason
    assert "nobody" in reason


def test_iam_that_does_not_answer_does_not_block(aws, mesh, context, monkeypatch):
    """Without the simulator moto has no answer, as IAM has none for a role that Meshift may not ask about."""
    monkeypatch.setenv("TASK_ROLE_POLICY", "verify")

    def refuse(**_):
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="https://iam.amazonaws.com")

    aws("iam").meta.events.register_first("before-call.iam.SimulatePrincipalPolicy", refuse)
    try:
        assert "could not be verified" in redeployed(aws, context, make_role(aws, "orders", STREAM))
    finally:
        aws("iam").meta.events.unregister("before-call.iam.SimulatePrincipalPolicy", refuse)


def test_nothing_is_asked_when_it_is_off(aws, mesh, context, simulator, monkeypatch):
    monkeypatch.setenv("TASK_ROLE_POLICY", "off")
    assert redeployed(aws, context, make_role(aws, "orders")) == ""
    assert simulator.asked == []


def test_metrics_and_segments_need_rights_too(aws, mesh, context, simulator, monkeypatch):
    monkeypatch.setenv("METRICS_SIDECAR", "true")
    monkeypatch.setenv("TRACING_SIDECAR", "true")
    reason = redeployed(aws, context, make_role(aws, "orders", STREAM))
    assert f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/meshift/envoy:*" in reason
    assert "xray:PutTraceSegments" in reason
    assert "appmesh" not in reason


def test_the_hosted_discovery_needs_both_actions_and_only_by_its_url(aws, mesh, context, simulator, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setenv("DISCOVERY_ENDPOINT", "https://discovery.example/")
    monkeypatch.setenv("DISCOVER_FUNCTION_ARN", DISCOVER)
    url = {"Effect": "Allow", "Action": "lambda:InvokeFunctionUrl", "Resource": DISCOVER}
    reason = redeployed(aws, context, make_role(aws, "orders", url))
    missing = json.loads(reason.partition("allow it: ")[2])
    assert missing["Action"] == ["lambda:InvokeFunction"]
    assert missing["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    assert simulator.asked == ["orders"], "upstream's image is not in ECR"


def test_what_is_pasted_is_enough(aws, mesh, context, simulator, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setenv("DISCOVERY_ENDPOINT", "https://discovery.example/")
    monkeypatch.setenv("DISCOVER_FUNCTION_ARN", DISCOVER)
    monkeypatch.setenv("METRICS_SIDECAR", "true")
    role = make_role(aws, "orders")
    reason = redeployed(aws, context, role)
    statements = json.loads(f"[{reason.partition('allow it: ')[2]}]")
    aws("ecs").delete_service(cluster="apps", service="serviceBv2", force=True)
    assert redeployed(aws, context, make_role(aws, "other", *statements), role) == ""


def test_a_policy_of_the_stack_is_attached_under_the_path_and_others_of_the_role_stay(
    aws, mesh, context, simulator, envoy_policy, monkeypatch
):
    monkeypatch.setenv("TASK_ROLE_POLICY", "attach-scoped")
    monkeypatch.setenv("TASK_ROLE_PATH", "/tasks/")
    monkeypatch.setenv("ENVOY_POLICY_ARN", envoy_policy)
    role = make_role(aws, "orders", {**STREAM, "Resource": NODE + "-of-another-service"}, path="/tasks/")
    assert redeployed(aws, context, role) == f"; attached {envoy_policy} to task role orders"
    attached = aws("iam").list_attached_role_policies(RoleName="orders")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [envoy_policy]
    assert aws("iam").list_role_policies(RoleName="orders")["PolicyNames"] == ["own"]
    aws("ecs").delete_service(cluster="apps", service="serviceBv2", force=True)
    assert redeployed(aws, context, role, role).startswith("; execution role"), "the task role is as it should be"


@pytest.mark.parametrize(
    ("role_path", "allowed_path", "statements"),
    [
        ("/", "/tasks/", ()),
        ("/tasks-of-others/", "/tasks/", ()),
        ("/tasks/", "", ()),
        ("/tasks/", "/tasks/", (STREAM,)),
    ],
)
def test_nothing_is_attached_outside_the_path_or_where_nothing_is_missing(
    aws, mesh, context, simulator, envoy_policy, monkeypatch, role_path, allowed_path, statements
):
    monkeypatch.setenv("TASK_ROLE_POLICY", "attach-managed")
    monkeypatch.setenv("TASK_ROLE_PATH", allowed_path)
    monkeypatch.setenv("ENVOY_POLICY_ARN", envoy_policy)
    reason = redeployed(aws, context, make_role(aws, "orders", *statements, path=role_path))
    assert aws("iam").list_attached_role_policies(RoleName="orders")["AttachedPolicies"] == []
    assert ("may not do what its Envoy needs" in reason) is not bool(statements)
