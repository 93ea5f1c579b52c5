"""What somebody asks of the fleet: the input of an execution."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest

MOST_IN_A_WAVE = 100
"""What a wave's plan and results hold with room to spare in a state's 256 KiB."""
_FIELDS = ("cluster", "dryRun", "wave", "tolerate")
_CLUSTER = re.compile(r"(arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:cluster/)?([A-Za-z0-9_-]{1,255})")


@dataclass(frozen=True)
class FleetRequest:
    """The input, understood."""

    cluster: str | None = None
    """Name of a cluster; None for all of them."""
    dry_run: bool = True
    wave: int = 5
    """How many services are brought in at a time."""
    tolerate: int = 20
    """How many percent of a wave may fail before no other is begun."""


def parse_fleet_request(document: Any) -> FleetRequest:
    """Understand the input of an execution; an empty one is a dry run over all clusters.

    >>> parse_fleet_request({"cluster": "apps", "dryRun": False})
    FleetRequest(cluster='apps', dry_run=False, wave=5, tolerate=20)

    Raises InvalidRequest, naming the field.
    """
    if not isinstance(document, Mapping):
        raise InvalidRequest(f"the input is {document!r}, not an object")
    for field in document:
        if field not in _FIELDS:
            raise InvalidRequest(f"{field}: not known here; known are {', '.join(_FIELDS)}")
    dry_run = document.get("dryRun", True)
    if not isinstance(dry_run, bool):
        raise InvalidRequest(f"dryRun: {dry_run!r} is not true or false")
    return FleetRequest(
        cluster=_cluster(document.get("cluster")),
        dry_run=dry_run,
        wave=_number(document, "wave", FleetRequest.wave, 1, MOST_IN_A_WAVE),
        tolerate=_number(document, "tolerate", FleetRequest.tolerate, 0, 100),
    )


def _cluster(value: Any) -> str | None:
    if value is None:
        return None
    match = _CLUSTER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidRequest(f"cluster: {value!r} is not the name or the ARN of an ECS cluster")
    return match[2]


def _number(document: Mapping[str, Any], field: str, default: int, least: int, most: int) -> int:
    value = document.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidRequest(f"{field}: {value!r} is not a whole number from {least} to {most}")
    return value
