"""A task, and what runs for it on this machine."""

import contextvars
import json
import os
import subprocess
import zlib
from dataclasses import dataclass
from typing import Any

from domain.sidecar import ENVOY
from local.application import version_of
from local.placement import LOOPBACK, Place

Record = dict[str, Any]


@dataclass
class Running:
    """A task, and what runs for it on this machine."""

    id: str
    task: Record
    account: str
    service: str
    hostname: str | None
    node: str
    mesh: str
    image: str
    place: Place
    envoy: subprocess.Popen[bytes] | None
    """None for a task that has no Envoy (yet): its application is called directly."""
    check: list[str]
    health_check: Record
    scope: contextvars.Context
    """Account and Region, for the emulator."""
    began: float
    next_check: float = 0
    failures: int = 0
    serves: bool = False
    """Whether the application was started."""
    healthy: bool = False
    leaves: float | None = None
    """Since when it is not found any more."""

    def takes(self, port: int) -> int | None:
        """The port of this machine where a connection to a port of the task arrives."""
        return self.place.listeners.get(("ingress", port)) if self.envoy else self.place.application.get(port)

    def shown(self) -> Record:
        """What the control path `/_meshift/tasks` says."""
        return {
            "task": self.id,
            "account": self.account,
            "service": self.service,
            "mesh": self.mesh,
            "node": self.node,
            "version": version_of(self.image),
            "healthy": self.healthy,
            "leaves": self.leaves is not None,
            "pid": self.envoy and self.envoy.pid,
            "admin": self.place.admin,
            "ingress": {port: here for (name, port), here in self.place.listeners.items() if name == "ingress"},
            "egress": {port: here for (name, port), here in self.place.listeners.items() if name == "egress"},
            "application": self.place.application,
        }


def application_of(definition: Record) -> Record | None:
    """Find the container that Envoy serves: the one with a port, of those that wait for Envoy if any does."""
    containers = definition["containerDefinitions"]
    waiting = [
        each
        for each in containers
        if any(dependency["containerName"] == ENVOY for dependency in each.get("dependsOn") or ())
    ]
    return next((each for each in waiting or containers if each.get("portMappings")), None)


def node_of(bootstrap: str) -> tuple[str, str]:
    """Read mesh and virtual node out of a bootstrap."""
    metadata = json.loads(bootstrap)["node"]["metadata"]
    return metadata["mesh"], metadata["resource"].partition("/")[2]


def environment(identifier: str) -> dict[str, str]:
    """What ECS puts into the environment of a task's containers: the credentials of its role, and who it is."""
    port = os.environ["GATEWAY_PORT"]
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{LOOPBACK}:{port}/_meshift/credentials/{identifier}",
        "ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2/v4/{identifier}-1",
    }


def turn_of(running: Running) -> int:
    """Which of several addresses a caller takes; the same each time, another for other callers."""
    return zlib.crc32(running.id.encode())
