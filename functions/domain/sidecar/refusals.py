"""What cannot have a sidecar, by name: every refusal says what was found, where, and what would be right.

Sources: ECS developer guide, "Service quotas", "Task definition parameters"; amazon-vpc-cni-plugins (aws-appmesh).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.bootstrap import ADMIN_PORT
from domain.enrolment import PREFIX, Enrolment
from domain.errors import Refused
from domain.sidecar.application import Container, runs_as_envoy, tcp_ports, waiting
from domain.sidecar.containers import ignored_ports, proxy_environment
from domain.sidecar.wanted import COLLECTOR, EGRESS_PORT, ENVOY, INGRESS_PORT, PROXY, USER, Sidecar, is_ours

_ON_WINDOWS = re.compile(r"os-(type|family)\s*==\s*windows", re.IGNORECASE)
_RESERVED = {INGRESS_PORT: "inbound traffic", EGRESS_PORT: "outbound traffic", ADMIN_PORT: "administration"}
_MOST_CONTAINERS = 10
_MOST_BYTES = 64 * 1024
_MOST_IGNORED_PORTS = 15


def refuse_shapeless(task_definition: Any) -> None:
    """Refuse what is no task definition at all."""
    if not isinstance(task_definition, Mapping):
        raise Refused("this is no task definition: a JSON object with family and containerDefinitions is needed")
    if not isinstance(task_definition.get("family"), str):
        raise Refused("this is no task definition: it has no family")
    containers = task_definition.get("containerDefinitions")
    if not isinstance(containers, list) or not containers:
        raise Refused(f"task definition {task_definition['family']} has no containerDefinitions")
    names = [each.get("name") if isinstance(each, Mapping) else None for each in containers]
    if not all(isinstance(name, str) for name in names):
        raise Refused(f"task definition {task_definition['family']} has a container without a name")


def refuse_platform(task_definition: Mapping[str, Any]) -> None:
    """Refuse where no Envoy can run, or nothing can be redirected to it."""
    family = task_definition["family"]
    if "EXTERNAL" in (task_definition.get("requiresCompatibilities") or []):
        raise Refused(f"task definition {family} is for ECS Anywhere (EXTERNAL), which has no proxy configuration")
    system = (task_definition.get("runtimePlatform") or {}).get("operatingSystemFamily") or "LINUX"
    if system.startswith("WINDOWS"):
        raise Refused(f"task definition {family} runs on {system}; Envoy's redirection needs LINUX")
    for constraint in task_definition.get("placementConstraints") or []:
        if _ON_WINDOWS.search(str(constraint.get("expression", ""))):
            raise Refused(
                f"task definition {family} is placed by {constraint['expression']!r}; Envoy's redirection needs LINUX"
            )
    mode = task_definition.get("networkMode") or "bridge"
    if mode != "awsvpc":
        raise Refused(
            f"task definition {family} has networkMode {mode}; Envoy's redirection needs awsvpc, where a task has a "
            "network of its own"
        )


def refuse_foreign_proxy(bare: Mapping[str, Any], adopt: bool) -> None:
    """Refuse a second Envoy."""
    family, proxy = bare["family"], bare.get("proxyConfiguration") or {}
    if proxy and proxy.get("containerName") != ENVOY:
        raise Refused(
            f"task definition {family} has a proxyConfiguration that Meshift did not put there, for the container "
            f"{proxy.get('containerName')}; remove it"
        )
    for container in bare["containerDefinitions"]:
        repository = str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
        if container["name"] != ENVOY and repository == "aws-appmesh-envoy":
            raise Refused(
                f"task definition {family} has an Envoy already, in the container {container['name']}; remove it"
            )
    if adopt:
        return
    if any(container["name"] == ENVOY for container in bare["containerDefinitions"]):
        raise Refused(
            f"task definition {family} has a container {ENVOY} that Meshift did not put there; remove or rename it, "
            f"or have it replaced with the tag {PREFIX}adopt: true"
        )
    if proxy:
        raise Refused(f"task definition {family} has a proxyConfiguration that Meshift did not put there; remove it")


def refuse_taken(family: str, others: Sequence[Container]) -> None:
    """Refuse who has Meshift's names or ports, or ports that awsvpc does not know."""
    for container in others:
        name = container["name"]
        if name == COLLECTOR:
            raise Refused(f"task definition {family} has a container {COLLECTOR}; that name is Meshift's, rename it")
        for port, purpose in _RESERVED.items():
            if any(port in mapped for mapped in tcp_ports(container)):
                raise Refused(
                    f"task definition {family} has {name} on port {port}, which Envoy needs for {purpose}; use another"
                )
        for mapping in container.get("portMappings") or []:
            if mapping.get("hostPort") == 0:
                raise Refused(
                    f"task definition {family} maps {name}'s port {mapping.get('containerPort')} to a dynamic host "
                    "port (0), which awsvpc does not know; leave hostPort out"
                )


def refuse_interception(
    family: str, application: Container, others: Sequence[Container], enrolment: Enrolment, sidecar: Sidecar
) -> None:
    """Refuse what would not be intercepted, or be in its way; `others` are all containers but a hand-made Envoy."""
    for port, purpose in _RESERVED.items():
        if port in sidecar.app_ports:
            raise Refused(
                f"virtual node {enrolment.virtual_node} listens on {port}, which Envoy needs for {purpose}; use another"
            )
    if sidecar.interception == PROXY:
        for name in waiting(others, application["name"]):
            _refuse_other_proxy(family, next(each for each in others if each["name"] == name))
        return
    if not sidecar.app_ports:
        raise Refused(f"virtual node {enrolment.virtual_node} has no listener, so Envoy would have nothing to serve")
    if runs_as_envoy(application):
        raise Refused(
            f"task definition {family} runs {application['name']} as user {USER}, which is Envoy's: its traffic would "
            "not be redirected; run it as another"
        )


def refuse_oversized(task_definition: Mapping[str, Any]) -> None:
    """Refuse what ECS would refuse to register."""
    family, containers = task_definition["family"], task_definition["containerDefinitions"]
    if len(containers) > _MOST_CONTAINERS:
        ours = sum(1 for each in containers if is_ours(each))
        raise Refused(
            f"task definition {family} has {len(containers) - ours} containers; with {ours} of Meshift's they are more "
            f"than the {_MOST_CONTAINERS} that ECS allows"
        )
    size = len(json.dumps(task_definition, separators=(",", ":"), default=str).encode())
    if size > _MOST_BYTES:
        raise Refused(
            f"task definition {family} has {size} bytes together with its sidecar; ECS allows {_MOST_BYTES}; move "
            "environment variables to a file (environmentFiles) or to Parameter Store (secrets)"
        )
    proxy = task_definition.get("proxyConfiguration")
    if proxy and len(ignored_ports(proxy)) > _MOST_IGNORED_PORTS:
        raise Refused(
            f"task definition {family} lets {len(ignored_ports(proxy))} ports pass (EgressIgnoredPorts); no more than "
            f"{_MOST_IGNORED_PORTS} work"
        )


def _refuse_other_proxy(family: str, container: Container) -> None:
    wanted = proxy_environment({})
    variables = {each["name"]: each.get("value") for each in container.get("environment") or []}
    secret = {each["name"] for each in container.get("secrets") or []}
    for name in wanted:
        if name in secret or (name.upper() == "HTTP_PROXY" and variables.get(name) not in (None, wanted[name])):
            raise Refused(
                f"task definition {family} gives {container['name']} a proxy of its own ({name}), and there can be one "
                "only; remove it, or use Interception transparent"
            )
