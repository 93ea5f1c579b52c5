"""What the roles of a task must be allowed for its Envoy to work, and what is missing.

Statements are asked about in one question (SimulatePrincipalPolicy) a role, and shown in IAM's own words, to be pasted.
Sources: App Mesh user guide, "Envoy Proxy authorization"; Lambda developer guide, "Function URL access"; ECR user
guide, "IAM permissions for pulling"; README of the collector's exporters.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.sidecar import Sidecar
from domain.sidecar.collector import LOG_GROUP

TASK_ROLE, EXECUTION_ROLE = "task role", "execution role"

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role(?P<path>/(?:.*/)?)(?P<name>[^/]+)")
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com[^/]*/(?P<path>[^:@]+)"
)


@dataclass(frozen=True)
class Statement:
    """Actions that a role must be allowed on one resource."""

    actions: tuple[str, ...]
    resource: str
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Write it as IAM does."""
        document = {"Effect": "Allow", "Action": list(self.actions), "Resource": self.resource}
        return {**document, "Condition": self.condition} if self.condition else document


@dataclass(frozen=True)
class Role:
    """An IAM role's ARN, taken apart."""

    arn: str
    path: str
    name: str


def _role(text: str, partition: str, account: str) -> Role | None:
    """Take a role's ARN apart; of a role that is only named, as ECS allows, the path is not known."""
    match = _ROLE.fullmatch(text)
    if match:
        return Role(text, **match.groupdict())
    return Role(f"arn:{partition}:iam::{account}:role/{text}", path="", name=text) if text else None


@dataclass(frozen=True)
class RoleCheck:
    """One role of a task, and what it must be allowed."""

    kind: str
    """`task role`, or `execution role`."""
    role: Role | None
    """None when the task definition names none."""
    needed: tuple[Statement, ...]

    def may_attach(self, path: str) -> bool:
        """Say whether the operator lets Meshift attach a policy to it: task roles under his path only."""
        return self.kind == TASK_ROLE and self.role is not None and bool(path) and self.role.path.startswith(path)

    def complaint(self, lacking: Iterable[Statement]) -> str:
        """Name the statements that are missing, to be pasted into a policy."""
        statements = ", ".join(json.dumps(each.document()) for each in lacking)
        if self.role is None:
            return f"the task definition has no {self.kind}, so its Envoy may not: {statements}"
        return f"{self.kind} {self.role.name} may not do what its Envoy needs; allow it: {statements}"


def role_checks(task_definition: Mapping[str, Any], sidecar: Sidecar, discover_arn: str) -> list[RoleCheck]:
    """List the roles of a described task definition that must be allowed something.

    `discover_arn` is empty where the stack does not serve discovery itself: then nothing is known of it. Without an
    execution role an image is pulled by the instance's, which is not looked at.
    """
    partition, account = task_definition["taskDefinitionArn"].split(":")[1:5:3]
    task_role, execution_role = (
        _role(task_definition.get(key) or "", partition, account) for key in ("taskRoleArn", "executionRoleArn")
    )
    checks = [
        RoleCheck(TASK_ROLE, task_role, _needed_to_run(sidecar, partition, account, discover_arn)),
        RoleCheck(EXECUTION_ROLE, execution_role, needed_to_pull(sidecar.image)),
    ]
    on_instance = "FARGATE" not in (task_definition.get("requiresCompatibilities") or [])
    return [
        each
        for each in checks
        if each.needed and not (each.kind == EXECUTION_ROLE and each.role is None and on_instance)
    ]


def _needed_to_run(sidecar: Sidecar, partition: str, account: str, discover_arn: str) -> tuple[Statement, ...]:
    """Who may invoke the function directly could claim to be anybody: the condition keeps it to its URL."""
    region, statements = sidecar.resource_arn.split(":")[3], list[Statement]()
    if sidecar.bootstrap is None:
        statements.append(Statement(("appmesh:StreamAggregatedResources",), sidecar.resource_arn))
    elif discover_arn:
        by_url = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
        via_url = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
        statements.append(Statement(("lambda:InvokeFunctionUrl",), discover_arn, by_url))
        statements.append(Statement(("lambda:InvokeFunction",), discover_arn, via_url))
    if sidecar.metrics:
        group = f"arn:{partition}:logs:{region}:{account}:log-group:{LOG_GROUP}:*"
        statements.append(Statement(("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"), group))
    if sidecar.tracing:
        statements.append(Statement(("xray:PutTraceSegments", "xray:PutTelemetryRecords"), "*"))
    return tuple(statements)


def needed_to_pull(image: str) -> tuple[Statement, ...]:
    """List what an execution role must be allowed to pull an image; nothing for one that is not in ECR.

    >>> [each.resource for each in needed_to_pull("111122223333.dkr.ecr.us-east-1.amazonaws.com/mirror/envoy:1")]
    ['*', 'arn:aws:ecr:us-east-1:111122223333:repository/mirror/envoy']
    """
    match = _ECR.match(image)
    if match is None:
        return ()
    partition = "aws-cn" if match["region"].startswith("cn-") else "aws"
    repository = f"arn:{partition}:ecr:{match['region']}:{match['account']}:repository/{match['path']}"
    pull = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
    return Statement(("ecr:GetAuthorizationToken",), "*"), Statement(pull, repository)


def question(statements: Iterable[Statement]) -> dict[str, Any]:
    """Ask about all statements at once, in the words of SimulatePrincipalPolicy."""
    known = list(statements)
    context = {
        key: (value, "boolean" if operator == "Bool" else "string")
        for each in known
        for operator, keys in each.condition.items()
        for key, value in keys.items()
    }
    return {
        "ActionNames": list(dict.fromkeys(action for each in known for action in each.actions)),
        "ResourceArns": list(dict.fromkeys(each.resource for each in known)),
        "ContextEntries": [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kind}
            for key, (value, kind) in context.items()
        ],
    }


def missing(statements: Iterable[Statement], results: Sequence[Mapping[str, Any]]) -> tuple[Statement, ...]:
    """Leave the actions that are not allowed; `results` are the EvaluationResults."""
    allowed: set[tuple[str, str]] = set()
    for result in results:
        action = result["EvalActionName"]
        for each in result.get("ResourceSpecificResults") or []:
            if each["EvalResourceDecision"] == "allowed":
                allowed.add((action, each["EvalResourceName"]))
        if not result.get("ResourceSpecificResults") and result["EvalDecision"] == "allowed":
            allowed.add((action, result.get("EvalResourceName", "*")))
    left = [
        Statement(tuple(action for action in each.actions if (action, each.resource) not in allowed), each.resource,
                  each.condition)
        for each in statements
    ]  # fmt: skip
    return tuple(each for each in left if each.actions)
