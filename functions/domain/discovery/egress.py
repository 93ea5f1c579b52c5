"""Egress: what the application sends, led to the virtual services that its node declares, elsewhere, or nowhere.

Intercepted, a connection is told apart by the port that it was meant for: an http service's port is looked into for
HTTP, and its requests find their service by Host; a tcp service has its port to itself; everything else goes where it
was meant to (ALLOW_ALL) or is closed (DROP_ALL, except to AWS). Ports of no service are never looked into, so that
protocols in which the server speaks first work. As a forward proxy, tcp services and the rest are reached by CONNECT.

Sources: API reference, EgressFilter; aws/aws-app-mesh-controller-for-k8s#228 (routing begins with the router's port).
"""

from collections.abc import Sequence
from typing import Any

from domain.discovery.clusters import passthrough_cluster
from domain.discovery.connections import by_discovery, http_connections
from domain.discovery.hostnames import bound_address, ip_preference
from domain.discovery.ingress import ORIGINAL_DST, TLS_INSPECTOR
from domain.discovery.logs import access_log
from domain.discovery.routes import tcp_destination, tcp_proxy
from domain.discovery.services import Port, Service
from domain.discovery.terms import Fault, Moved, Options
from domain.discovery.tracing import traced
from domain.discovery.view import MeshView
from domain.discovery.xds import LISTENER, Resource, extension, socket_address
from domain.errors import Untranslatable

EGRESS = "egress"
HTTP_INSPECTOR = extension("envoy.filters.listener.http_inspector", "filters.listener.http_inspector.v3.HttpInspector")
HTTP = ["http/1.0", "http/1.1", "h2c"]


def allows_all(view: MeshView) -> bool:
    """Whether traffic may leave the mesh; DROP_ALL is App Mesh's default."""
    return bool(view.spec.get("egressFilter", {}).get("type") == "ALLOW_ALL")


def aws_domain(region: str) -> str:
    """The domain of AWS's own services, which DROP_ALL does not mean."""
    return "*.amazonaws.com.cn" if region.startswith("cn-") else "*.amazonaws.com"


def passthrough(view: MeshView) -> str:
    return f"{view.name}/passthrough"


def passthrough_routes(view: MeshView) -> list[Resource]:
    """Write the routes of requests for no service: where they were meant to go, for as long as they take."""
    return [{"match": {"prefix": "/"}, "route": {"cluster": passthrough(view), "timeout": "0s"}}]


def transparent_egress(
    view: MeshView, path: str, services: Sequence[Service], options: Options, moved: Moved
) -> tuple[list[Resource], list[Resource], list[Fault]]:
    """Write the listener that intercepted connections arrive at, and its cluster."""
    spec = view.find_spec(path) or {}
    logs = access_log(spec)
    onward = {"filters": [tcp_proxy(EGRESS, {"cluster": passthrough(view)}, {}, logs)]}
    ports = sorted({port.number for service in services for port in service.ports if port.protocol != "tcp"})
    http = http_connections(EGRESS, logs, **by_discovery(EGRESS, options.poll_seconds), **traced(view, path, options))
    chains = [
        {"filter_chain_match": {"destination_port": port, "application_protocols": HTTP}, "filters": [http]}
        for port in ports
    ]
    by_port, faults = tcp_chains(view, services, moved, logs)
    chains += by_port
    inspectors = [{**HTTP_INSPECTOR, "filter_disabled": except_ports(ports)}] if ports else []
    closing: dict[str, Any] = {"default_filter_chain": onward}
    if not allows_all(view):
        aws = {"destination_port": 443, "server_names": [aws_domain(options.region)]}
        chains.append({"filter_chain_match": aws, **onward})
        inspectors.insert(0, {**TLS_INSPECTOR, "filter_disabled": except_ports([443])})
        closing = {}
    listener = {
        "@type": LISTENER,
        "name": EGRESS,
        "traffic_direction": "OUTBOUND",
        "address": socket_address(bound_address(ip_preference(view, spec)), options.outbound_port),
        "listener_filters": [ORIGINAL_DST, *inspectors],
        # A client that opens its connection ahead of its first request is not to be taken for something else.
        "listener_filters_timeout": "0s",
        "filter_chains": chains,
        **closing,
    }
    return [listener], [passthrough_cluster(passthrough(view))], faults


def tcp_chains(
    view: MeshView, services: Sequence[Service], moved: Moved, logs: list[Resource]
) -> tuple[list[Resource], list[Fault]]:
    """Write a chain for each port of a tcp service; only one service can have a port."""
    chains, faults, taken = [], [], dict[int, str]()
    for service, port in tcp_ports(services):
        if port.number in taken:
            said = f"port {port.number} is that of {taken[port.number]} already, and tcp has nothing else to go by"
            faults.append(Fault(f"virtualService/{service.name}", said))
            continue
        taken[port.number] = service.name
        if port.node is None and not port.routes:
            continue
        try:
            target, timeout = tcp_destination(view, service, port, moved)
        except Untranslatable as error:
            faults.append(Fault(port.routes[0] if port.routes else f"virtualService/{service.name}", str(error)))
            continue
        filters = [tcp_proxy(f"{EGRESS}/{port.number}", target, timeout, logs)]
        chains.append({"filter_chain_match": {"destination_port": port.number}, "filters": filters})
    return chains, faults


def tcp_ports(services: Sequence[Service]) -> list[tuple[Service, Port]]:
    return [(service, port) for service in services for port in service.ports if port.protocol == "tcp"]


def except_ports(ports: Sequence[int]) -> Resource:
    """Say that a listener filter is off for connections that were not meant for one of these ports."""
    ranges: list[Resource] = [{"destination_port_range": {"start": port, "end": port + 1}} for port in ports]
    return {"not_match": ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}}
