"""How many healthy tasks stand behind the nodes of a route, as far as their services are known."""

from collections.abc import Mapping
from typing import Any

from domain.deployment import primary
from domain.enrolment import mesh_id
from domain.errors import NotFound
from domain.health import envoy_health
from gateways import ecs
from gateways.remembered import Remembered
from settings import Settings


def healthy_tasks(
    subject: Mapping[str, Any], weights: Mapping[str, Mapping[str, int]], settings: Settings
) -> dict[str, int]:
    """Count the running tasks with a healthy Envoy of each node beside the candidate that a service of ours brought."""
    remembered, counts = Remembered(settings.rollout_table), {}
    for node in sorted({name for each in weights.values() for name in each} - {subject["virtualNode"]}):
        arn = remembered.service_of(mesh_id(subject), node)
        if arn is not None:
            counts[node] = _count(arn)
    return counts


def _count(service_arn: str) -> int:
    cluster = service_arn.split("/")[1]
    try:
        service = ecs.describe_service(service_arn, cluster)
    except NotFound:
        return 0
    current = primary(service)
    tasks = ecs.list_running_tasks(service["serviceName"], cluster)
    return envoy_health(tasks, current["taskDefinition"]).count("HEALTHY") if current else 0
