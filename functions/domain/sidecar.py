"""Injection: a task definition in, the same one with Envoy beside the application out.

Only what Envoy needs is added: its container, the proxy configuration, and the application's wait for it.
Everything else comes back equal. Task definitions are dicts in the shape of DescribeTaskDefinition.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.bootstrap import command, is_healthy
from domain.enrolment import PREFIX, Enrolment
from domain.errors import Refused

ENVOY = "envoy"
INJECTED_FROM = PREFIX + "injected-from"
"""Tag on the revisions that Meshift registered: the ARN of the one that it started from."""
INJECTED_BY = PREFIX + "injected-by"
"""Tag on the same: the execution that registered it."""

_MARK = {"meshift.sidecar": "envoy"}
"""Docker label of the container that Meshift adds: pipelines that copy a revision lose its tags and keep this."""
_DESCRIBED_ONLY = {
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy",
    "deregisteredAt", "deleteRequestedAt",
}  # fmt: skip
_USER = "1337"
_ENVOY_MEMORY_MIB = 64
UPSTREAM_IMAGE = "envoyproxy/envoy:v1.40.0"
"""The Ubuntu variant: its health check needs bash, which the distroless one lacks."""
_IMAGE_TAG = "v1.34.13.3-prod"
_IMAGE_ACCOUNTS = {
    "me-south-1": "772975370895",
    "ap-east-1": "856666278305",
    "ap-southeast-3": "909464085924",
    "eu-south-1": "422531588944",
    "il-central-1": "564877687649",
    "af-south-1": "924023996002",
    "eu-south-2": "992897592190",
    "eu-central-2": "704106688930",
    "cn-north-1": "919366029133",
    "cn-northwest-1": "919830735681",
}
_IMAGE_ACCOUNT = "840364872350"

_APPMESH_IS_LIVE = "curl -s http://localhost:9901/server_info | grep state | grep -q LIVE"


@dataclass(frozen=True)
class Sidecar:
    """The wanted sidecar of one virtual node."""

    image: str
    resource_arn: str
    """ARN of the virtual node that Envoy speaks for."""
    app_ports: tuple[int, ...]
    """Ports of the node's listeners."""
    bootstrap: str | None = None
    """JSON for upstream Envoy; None for aws-appmesh-envoy, which makes its own."""


@dataclass(frozen=True)
class Injection:
    """What injection makes of a task definition."""

    added: bool
    """False when the task definition had the wanted sidecar already."""
    task_definition: dict[str, Any]
    container: str
    """Name of the application's container, which waits for Envoy."""
    application: str
    """Fingerprint of the task definition without Meshift's additions."""


def envoy_image(region: str) -> str:
    """Name the aws-appmesh-envoy image of a Region.

    >>> envoy_image("us-east-1")
    '840364872350.dkr.ecr.us-east-1.amazonaws.com/aws-appmesh-envoy:v1.34.13.3-prod'

    Source: App Mesh user guide, "Envoy image".
    """
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    account = _IMAGE_ACCOUNTS.get(region, _IMAGE_ACCOUNT)
    return f"{account}.dkr.ecr.{region}.{suffix}/aws-appmesh-envoy:{_IMAGE_TAG}"


