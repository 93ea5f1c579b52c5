"""Gateway routes: what a gateway's request is matched by and how it is rewritten, on its way to a virtual service.

Source: user guide, "Gateway routes" (host and prefix are rewritten unless told otherwise; paths are not).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.discovery.gateways import SERVICES, onward_name
from domain.discovery.hosts import virtual_hosts
from domain.discovery.matches import covers, grpc_match, hostname_domain, http_match
from domain.discovery.priorities import in_order
from domain.discovery.services import Service, target_service
from domain.discovery.terms import Fault, Moved
from domain.discovery.view import MeshView
from domain.discovery.xds import ROUTE_CONFIGURATION, Resource
from domain.errors import Untranslatable
from domain.hosted.specs import ROUTE_PROTOCOLS

Spec = Mapping[str, Any]
TARGET_HEADER = "x-meshift-virtual-service"


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
    ordered = in_order(specs)
    for listener in (view.find_spec(path) or {})["listeners"]:
        port, protocol = listener["portMapping"]["port"], listener["portMapping"]["protocol"]
        routes: list[tuple[str, Resource]] = []
        for name in (name for name in ordered if arrives_at(specs[name], port, protocol)):
            try:
                routes.append((hostname(specs[name]), gateway_route(view, name, specs[name], services, port)))
            except Untranslatable as error:
                faults.append(Fault(name, str(error)))
        written.append(
            {
                "@type": ROUTE_CONFIGURATION,
                "name": f"gateway/{port}",
                "ignore_port_in_host_matching": True,
                "virtual_hosts": gateway_hosts(routes),
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


def gateway_route(view: MeshView, path: str, spec: Spec, services: Sequence[Service], at: int) -> Resource:
    """Write one gateway route of the listener at a port. Time-outs and retries are the second step's."""
    member, route = body(spec)
    where, name = f"spec.{member}", target_service(spec)
    if all(service.name != name for service in services):
        raise Untranslatable(f"{where}.action.target: the virtual service {name} does not exist")
    match = (grpc_match if member == "grpcRoute" else http_match)(route["match"], f"{where}.match")
    rewrite, port = route["action"].get("rewrite", {}), route["action"]["target"].get("port")
    target = f"{name}:{port}" if port else name
    renamed = rewrite.get("hostname", {}).get("defaultTargetHostname", "ENABLED") == "ENABLED"
    action = {
        "cluster": onward_name(view, at),
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
