"""Which tasks stand behind the nodes of a route, as far as their services are known."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.deployment import primary
from domain.enrolment import mesh_id
from domain.errors import NobodyThere, NotFound
from domain.health import answering, envoy_health
from domain.planning import rising
from gateways import ecs
from gateways.remembered import Remembered
from settings import Settings

Weights = Mapping[str, Mapping[str, int]]


def answering_tasks(subject: Mapping[str, Any], weights: Weights, settings: Settings) -> dict[str, int]:
    """Count the tasks that can answer of each node beside the candidate, of any revision: its service may be deploying.

    Nodes that no service of ours brought are left out.
    """
    return {node: _answering(arn) for node, arn in _siblings(subject, weights, settings)}


def healthy_tasks(subject: Mapping[str, Any], weights: Weights, settings: Settings) -> dict[str, int]:
    """Count the tasks, of each node beside the candidate, that may take over its traffic.

    They are of the service's present revision, with a healthy Envoy; a node that carries nothing counts only if that
    revision has carried all the traffic before: a version that was rolled back is healthy too.
    """
    remembered, counts = Remembered(settings.rollout_table), {}
    for node, arn in _siblings(subject, weights, settings):
        idle = not any(each.get(node) for each in weights.values())
        counts[node] = _count(arn, remembered if idle else None)
    return counts


def _siblings(subject: Mapping[str, Any], weights: Weights, settings: Settings) -> Iterator[tuple[str, str]]:
    """List the nodes beside the candidate that a service of ours brought, and that service."""
    remembered = Remembered(settings.rollout_table)
    for node in sorted({name for each in weights.values() for name in each} - {subject["virtualNode"]}):
        arn = remembered.service_of(mesh_id(subject), node)
        if arn is not None:
            yield node, arn


def refuse_dead_ends(subject: Mapping[str, Any], present: Weights, target: Weights, settings: Settings) -> None:
    """Refuse to give traffic to a node none of whose tasks can answer.

    Raises NobodyThere, with what a person should do.
    """
    remembered = Remembered(settings.rollout_table)
    for node in rising(present, target):
        arn = remembered.service_of(mesh_id(subject), node)
        if arn is not None and not _answering(arn):
            raise NobodyThere(
                f"{node} has no task that could answer (service {arn}), so the traffic stays where it is and both "
                f"sides are kept: bring its tasks back and set the weights {_told(target)}, or deploy what is to be "
                f"rolled out instead"
            )


def _answering(service_arn: str) -> int:
    cluster = service_arn.split("/")[1]
    try:
        service = ecs.describe_service(service_arn, cluster)
    except NotFound:
        return 0
    return answering(ecs.list_running_tasks(service["serviceName"], cluster))


def _told(weights: Weights) -> str:
    return "; ".join(f"{route}: {dict(each)}" for route, each in weights.items())


def _count(service_arn: str, proven_by: Remembered | None) -> int:
    cluster = service_arn.split("/")[1]
    try:
        service = ecs.describe_service(service_arn, cluster)
    except NotFound:
        return 0
    current = primary(service)
    if current is None:
        return 0
    if proven_by:
        finished = proven_by.finished(service_arn)
        if finished is None or not finished.proven or finished.deployment != current["id"]:
            return 0
    tasks = ecs.list_running_tasks(service["serviceName"], cluster)
    return envoy_health(tasks, current["taskDefinition"]).count("HEALTHY")
