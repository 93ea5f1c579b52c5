"""A service and its revision as they are, or were a moment ago: what one task of an execution read serves the next.

Nothing is written to ECS on the strength of it alone: whoever does so reads the service again before.
"""

import time
from typing import Any

from domain.deployment import primary
from domain.errors import NotFound
from gateways import ecs
from gateways.sightings import Sighting, Sightings
from settings import Settings

_FRESH_SECONDS = 60


def look(event: dict[str, Any], settings: Settings) -> Sighting:
    """Return a service, its PRIMARY deployment's revision and that one's tags; after a wait they are read anew.

    Raises NotFound without a service or a deployment.
    """
    sightings, execution = Sightings(settings.rollout_table), _name(event)
    if not (event.get("plan") or event.get("turns")):
        seen = sightings.seen(event["service"], execution, not_before=time.time() - _FRESH_SECONDS)
        if seen:
            return seen
    service = ecs.describe_service(event["service"], event["cluster"])
    current = primary(service)
    if current is None:
        raise NotFound(f"service {service['serviceName']} has no primary deployment")
    revision, tags = ecs.describe_task_definition(current["taskDefinition"])
    sightings.keep(execution, service, revision, tags)
    return service, revision, tags


def look_away(event: dict[str, Any], settings: Settings) -> None:
    """Forget what was seen."""
    Sightings(settings.rollout_table).forget(event["service"], _name(event))


def _name(event: dict[str, Any]) -> str:
    return str(event["execution"].rpartition(":")[2])
