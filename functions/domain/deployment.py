"""ECS deployments: what an event says, and what is to be done about it.

An event is a hint: what counts is the service as it is now.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.arns import ServiceArn, parse_service_arn
from domain.errors import InvalidEvent

IN_PROGRESS = "SERVICE_DEPLOYMENT_IN_PROGRESS"
COMPLETED = "SERVICE_DEPLOYMENT_COMPLETED"
FAILED = "SERVICE_DEPLOYMENT_FAILED"

_NAME_LENGTH = 80


@dataclass(frozen=True)
class DeploymentEvent:
    """An ECS Deployment State Change, taken apart."""

    service: ServiceArn
    cluster: str | None
    deployment: str
    name: str
    reason: str

    @property
    def rolls_back(self) -> bool:
        """Whether ECS itself gave up on a deployment and went back to an earlier revision."""
        return "rolling back" in self.reason


def parse_event(event: Mapping[str, Any]) -> DeploymentEvent:
    """Take an ECS Deployment State Change event apart.

    Raises InvalidEvent, naming the field. Source: ECS developer guide, "service deployment state change events".
    """
    resources = event.get("resources")
    if not isinstance(resources, list) or not resources or not isinstance(resources[0], str):
        raise InvalidEvent("resources[0] is missing; ECS puts the service's ARN there")
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        raise InvalidEvent("detail is missing; ECS puts eventName and deploymentId there")
    for field in ("eventName", "deploymentId"):
        if not isinstance(detail.get(field), str) or not detail[field]:
            raise InvalidEvent(f"detail.{field} is missing")
    service = parse_service_arn(resources[0])
    cluster = service.cluster or str(detail.get("clusterArn") or "").rpartition("/")[2] or None
    return DeploymentEvent(service, cluster, detail["deploymentId"], detail["eventName"], str(detail.get("reason", "")))


def primary(service: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the PRIMARY deployment of a service as DescribeServices gives it."""
    return next((each for each in service.get("deployments", []) if each["status"] == "PRIMARY"), None)


def reason_to_ignore(event: DeploymentEvent, service: Mapping[str, Any], has_sidecar: bool) -> str | None:
    """Say why nothing is to be done about an event of an enrolled service, or None when something is.

    `service` is the service as it is now, `has_sidecar` whether the PRIMARY deployment's revision is as
    injection would make it.
    """
    current = primary(service)
    if current is None or current["id"] != event.deployment:
        return "the deployment is not the service's primary one any more"
    if event.name == IN_PROGRESS and event.rolls_back:
        return "ECS is rolling the service back by itself"
    if event.name == IN_PROGRESS and has_sidecar:
        return "the revision has its sidecar; the rollout waits for the deployment to complete"
    if event.name not in (IN_PROGRESS, COMPLETED):
        return f"{event.name} starts nothing"
    return None


def execution_name(deployment: str, attempt: int) -> str:
    """Make a legal execution name of a deployment's id and an attempt number.

    >>> execution_name("ecs-svc/1234567890", 1)
    'ecs-svc-1234567890-1'

    Source: StartExecution, at most 80 characters of A-Z a-z 0-9 - _.
    """
    suffix = f"-{attempt}"
    return re.sub(r"[^A-Za-z0-9_-]", "-", deployment)[: _NAME_LENGTH - len(suffix)] + suffix
