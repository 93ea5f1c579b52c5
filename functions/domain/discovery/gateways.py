"""Virtual gateways: what arrives from outside, matched by gateway routes and led to virtual services.

A request takes two steps through the gateway's Envoy, as it did in App Mesh's own: the first matches the gateway route
and rewrites host and path; the second, a listener on loopback, is a node's egress, so that the rewritten request is
routed by the very routes of the virtual service. Which service is meant goes along in a header between the two.
"""

from collections.abc import Mapping
from typing import Any

from domain.discovery.clusters import mirroring, named, pool_limits, thresholds
from domain.discovery.connections import by_discovery, http_connections
from domain.discovery.hostnames import bound_address, ip_preference
from domain.discovery.ingress import TLS_INSPECTOR, filter_chains
from domain.discovery.logs import access_log
from domain.discovery.terms import Fault, Options
from domain.discovery.tracing import traced
from domain.discovery.view import MeshView
from domain.discovery.xds import (
    LISTENER,
    Resource,
    endpoint,
    load_assignment,
    socket_address,
)
from domain.errors import Untranslatable

Spec = Mapping[str, Any]
SERVICES = "services"


def gateway_listeners(view: MeshView, path: str, options: Options) -> tuple[list[Resource], list[Fault]]:
    """Write a listener for each port of a gateway, and the one on loopback that leads to the services."""
    spec = view.find_spec(path) or {}
    logs, preference = access_log(spec), ip_preference(view, spec)
    written, faults = [], []
    for index, listener in enumerate(spec["listeners"]):
        port = listener["portMapping"]["port"]
        entry = http_connections(
            f"gateway/{port}",
            logs,
            use_remote_address=True,
            normalize_path=True,
            **by_discovery(f"gateway/{port}", options.poll_seconds),
            **traced(view, path, options),
        )
        try:
            chains = filter_chains(listener, f"spec.listeners[{index}]", {}, entry)
        except Untranslatable as error:
            faults.append(Fault(path, str(error)))
            continue
        inspected = any("filter_chain_match" in chain for chain in chains)
        written.append(
            {
                "@type": LISTENER,
                "name": f"gateway/{port}",
                "traffic_direction": "INBOUND",
                "address": socket_address(bound_address(preference), port),
                "listener_filters": [TLS_INSPECTOR] * inspected,
                "filter_chains": chains,
            }
        )
    return [*written, onward_listener(options)], faults


def onward_listener(options: Options) -> Resource:
    """Write the listener of the second step."""
    entry = http_connections(SERVICES, [], **by_discovery(SERVICES, options.poll_seconds))
    return {
        "@type": LISTENER,
        "name": SERVICES,
        "traffic_direction": "OUTBOUND",
        "address": socket_address("127.0.0.1", options.outbound_port),
        "filter_chains": [{"filters": [entry]}],
    }


def onward_clusters(view: MeshView, path: str, options: Options) -> list[Resource]:
    """Write the clusters from the first step to the second: one for each listener, with its connection pool."""
    written = []
    for listener in (view.find_spec(path) or {})["listeners"]:
        name = onward_name(view, listener["portMapping"]["port"])
        written.append(
            {
                **named(name),
                "type": "STATIC",
                "circuit_breakers": thresholds(**pool_limits(listener.get("connectionPool", {}))),
                **mirroring(),
                "load_assignment": load_assignment(name, [endpoint("127.0.0.1", options.outbound_port)]),
            }
        )
    return written


def onward_name(view: MeshView, port: int) -> str:
    return f"{view.name}/{SERVICES}/{port}"
