"""Amazon ECS: services, task definitions and tasks as they are now."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from domain.errors import NotFound, Refused
from gateways.clients import client, error_code, or_busy

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

_FINAL = {
    "AccessDeniedException", "ClientException", "InvalidParameterException", "PlatformUnknownException",
    "PlatformTaskDefinitionIncompatibilityException", "ServiceNotActiveException", "ServiceNotFoundException",
    "UnsupportedFeatureException",
}  # fmt: skip
"""Source: ECS's API model, errors of RegisterTaskDefinition and UpdateService."""
_CONCURRENT = "Too many concurrent attempts"
"""Of a ClientException of RegisterTaskDefinition that is no fault of the request."""


def _ecs() -> "ECSClient":
    ecs: ECSClient = client("ecs")
    return ecs


@or_busy
def describe_service(service_arn: str, cluster: str) -> dict[str, Any]:
    """Return one service with its tags, in the shape of DescribeServices.

    Raises NotFound when it, or its cluster, is gone.
    """
    services = describe_services([service_arn], cluster)
    if not services:
        raise NotFound(f"service {service_arn} does not exist or is being deleted")
    return services[0]


@or_busy
def describe_services(service_arns: Sequence[str], cluster: str) -> list[dict[str, Any]]:
    """Return those of up to ten services that exist, with their tags. Raises NotFound when their cluster is gone."""
    try:
        answer = _ecs().describe_services(cluster=cluster, services=list(service_arns), include=["TAGS"])
    except ClientError as error:
        if error_code(error) == "ClusterNotFoundException":
            raise NotFound(f"cluster {cluster} does not exist") from error
        raise
    return [dict(service) for service in answer["services"] if service["status"] == "ACTIVE"]


def list_clusters() -> list[str]:
    """Return the names of all clusters."""
    pages = _ecs().get_paginator("list_clusters").paginate()
    return [arn.rpartition("/")[2] for page in pages for arn in page["clusterArns"]]


def list_services(cluster: str) -> list[str]:
    """Return the ARNs of all services of a cluster. Raises NotFound when it is gone."""
    try:
        pages = _ecs().get_paginator("list_services").paginate(cluster=cluster, PaginationConfig={"PageSize": 100})
        return [arn for page in pages for arn in page["serviceArns"]]
    except ClientError as error:
        if error_code(error) == "ClusterNotFoundException":
            raise NotFound(f"cluster {cluster} does not exist") from error
        raise


def describe_cluster(name: str) -> dict[str, Any]:
    """Return one cluster in the shape of DescribeClusters. Raises NotFound."""
    clusters = _ecs().describe_clusters(clusters=[name])["clusters"]
    if not clusters:
        raise NotFound(f"cluster {name} does not exist")
    return dict(clusters[0])


@or_busy
def describe_task_definition(arn: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a task definition in the shape of DescribeTaskDefinition, and its tags."""
    answer = _ecs().describe_task_definition(taskDefinition=arn, include=["TAGS"])
    return dict(answer["taskDefinition"]), {tag["key"]: tag["value"] for tag in answer.get("tags", [])}


@or_busy
def register_task_definition(task_definition: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Register a described task definition anew and return the revision's ARN.

    What DescribeTaskDefinition adds and RegisterTaskDefinition refuses is left out, by botocore's own model. Raises
    Refused when ECS will not have it, or Meshift may not pass its roles: a retry would not help. Where it helps, ECS's
    own error is raised: throttling, and another registration of the family at the same time.
    """
    model = _ecs().meta.service_model.operation_model("RegisterTaskDefinition")
    known = model.input_shape.members if model.input_shape else {}
    request: dict[str, Any] = {key: value for key, value in task_definition.items() if key in known}
    if tags:
        request["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    try:
        return str(_ecs().register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"])
    except ClientError as error:
        if error_code(error) in _FINAL and _CONCURRENT not in str(error):
            raise Refused(f"ECS registers no new revision of {task_definition['family']}: {error}") from error
        raise


@or_busy
def update_service(service_arn: str, cluster: str, task_definition_arn: str) -> None:
    """Make a service deploy another revision. Raises Refused when ECS will not, and a retry would not help."""
    try:
        _ecs().update_service(cluster=cluster, service=service_arn, taskDefinition=task_definition_arn)
    except ClientError as error:
        if error_code(error) in _FINAL:
            raise Refused(f"ECS does not deploy {task_definition_arn}: {error}") from error
        raise


@or_busy
def list_running_tasks(service_name: str, cluster: str) -> list[dict[str, Any]]:
    """Return all tasks of a service that ECS wants running, in the shape of DescribeTasks."""
    tasks: list[dict[str, Any]] = []
    for page in (
        _ecs().get_paginator("list_tasks").paginate(cluster=cluster, serviceName=service_name, desiredStatus="RUNNING")
    ):
        if page["taskArns"]:
            tasks += [dict(task) for task in _ecs().describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]]
    return tasks
