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
    no_data: bool = False
    superseded: bool = False
    reason: str = ""


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
    healthy = healthy_tasks(tasks, current["taskDefinition"])
    if healthy < max(1, service["desiredCount"]):
        return Health(unhealthy=True, reason=f"{healthy} of {service['desiredCount']} tasks run with a healthy Envoy")
    ringing = sorted(name for name in alarms if states.get(name) == "ALARM")
    if ringing:
        return Health(unhealthy=True, reason=f"in alarm: {', '.join(ringing)}")
    silent = sorted(name for name in alarms if states.get(name) != "OK")
    if silent:
        return Health(no_data=True, reason=f"no data for: {', '.join(silent)}")
    return Health()


def healthy_tasks(tasks: Sequence[Mapping[str, Any]], task_definition: str) -> int:
    """Count the running tasks of a revision whose Envoy is HEALTHY."""
    return sum(
        task["lastStatus"] == "RUNNING"
        and task["taskDefinitionArn"] == task_definition
        and any(each["name"] == ENVOY and each.get("healthStatus") == "HEALTHY" for each in task.get("containers", []))
        for task in tasks
    )
