"""Each statement of the template's policies, held against the Service Authorization Reference (policy_sentry has it).

What AWS does not know is not refused when a stack is deployed: a statement with a wrong action, a resource of another
kind or a condition key that the action does not have just never applies.
"""

import re
from functools import cache
from itertools import product

import pytest
from policy_sentry.querying.actions import get_action_data

from tests.cloud.stack import stack_of

ALL = {
    "DiscoveryConcurrency": "1",
    "MeshApiEndpoint": "https://mesh.example/",
    "MetricsSidecar": "true",
    "ServiceNetworkVpcs": "vpc-1",
    "ShareMesh": "apps",
    "TaskRolePath": "/tasks/",
    "TracingSidecar": "true",
    "TrustedOrganization": "o-1234567890",
}
"""Every statement of the template is in the stack of one of these combinations."""
STACKS = [
    stack_of(**ALL, ControlPlane=plane, TaskRolePolicy=policy)
    for plane, policy in product(("hosted", "appmesh"), ("attach-scoped", "attach-managed"))
]
ANY = {
    "cloudwatch:DescribeAlarms": "composite alarms are shown only to those who may see all",
    "ecs:ListTasks": "the container instance is asked for only where a call names one",
    "servicediscovery:DiscoverInstances": "meshes name the namespaces, and other accounts share theirs",
}
"""Actions that are allowed on `*` though AWS knows resources for them, and why."""
NAMED_BY_AWS = {"states:SendTaskSuccess"}
"""The reference has no resource for these, and AWS names one all the same: docs/decisions/0018-permissions.md."""


def statements():
    """The statements of all policies of all combinations, each once, with where it is."""
    found = {}
    for stack in STACKS:
        for kind in ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for name, each in stack.of_type(kind).items():
                properties = stack.resolved(each["Properties"])
                documents = [one["PolicyDocument"] for one in properties.get("Policies", [properties])]
                for statement in (one for document in documents for one in document["Statement"]):
                    found[f"{name} {statement}"] = name, statement
    return list(found.values())


def listed(value):
    return value if isinstance(value, list) else [value]


@cache
def rows_of(action):
    """What the reference has of an action: a row for each kind of resource, and one for none."""
    service, name = action.split(":")
    return get_action_data(service, name)[service]


def fits(pattern, kind):
    """Whether an ARN of this kind can match the pattern."""
    if "*" in (pattern, kind):
        return pattern == kind
    *place, resource = re.sub(r"\$\{\w+\}", "*", kind).split(":", 5)
    *where, name = pattern.split(":", 5)
    return all("*" in pair or pair[0] == pair[1] for pair in zip(place, where, strict=True)) and meet(resource, name)


@cache
def meet(one, other):
    """Whether there is a text that matches two patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return meet(one[1:], other) or meet(one, other[1:])
    if other[0] == "*":
        return meet(other, one)
    return one[0] == other[0] and meet(one[1:], other[1:])


def objections(statement):
    """What AWS does not know of a statement, or knows better."""
    patterns, actions = listed(statement["Resource"]), listed(statement["Action"])
    kinds = {action: {row["resource_arn_format"] for row in rows_of(action)} for action in actions}
    for action in set(actions) - NAMED_BY_AWS:
        if kinds[action] == {"*"} and patterns != ["*"]:
            yield f"{action} knows no resources"
        elif kinds[action] != {"*"} and patterns == ["*"] and action not in ANY:
            yield f"{action} knows {kinds[action]}"
        elif patterns != ["*"] and not any(fits(pattern, kind) for pattern in patterns for kind in kinds[action]):
            yield f"{action} is about {kinds[action]}, not {patterns}"
    for pattern in set(patterns) - {"*"}:
        if not any(fits(pattern, kind) for each in kinds.values() for kind in each) and not NAMED_BY_AWS & set(actions):
            yield f"{pattern} is nothing that {actions} are about"
    keys = {key for block in statement.get("Condition", {}).values() for key in block if not key.startswith("aws:")}
    for action, key in product(actions, keys):
        if key.lower() not in {known.lower() for row in rows_of(action) for known in row["condition_keys"]}:
            yield f"{action} has no {key}"


def test_a_statement_says_what_aws_knows():
    assert [(name, each) for name, statement in statements() for each in objections(statement)] == []


def test_everything_is_allowed_only_where_it_is_told_why():
    broad = {
        each for _, statement in statements() if statement["Resource"] == "*" for each in listed(statement["Action"])
    }
    assert {action for action in broad if {row["resource_arn_format"] for row in rows_of(action)} != {"*"}} == set(ANY)


@pytest.mark.parametrize(
    ("action", "resource", "condition"),
    [
        ("ecs:DescribeServices", "*", None),
        ("ecs:DescribeServices", "arn:aws:ecs:us-east-1:111111111111:cluster/apps", None),
        ("ecs:DescribeTaskDefinition", "arn:aws:ecs:us-east-1:111111111111:task-definition/*", None),
        ("iam:PassRole", "arn:aws:iam::111111111111:role/*", "iam:PolicyARN"),
    ],
)
def test_what_aws_does_not_know_is_objected_to(action, resource, condition):
    block = {"Condition": {"StringEquals": {condition: "x"}}} if condition else {}
    assert len(list(objections({"Effect": "Allow", "Action": action, "Resource": resource, **block}))) > 0
