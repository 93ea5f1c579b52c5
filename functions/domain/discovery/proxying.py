"""Egress as a forward proxy on loopback: for applications that are told HTTP_PROXY, where nothing is intercepted.

An http service is asked for by its URL. A tcp service, and what speaks TLS by itself, is reached by CONNECT; a CONNECT
to an http service (gRPC clients do that) leads back in here, so that the requests inside find their routes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.discovery.clusters import named, thresholds
from domain.discovery.connections import ROUTER, by_discovery, http_connections
from domain.discovery.egress import EGRESS, tcp_ports
from domain.discovery.hostnames import ip_preference, lookup_family
from domain.discovery.logs import access_log
from domain.discovery.routes import tcp_destination
from domain.discovery.services import Service
from domain.discovery.terms import Fault, Moved, Options
from domain.discovery.tracing import traced
from domain.discovery.view import MeshView
from domain.discovery.xds import (
    EXTENSIONS,
    LISTENER,
    Resource,
    endpoint,
    extension,
    load_assignment,
    seconds,
    socket_address,
)
from domain.errors import Untranslatable

Spec = Mapping[str, Any]
CONNECTING: Resource = {"connect_matcher": {}}
TUNNEL: Resource = {"upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}], "timeout": "0s"}
TCP_IDLE = "3600s"
"""How long Envoy lets TCP be idle that nothing is said about; a tunnel is TCP."""


def proxy_egress(view: MeshView, path: str, options: Options) -> tuple[list[Resource], list[Resource]]:
    """Write the listener of a forward proxy, and the clusters that are its own."""
    spec = view.find_spec(path) or {}
    cache = {"name": outside_name(view), "dns_lookup_family": lookup_family(ip_preference(view, spec))}
    resolving = extension(
        "envoy.filters.http.dynamic_forward_proxy",
        "filters.http.dynamic_forward_proxy.v3.FilterConfig",
        dns_cache_config=cache,
    )
    routed = by_discovery(EGRESS, options.poll_seconds)
    entry = http_connections(
        EGRESS,
        access_log(spec),
        upgrade_configs=[{"upgrade_type": "CONNECT"}],
        http2_protocol_options={"allow_connect": True},
        http_filters=[resolving, ROUTER],
        **routed,
        **traced(view, path, options),
    )
    listener = {
        "@type": LISTENER,
        "name": EGRESS,
        "traffic_direction": "OUTBOUND",
        "address": socket_address("127.0.0.1", options.outbound_port),
        "filter_chains": [{"filters": [entry]}],
    }
    outside = {
        **named(outside_name(view)),
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": thresholds(),
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": f"{EXTENSIONS}.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "dns_cache_config": cache,
            },
        },
    }
    again = {
        **named(again_name(view)),
        "type": "STATIC",
        "circuit_breakers": thresholds(),
        "load_assignment": load_assignment(again_name(view), [endpoint("127.0.0.1", options.outbound_port)]),
    }
    return [listener], [outside, again]


def outside_name(view: MeshView) -> str:
    return f"{view.name}/outside"


def again_name(view: MeshView) -> str:
    return f"{view.name}/{EGRESS}"


def tunnelled(view: MeshView, hosts: Sequence[Resource]) -> list[Resource]:
    """Let each virtual host of an http service take CONNECT, too."""
    into = {"match": CONNECTING, "route": {"cluster": again_name(view), "idle_timeout": TCP_IDLE, **TUNNEL}}
    return [{**host, "routes": [into, *host["routes"]]} for host in hosts]


def tcp_hosts(view: MeshView, services: Sequence[Service], moved: Moved) -> tuple[list[Resource], list[Fault]]:
    """Write a virtual host for each port of each tcp service, which takes CONNECT and nothing else."""
    hosts, faults = [], []
    for service, port in tcp_ports(services):
        if port.node is None and not port.routes:
            continue
        try:
            target, timeout = tcp_destination(view, service, port, moved)
        except Untranslatable as error:
            faults.append(Fault(port.routes[0] if port.routes else f"virtualService/{service.name}", str(error)))
            continue
        action = {**target, "idle_timeout": seconds(timeout["idle"]) if "idle" in timeout else TCP_IDLE, **TUNNEL}
        name = f"{service.name}:{port.number}"
        hosts.append({"name": name, "domains": [name], "routes": [{"match": CONNECTING, "route": action}]})
    return hosts, faults


def outside_routes(view: MeshView) -> list[Resource]:
    """Write the routes to what is not in the mesh."""
    onward = {"cluster": outside_name(view), "timeout": "0s"}
    tunnel = {"cluster": outside_name(view), "idle_timeout": TCP_IDLE, **TUNNEL}
    return [{"match": CONNECTING, "route": tunnel}, {"match": {"prefix": "/"}, "route": onward}]
