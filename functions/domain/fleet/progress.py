"""How far a service is on its way in, by the execution that works on it and by its deployment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.deployment import primary

WORKING = "Working"
BROUGHT_IN, LEFT_ALONE, SUPERSEDED, FAILED = "Brought In", "Left Alone", "Superseded", "Failed"
_MOST_SECONDS_BETWEEN = 15
_MOST_TURNS = 480
"""Two hours: longer than any deployment that will still complete, shorter than an execution's history."""


@dataclass(frozen=True)
class Progress:
    """Where a service is."""

    outcome: str
    reason: str

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self.outcome != WORKING


def wait_seconds(turns: int) -> int:
    """Say how long to wait before the next look: refusals are quick, deployments are not.

    >>> [wait_seconds(turns) for turns in (0, 1, 20)]
    [1, 2, 15]
    """
    return min(turns + 1, _MOST_SECONDS_BETWEEN)


def progress(
    ended: Mapping[str, Any],
    deployment: str,
    service: Mapping[str, Any],
    has_sidecar: bool,
    rolled_back: str | None,
    turns: int,
) -> Progress:
    """Say how far a service is.

    `ended` is its execution: `{"status", "outcome", "reason"}`, `deployment` the one that the execution began with,
    `service` as DescribeServices gives it, `has_sidecar` whether its revision now is an injected one, `rolled_back`
    the deployment by which ECS last took it back.
    """
    if ended["status"] != "RUNNING" and ended["outcome"] != "Redeployed":
        return _without_redeployment(ended)
    found = _deployment(ended, deployment, service, has_sidecar, rolled_back)
    if not found.settled and turns >= _MOST_TURNS:
        return Progress(FAILED, f"not completed within two hours: {found.reason}")
    return found


def _without_redeployment(ended: Mapping[str, Any]) -> Progress:
    outcome = ended["outcome"] or ended["status"]
    if outcome in ("Nothing To Do", "Promoted"):
        return Progress(LEFT_ALONE, ended["reason"])
    if outcome == SUPERSEDED:
        return Progress(SUPERSEDED, ended["reason"])
    return Progress(FAILED, f"{outcome}: {ended['reason']}")


def _deployment(
    ended: Mapping[str, Any],
    deployment: str,
    service: Mapping[str, Any],
    has_sidecar: bool,
    rolled_back: str | None,
) -> Progress:
    if ended["status"] == "RUNNING":
        return Progress(WORKING, "its execution is at work")
    current = primary(service)
    if current is None:
        return Progress(FAILED, "the service has no deployment any more")
    revision, state = current["taskDefinition"].rpartition("/")[2], current.get("rolloutState", "COMPLETED")
    if current["id"] in (deployment, rolled_back):
        return Progress(FAILED, f"ECS rolled the service back to {revision}")
    if state == "FAILED":
        return Progress(FAILED, f"deployment of {revision} failed: {current.get('rolloutStateReason', '')}")
    if state != "COMPLETED":
        return Progress(WORKING, f"deployment of {revision} is in progress")
    if has_sidecar:
        return Progress(BROUGHT_IN, ended["reason"])
    return Progress(SUPERSEDED, f"{revision} was deployed meanwhile, without a sidecar; it has an execution of its own")
