"""The container of Envoy, and ECS's redirection to it."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from domain.bootstrap import command, is_healthy
from domain.sidecar.wanted import EGRESS_PORT, ENVOY, INGRESS_PORT, MARK, USER, Sidecar

# The image keeps its admin interface on every address unless it is told to keep it on a socket; older ones know no
# socket and are asked at the port.
_APPMESH_IS_LIVE = (
    "(curl -s --unix-socket /tmp/envoy_admin.sock http://localhost/server_info || "
    "curl -s http://localhost:9901/server_info) | grep state | grep -q LIVE"
)
_ONLY_FOR_THE_APPLICATION = ("awslogs-datetime-format", "awslogs-multiline-pattern")
_NO_EGRESS = ("169.254.170.2", "169.254.169.254")
"""Task metadata with the task role's credentials, and the instance's."""
_NFS_PORT = "2049"
NO_PROXY = ("127.0.0.1", "localhost", *_NO_EGRESS)


def envoy_container(sidecar: Sidecar, logs: Mapping[str, Any] | None, reserves_cpu: bool) -> dict[str, Any]:
    """Describe Envoy's container; `logs` is the application's logConfiguration.

    Source: App Mesh user guide, "Getting started with App Mesh and Amazon ECS"; aws-app-mesh-examples (ulimits);
    the agent's README (admin interface, statistics, tracing).
    """
    container: dict[str, Any] = {
        "name": ENVOY,
        "image": sidecar.image,
        "essential": True,
        "user": USER,
        "memoryReservation": sidecar.memory_mib,
        "dockerLabels": {MARK: ENVOY},
        "healthCheck": {"interval": 5, "timeout": 2, "retries": 3, "startPeriod": 10},
        "startTimeout": 120,
        "ulimits": [{"name": "nofile", "softLimit": 15000, "hardLimit": 15000}],
    }
    if reserves_cpu:
        container["cpu"] = sidecar.cpu
    if sidecar.bootstrap is None:
        container["environment"] = named(_appmesh_environment(sidecar))
        container["healthCheck"]["command"] = ["CMD-SHELL", _APPMESH_IS_LIVE]
    else:
        container["command"] = command(sidecar.bootstrap)
        container["healthCheck"]["command"] = ["CMD", "bash", "-c", is_healthy()]
    return with_logs(container, logs)


def with_logs(container: dict[str, Any], logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Send a container's log where the application's goes, without the rules for the application's own lines."""
    if not logs:
        return container
    copied = copy.deepcopy(dict(logs))
    if copied.get("options"):
        copied["options"] = {k: v for k, v in copied["options"].items() if k not in _ONLY_FOR_THE_APPLICATION}
    return {**container, "logConfiguration": copied}


def proxy_configuration(app_ports: Iterable[int], kept: Mapping[str, Any] | None, mounts_nfs: bool) -> dict[str, Any]:
    """Describe the redirection. What a person let pass in the one that is there (`kept`) is let pass again.

    ECS's CNI plugin splits lists on commas and does not trim, so they hold no spaces. NFS is let pass where the task
    mounts it: the mount happens before Envoy runs (App Mesh user guide, "Troubleshooting connectivity").
    """
    before = {each["name"]: each.get("value") or "" for each in (kept or {}).get("properties") or []}
    ports = list(dict.fromkeys([*_split(before.get("EgressIgnoredPorts", "")), *([_NFS_PORT] if mounts_nfs else [])]))
    addresses = list(dict.fromkeys([*_NO_EGRESS, *_split(before.get("EgressIgnoredIPs", ""))]))
    properties = {
        "IgnoredUID": USER,
        "ProxyIngressPort": str(INGRESS_PORT),
        "ProxyEgressPort": str(EGRESS_PORT),
        "AppPorts": ",".join(str(port) for port in app_ports),
        "EgressIgnoredIPs": ",".join(addresses),
    }
    if ports:
        properties["EgressIgnoredPorts"] = ",".join(ports)
    return {"type": "APPMESH", "containerName": ENVOY, "properties": named(properties)}


def ignored_ports(proxy: Mapping[str, Any]) -> list[str]:
    """List the ports that a proxyConfiguration lets pass."""
    properties = {each["name"]: each["value"] for each in proxy["properties"]}
    return _split(properties.get("EgressIgnoredPorts", ""))


def proxy_environment(before: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell an application of its proxy, merged with those it has.

    >>> proxy_environment({"NO_PROXY": "db.internal"})["NO_PROXY"]
    'db.internal,127.0.0.1,localhost,169.254.170.2,169.254.169.254'
    """
    proxy = f"http://127.0.0.1:{EGRESS_PORT}"
    passing = {
        name: ",".join(dict.fromkeys([*_split(before.get(name, "")), *NO_PROXY])) for name in ("NO_PROXY", "no_proxy")
    }
    return {"HTTP_PROXY": proxy, "http_proxy": proxy, **passing}


def named(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Turn a mapping into ECS's list of names and values."""
    return [{"name": name, "value": value} for name, value in values.items()]


def _appmesh_environment(sidecar: Sidecar) -> dict[str, str]:
    environment = {"APPMESH_RESOURCE_ARN": sidecar.resource_arn, "ENVOY_ADMIN_MODE": "uds"}
    if sidecar.metrics:  # the agent in the image serves the statistics, to this task only
        environment |= {
            "ENABLE_ENVOY_STATS_TAGS": "1",
            "APPNET_AGENT_ADMIN_MODE": "tcp",
            "APPNET_AGENT_HTTP_BIND_ADDRESS": "127.0.0.1",
        }
    if sidecar.tracing:
        environment["ENABLE_ENVOY_XRAY_TRACING"] = "1"
    return environment


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
