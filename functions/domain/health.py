"""Health of a candidate: what ECS says and what the checks found, judged in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.checks import FAIL, INCONCLUSIVE, NO_DATA, Result
from domain.deployment import primary
from domain.sidecar import ENVOY


@dataclass(frozen=True)
class Health:
    """The verdict of one check."""

    unhealthy: bool = False
    pending: bool = False
    """Not yet to be said: tasks are on their way, or a check is inconclusive."""
    no_data: bool = False
    unknown: bool = False
    """AWS did not say: nothing is known but that time has passed."""
    superseded: bool = False
    reason: str = ""
    healthy: int = 0
    """Tasks of the candidate that run with a healthy Envoy."""


def judge(
    service: Mapping[str, Any] | None,
    deployment: str,
    tasks: Sequence[Mapping[str, Any]],
    results: Sequence[Result],
) -> Health:
    """Judge the candidate.

    `service` as DescribeServices gives it (None when it is gone), `tasks` as DescribeTasks gives them, `results` what
    the policy's checks found. What a check says of no data goes before what the policy says.
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
    counting = [result for result in results if not result.dry_run]
    bad = [each for each in counting if each.verdict == FAIL or _silent(each, "fail")]
    if bad:
        return Health(unhealthy=True, reason=_reasons(bad), healthy=healthy)
    if healthy < desired:
        return Health(pending=True, reason=count, healthy=healthy)
    unsure = [each for each in counting if each.verdict == INCONCLUSIVE or _silent(each, "hold")]
    if unsure:
        return Health(pending=True, reason=_reasons(unsure), healthy=healthy)
    silent = [each for each in counting if each.verdict == NO_DATA and each.on_no_data is None]
    if silent:
        return Health(no_data=True, reason=_reasons(silent), healthy=healthy)
    return Health(healthy=healthy)


def _silent(result: Result, on_no_data: str) -> bool:
    return result.verdict == NO_DATA and result.on_no_data == on_no_data


def _reasons(results: Sequence[Result]) -> str:
    return "; ".join(result.reason for result in results)


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
