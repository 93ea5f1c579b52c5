"""Virtual gateways: what arrives from outside, matched by gateway routes and led to virtual services.

A request takes two steps through the gateway's Envoy, as it did in App Mesh's own: the first matches the gateway route
and rewrites host and path; the second, a listener on loopback, is a node's egress, so that the rewritten request is
routed by the very routes of the virtual service. Which service is meant goes along in a header between the two.

Source: user guide, "Gateway routes" (host and prefix are rewritten unless told otherwise; paths are not).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.discovery.clusters import mirroring, thresholds
from domain.discovery.connections import by_discovery, http_connections
from domain.discovery.hostnames import bound_address, ip_preference
from domain.discovery.hosts import virtual_hosts
from domain.discovery.ingress import TLS_INSPECTOR, filter_chains
from domain.discovery.logs import access_log
from domain.discovery.matches import covers, grpc_match, hostname_domain, http_match
from domain.discovery.priorities import in_order
from domain.discovery.services import Service, target_service
from domain.discovery.terms import Fault, Moved, Options
from domain.discovery.view import MeshView
from domain.discovery.xds import (
    CLUSTER,
    LISTENER,
    ROUTE_CONFIGURATION,
    Resource,
    endpoint,
    load_assignment,
    socket_address,
)
from domain.errors import Untranslatable
from domain.hosted.specs import ROUTE_PROTOCOLS

Spec = Mapping[str, Any]
TARGET_HEADER = "x-meshift-virtual-service"
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


def onward_cluster(view: MeshView, options: Options) -> Resource:
    """Write the cluster that leads from the first step to the second."""
    name = f"{view.name}/{SERVICES}"
    return {
        "@type": CLUSTER,
        "name": name,
        "type": "STATIC",
        "circuit_breakers": thresholds(),
        **mirroring(),
        "load_assignment": load_assignment(name, [endpoint("127.0.0.1", options.outbound_port)]),
    }


def gateway_routes(
    view: MeshView, path: str, services: Sequence[Service], moved: Moved
) -> tuple[list[Resource], list[Fault]]:
    """Write the route configurations of a gateway: one for each port, and that of the second step."""
    hosts, faults = virtual_hosts(view, services, moved)
    written: list[Resource] = [
        {
            "@type": ROUTE_CONFIGURATION,
            "name": SERVICES,
            "vhost_header": TARGET_HEADER,
            "request_headers_to_remove": [TARGET_HEADER],
            "virtual_hosts": hosts,
        }
    ]
    specs = {route: view.find_spec(route) or {} for route in view.children.get(path, ())}
    routes: list[tuple[str, Spec, Resource]] = []
    for name in in_order(specs):
        try:
            routes.append((hostname(specs[name]), specs[name], gateway_route(view, name, specs[name], services)))
        except Untranslatable as error:
            faults.append(Fault(name, str(error)))
    for listener in (view.find_spec(path) or {})["listeners"]:
        port, protocol = listener["portMapping"]["port"], listener["portMapping"]["protocol"]
        taken = [(domain, route) for domain, spec, route in routes if arrives_at(spec, port, protocol)]
        written.append(
            {
                "@type": ROUTE_CONFIGURATION,
                "name": f"gateway/{port}",
                "ignore_port_in_host_matching": True,
                "virtual_hosts": gateway_hosts(taken),
            }
        )
    return written, faults


def gateway_hosts(routes: Sequence[tuple[str, Resource]]) -> list[Resource]:
    """Write a virtual host for each host name that is matched, with all routes that are for it, in order."""
    names = sorted({domain for domain, _ in routes})
    return [
        {"name": name, "domains": [name], "routes": [route for domain, route in routes if covers(domain, name)]}
        for name in names
    ]


def body(spec: Spec) -> tuple[str, Spec]:
    member = next(member for member in ROUTE_PROTOCOLS if member in spec)
    return member, spec[member]


def hostname(spec: Spec) -> str:
    return hostname_domain(body(spec)[1]["match"])


def arrives_at(spec: Spec, port: int, protocol: str) -> bool:
    """Whether a gateway route is for what arrives at a listener."""
    member, route = body(spec)
    return ROUTE_PROTOCOLS[member] == protocol and route["match"].get("port", port) == port


def gateway_route(view: MeshView, path: str, spec: Spec, services: Sequence[Service]) -> Resource:
    """Write one gateway route. How long a request may take, and retries, are the second step's."""
    member, route = body(spec)
    where, name = f"spec.{member}", target_service(spec)
    if all(service.name != name for service in services):
        raise Untranslatable(f"{where}.action.target: the virtual service {name} does not exist")
    match = (grpc_match if member == "grpcRoute" else http_match)(route["match"], f"{where}.match")
    rewrite, port = route["action"].get("rewrite", {}), route["action"]["target"].get("port")
    target = f"{name}:{port}" if port else name
    renamed = rewrite.get("hostname", {}).get("defaultTargetHostname", "ENABLED") == "ENABLED"
    action = {
        "cluster": f"{view.name}/{SERVICES}",
        "timeout": "0s",
        **({"host_rewrite_literal": name} if renamed else {}),
        **(path_rewrite(route["match"], rewrite) if member != "grpcRoute" else {}),
    }
    named = {"header": {"key": TARGET_HEADER, "value": target}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "name": path.rpartition("/")[2],
        "match": match,
        "route": action,
        "request_headers_to_add": [named],
    }


def path_rewrite(match: Spec, rewrite: Spec) -> Resource:
    """Write how a path changes: a matched prefix becomes `/` by default, an exact or regular path stays as it is.

    A prefix is taken off with the slash behind it, so that /chapter/1 becomes /1 and not //1.

    >>> path_rewrite({"prefix": "/chapter"}, {})["regex_rewrite"]["pattern"]["regex"]
    '^/chapter/?'
    """
    if "exact" in rewrite.get("path", {}):
        return regex_rewrite("^.*$", rewrite["path"]["exact"])
    if "path" in match:
        return {}
    prefix, wanted = match.get("prefix", "/"), rewrite.get("prefix", {})
    if wanted.get("defaultPrefix") == "DISABLED" or (prefix == "/" and "value" not in wanted):
        return {}
    value = wanted.get("value", "/")
    return regex_rewrite(f"^{quoted(prefix)}{'/?' if value.endswith('/') and not prefix.endswith('/') else ''}", value)


def regex_rewrite(pattern: str, value: str) -> Resource:
    return {"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": value.replace("\\", "\\\\")}}


def quoted(text: str) -> str:
    """Quote a text for RE2, which knows no escapes of letters that mean nothing."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
