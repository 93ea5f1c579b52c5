"""What is wanted beside an application: the Envoy of one virtual node, and how traffic comes to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.bootstrap import Ports

ENVOY = "envoy"
COLLECTOR = "meshift-collector"
MARK = "meshift.sidecar"
"""Docker label of the containers that Meshift adds: pipelines that copy a revision lose its tags and keep this."""

TRANSPARENT, PROXY = "transparent", "proxy"
INTERCEPTIONS = (TRANSPARENT, PROXY)
USER = "1337"
INGRESS_PORT, EGRESS_PORT = Ports().inbound, Ports().outbound

ENVOY_MEMORY_MIB = 64
"""The least that App Mesh's user guide recommends; a reservation, Envoy may take more where there is more."""
ENVOY_CPU = 64
"""Reserved where the application reserves CPU: a container without has 2 shares, whatever runs beside it."""


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
    interception: str = TRANSPARENT
    """`transparent`: ECS redirects the task's traffic; `proxy`: the application is told of a proxy for its calls."""
    metrics: bool = False
    """Whether a collector publishes Envoy's statistics to CloudWatch."""
    tracing: bool = False
    """Whether a collector hands Envoy's segments to X-Ray."""
    cpu: int = ENVOY_CPU
    memory_mib: int = ENVOY_MEMORY_MIB


def listener_ports(virtual_node: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the ports of a virtual node's listeners; `virtual_node` as DescribeVirtualNode gives it."""
    return tuple(listener["portMapping"]["port"] for listener in virtual_node["spec"].get("listeners", []))


def is_ours(container: Mapping[str, Any]) -> bool:
    """Say whether Meshift added this container."""
    return container["name"] in (ENVOY, COLLECTOR) and MARK in (container.get("dockerLabels") or {})
