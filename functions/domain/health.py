"""Health of a candidate: what ECS and CloudWatch say, judged in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.deployment import primary
from domain.sidecar import ENVOY


@dataclass(frozen=True)
class Health:
    """The verdict of one check."""

    unhealthy: bool = False
    pending: bool = False
    """Tasks are on their way: scaling out, or one being replaced."""
    no_data: bool = False
    superseded: bool = False
    reason: str = ""
    healthy: int = 0
    """Tasks of the candidate that run with a healthy Envoy."""


def judge(
    service: Mapping[str, Any] | None,
    deployment: str,
    tasks: Sequence[Mapping[str, Any]],
    alarms: Sequence[str],
    states: Mapping[str, str],
) -> Health:
    """Judge the candidate.

    `service` as DescribeServices gives it (None when it is gone), `tasks` as DescribeTasks gives them, `alarms` the
    names that the policy asks for, `states` what CloudWatch says of those it knows.
    """
    current = primary(service) if service else None
    if service is None or current is None:
        return Health(unhealthy=True, reason="the service is gone")
    if current["id"] != deployment:
        return Health(superseded=True, reason=f"deployment {current['id']} took the place of {deployment}")
    if current.get("rolloutState") == "FAILED":
        return Health(unhealthy=True, reason=f"the deployment failed: {current.get('rolloutStateReason', '')}")
    envoys = envoy_health(tasks, current["taskDefinition"])
    healthy, desired = envoys.count("HEALTHY"), service["desiredCount"]
    count = f"{healthy} of {desired} tasks run with a healthy Envoy"
    if healthy == 0 or "UNHEALTHY" in envoys:
        return Health(unhealthy=True, reason=count, healthy=healthy)
    ringing = sorted(name for name in alarms if states.get(name) == "ALARM")
    if ringing:
        return Health(unhealthy=True, reason=f"in alarm: {', '.join(ringing)}", healthy=healthy)
    if healthy < desired:
        return Health(pending=True, reason=count, healthy=healthy)
    silent = sorted(name for name in alarms if states.get(name) != "OK")
    if silent:
        return Health(no_data=True, reason=f"no data for: {', '.join(silent)}", healthy=healthy)
    return Health(healthy=healthy)


def answering(tasks: Sequence[Mapping[str, Any]]) -> int:
    """Count the running tasks, of any revision, whose Envoy is not known to be unhealthy; one may have none at all.

    Less than what a candidate needs to get traffic: it is about taking traffic back to where it came from.
    """
    return sum(
        task["lastStatus"] == "RUNNING"
        and not any(
            each["name"] == ENVOY and each.get("healthStatus") == "UNHEALTHY" for each in task.get("containers", [])
        )
        for task in tasks
    )


def envoy_health(tasks: Sequence[Mapping[str, Any]], task_definition: str) -> list[str]:
    """List the health of Envoy in each running task of a revision: HEALTHY, UNHEALTHY or UNKNOWN."""
    return [
        container.get("healthStatus", "UNKNOWN")
        for task in tasks
        if task["lastStatus"] == "RUNNING" and task["taskDefinitionArn"] == task_definition
        for container in task.get("containers", [])
        if container["name"] == ENVOY
    ]