def listener_ports(virtual_node: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the ports of a virtual node's listeners; `virtual_node` as DescribeVirtualNode gives it."""
    return tuple(listener["portMapping"]["port"] for listener in virtual_node["spec"].get("listeners", []))


def is_injected(task_definition: Mapping[str, Any]) -> bool:
    """Say whether Meshift put a sidecar into this revision, whatever sidecar it was."""
    return any(_is_ours(container) for container in task_definition["containerDefinitions"])


def inject(task_definition: Mapping[str, Any], enrolment: Enrolment, sidecar: Sidecar) -> Injection:
    """Put the wanted sidecar into a task definition, once.

    Raises Refused, saying why this task definition cannot have it.
    """
    refuse_uninjectable(task_definition, enrolment.container)
    ours = is_injected(task_definition)
    bare = _without_sidecar(task_definition) if ours else copy.deepcopy(dict(task_definition))
    application = application_container(bare, enrolment.container)
    if not sidecar.app_ports:
        raise Refused(f"virtual node {enrolment.virtual_node} has no listener, so Envoy would have nothing to serve")
    wanted = _with_sidecar(bare, application, sidecar)
    _refuse_cramped(wanted)
    if ours and _has(task_definition, wanted):
        return Injection(False, copy.deepcopy(dict(task_definition)), application, _fingerprint(bare))
    return Injection(True, wanted, application, _fingerprint(bare))


def refuse_uninjectable(task_definition: Mapping[str, Any], container: str | None) -> None:
    """Refuse a task definition that cannot have the sidecar, whatever its node is."""
    _refuse_unfit(task_definition)
    bare = _without_sidecar(task_definition) if is_injected(task_definition) else task_definition
    _refuse_foreign_proxy(bare)
    application_container(bare, container)


def _is_ours(container: Mapping[str, Any]) -> bool:
    labels: Mapping[str, str] = container.get("dockerLabels", {})
    return container["name"] == ENVOY and _MARK.items() <= labels.items()


def _fingerprint(bare: Mapping[str, Any]) -> str:
    content = _full({key: value for key, value in bare.items() if key not in _DESCRIBED_ONLY})
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _full(value: Any) -> Any:
    """Leave out what is empty: whether ECS answers an empty field says nothing."""
    if isinstance(value, Mapping):
        return {key: _full(each) for key, each in value.items() if each not in ([], {}, None)}
    return [_full(each) for each in value] if isinstance(value, list) else value


def _refuse_unfit(task_definition: Mapping[str, Any]) -> None:
    family = task_definition["family"]
    mode = task_definition.get("networkMode", "bridge")
    if mode != "awsvpc":
        raise Refused(f"task definition {family} has networkMode {mode}; Envoy's redirection needs awsvpc")
    system = task_definition.get("runtimePlatform", {}).get("operatingSystemFamily", "LINUX")
    if system.startswith("WINDOWS"):
        raise Refused(f"task definition {family} runs on {system}; Envoy's redirection needs LINUX")
    if "EXTERNAL" in task_definition.get("requiresCompatibilities", []):
        raise Refused(f"task definition {family} is for ECS Anywhere (EXTERNAL), which has no proxy configuration")


def _refuse_foreign_proxy(task_definition: Mapping[str, Any]) -> None:
    family = task_definition["family"]
    if any(container["name"] == ENVOY for container in task_definition["containerDefinitions"]):
        raise Refused(
            f"task definition {family} has a container {ENVOY} that Meshift did not put there; remove or rename it"
        )
    if task_definition.get("proxyConfiguration"):
        raise Refused(f"task definition {family} has a proxyConfiguration that Meshift did not put there; remove it")


def application_container(task_definition: Mapping[str, Any], named: str | None) -> str:
    """Name the application's container: the tag's, else the only essential one with a port. Raises Refused."""
    containers = task_definition["containerDefinitions"]
    family, names = task_definition["family"], ", ".join(container["name"] for container in containers)
    if named is not None:
        if all(container["name"] != named for container in containers):
            raise Refused(
                f"tag {PREFIX}container: {named!r} is no container of task definition {family}; it has {names}"
            )
        return named
    candidates = [each["name"] for each in containers if each.get("essential", True) and each.get("portMappings")]
    if len(candidates) != 1:
        found = (
            f"{len(candidates)} essential containers with a port"
            if candidates
            else "no essential container with a port"
        )
        raise Refused(
            f"task definition {family} has {found} (of {names}); name the application's with the tag {PREFIX}container"
        )
    return str(candidates[0])


def _refuse_cramped(task_definition: Mapping[str, Any]) -> None:
    """Source: RegisterTaskDefinition, the containers' memory must fit in the task's."""
    if "memory" not in task_definition:
        return
    total = int(task_definition["memory"])
    asked = sum(
        each.get("memoryReservation") or each.get("memory") or 0 for each in task_definition["containerDefinitions"]
    )
    if asked > total:
        raise Refused(
            f"task definition {task_definition['family']} has {total} MiB, and with {ENVOY}'s {_ENVOY_MEMORY_MIB} MiB "
            f"its containers ask for {asked} MiB; raise the task's memory or lower a container's"
        )


def _with_sidecar(bare: Mapping[str, Any], application: str, sidecar: Sidecar) -> dict[str, Any]:
    result = copy.deepcopy(dict(bare))
    for container in result["containerDefinitions"]:
        if container["name"] == application:
            waits = container.get("dependsOn") or []
            container["dependsOn"] = [*waits, {"containerName": ENVOY, "condition": "HEALTHY"}]
            logs = container.get("logConfiguration")
    result["containerDefinitions"].append(_envoy_container(sidecar, logs))
    result["proxyConfiguration"] = _proxy_configuration(sidecar.app_ports)
    return result


def _envoy_container(sidecar: Sidecar, logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Source: App Mesh user guide, "Getting started with App Mesh and Amazon ECS"; aws-app-mesh-examples (ulimits)."""
    container: dict[str, Any] = {
        "name": ENVOY,
        "image": sidecar.image,
        "essential": True,
        "user": _USER,
        "dockerLabels": dict(_MARK),
        "memoryReservation": _ENVOY_MEMORY_MIB,
        "healthCheck": {"interval": 5, "timeout": 2, "retries": 3, "startPeriod": 10},
        "ulimits": [{"name": "nofile", "softLimit": 15000, "hardLimit": 15000}],
    }
    if sidecar.bootstrap is None:
        container["environment"] = [{"name": "APPMESH_RESOURCE_ARN", "value": sidecar.resource_arn}]
        container["healthCheck"]["command"] = ["CMD-SHELL", _APPMESH_IS_LIVE]
    else:
        container["command"] = command(sidecar.bootstrap)
        container["healthCheck"]["command"] = ["CMD", "bash", "-c", is_healthy()]
    if logs:
        container["logConfiguration"] = copy.deepcopy(dict(logs))
    return container


def _proxy_configuration(app_ports: tuple[int, ...]) -> dict[str, Any]:
    """ECS's CNI plugin splits lists on commas and does not trim, so they hold no spaces."""
    properties = {
        "IgnoredUID": _USER,
        "ProxyIngressPort": "15000",
        "ProxyEgressPort": "15001",
        "AppPorts": ",".join(str(port) for port in app_ports),
        "EgressIgnoredIPs": "169.254.170.2,169.254.169.254",
    }
    return {
        "type": "APPMESH",
        "containerName": ENVOY,
        "properties": [{"name": name, "value": value} for name, value in properties.items()],
    }


def _without_sidecar(task_definition: Mapping[str, Any]) -> dict[str, Any]:
    bare = copy.deepcopy(dict(task_definition))
    bare.pop("proxyConfiguration", None)
    bare["containerDefinitions"] = [each for each in bare["containerDefinitions"] if each["name"] != ENVOY]
    for container in bare["containerDefinitions"]:
        waits = [each for each in container.get("dependsOn", []) if each["containerName"] != ENVOY]
        if waits:
            container["dependsOn"] = waits
        else:
            container.pop("dependsOn", None)
    return bare


def _has(actual: Any, wanted: Any) -> bool:
    """Say whether `actual` holds all that is wanted; ECS adds empty fields to what was registered."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(_has(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(actual, list) or len(actual) != len(wanted):
            return False
        return all(_has(*pair) for pair in zip(_ordered(actual), _ordered(wanted), strict=True))
    return bool(actual == wanted)


def _ordered(items: list[Any]) -> list[Any]:
    """Order by name where there are names: ECS may answer lists in another order than they were given."""
    return (
        sorted(items, key=lambda item: item["name"])
        if all(isinstance(i, Mapping) and "name" in i for i in items)
        else items
    )
