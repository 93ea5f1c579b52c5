import pytest

from domain.task_role import Statement, missing, needed_to_pull, question, role_checks
from tests.task_definitions import NODE, sidecar

REVISION = {
    "taskDefinitionArn": "arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/orders:1",
    "taskRoleArn": "arn:aws-cn:iam::111122223333:role/tasks/orders",
    "requiresCompatibilities": ["EC2"],
}
ECR = "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/mirror/envoy@sha256:00"
TWO = Statement(("a:Read", "a:Write"), "arn:1")


def test_one_question_asks_about_all_statements():
    condition = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    asked = question([TWO, Statement(("a:Read", "b:Call"), "arn:2", condition)])
    assert asked["ActionNames"] == ["a:Read", "a:Write", "b:Call"]
    assert asked["ResourceArns"] == ["arn:1", "arn:2"]
    assert asked["ContextEntries"] == [
        {
            "ContextKeyName": "lambda:InvokedViaFunctionUrl",
            "ContextKeyValues": ["true"],
            "ContextKeyType": "boolean",
        }
    ]


def test_an_action_that_is_allowed_on_another_resource_only_is_missing():
    results = [
        {
            "EvalActionName": "a:Read",
            "EvalDecision": "implicitDeny",
            "ResourceSpecificResults": [
                {"EvalResourceName": "arn:1", "EvalResourceDecision": "allowed"},
                {"EvalResourceName": "arn:2", "EvalResourceDecision": "explicitDeny"},
            ],
        },
        {"EvalActionName": "a:Write", "EvalDecision": "allowed", "EvalResourceName": "arn:2"},
    ]
    assert missing([TWO], results) == (Statement(("a:Write",), "arn:1"),)


def test_without_details_the_decision_is_about_the_one_resource():
    results = [{"EvalActionName": name, "EvalDecision": "allowed", "EvalResourceName": "arn:1"} for name in TWO.actions]
    assert missing([TWO], results) == ()


def test_an_instance_pulls_where_there_is_no_execution_role():
    assert [each.kind for each in role_checks(REVISION, sidecar(image=ECR), "")] == ["task role"]
    fargate = {**REVISION, "requiresCompatibilities": ["FARGATE"]}
    assert [each.kind for each in role_checks(fargate, sidecar(image=ECR), "")] == ["task role", "execution role"]


def test_a_discovery_of_somebody_elses_is_not_known():
    assert role_checks(REVISION, sidecar(bootstrap="{}"), "") == []


def test_logs_are_in_the_partition_and_account_of_the_task():
    (check,) = role_checks(REVISION, sidecar(metrics=True), "")
    assert check.needed[1].resource == "arn:aws-cn:logs:us-east-1:111122223333:log-group:/meshift/envoy:*"
    assert check.needed[0].resource == NODE


def test_china_has_a_partition_of_its_own():
    assert needed_to_pull(ECR)[1].resource == "arn:aws-cn:ecr:cn-north-1:111122223333:repository/mirror/envoy"


@pytest.mark.parametrize(
    ("arn", "path", "may"),
    [
        ("arn:aws:iam::111122223333:role/tasks/orders", "/tasks/", True),
        ("arn:aws:iam::111122223333:role/tasks/deep/orders", "/tasks/", True),
        ("arn:aws:iam::111122223333:role/orders", "/", True),
        ("arn:aws:iam::111122223333:role/orders", "", False),
        ("arn:aws:iam::111122223333:role/tasks", "/tasks/", False),
        ("orders", "/", False),
    ],
)
def test_a_policy_may_be_attached_under_the_operators_path_only(arn, path, may):
    task, execution = role_checks({**REVISION, "taskRoleArn": arn, "executionRoleArn": arn}, sidecar(image=ECR), "")
    assert task.may_attach(path) is may
    assert not execution.may_attach(path)


def test_a_role_that_is_only_named_is_one_of_the_account():
    (check,) = role_checks({**REVISION, "taskRoleArn": "orders"}, sidecar(), "")
    assert check.role.arn == "arn:aws-cn:iam::111122223333:role/orders"
