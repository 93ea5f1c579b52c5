"""What the map shows, made of what the Describe operations answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import Refused
from domain.weights import targets_of

Described = tuple[str, Mapping[str, Any]]
"""A kind (`virtualNode`, …) and the description of one of it."""


@dataclass(frozen=True)
class Route:
    """A route of a router: what it matches, in words, and its targets with their weights."""

    name: str
    matches: str
    priority: int | None
    weights: Mapping[str, int]


@dataclass(frozen=True)
class Service:
    """A virtual service: its router's routes, or the node that provides it by itself."""

    name: str
    router: str | None
    node: str | None
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Caller:
    """A virtual node or gateway, and the virtual services that it leads to."""

    name: str
    calls: tuple[str, ...]


@dataclass(frozen=True)
class MeshMap:
    """A whole mesh; everything is in the order of names."""

    mesh: str
    services: tuple[Service, ...]
    nodes: tuple[Caller, ...]
    gateways: tuple[Caller, ...]

    @property
    def callers(self) -> tuple[Caller, ...]:
        """Gateways and nodes that call anything."""
        return tuple(each for each in (*self.gateways, *self.nodes) if each.calls)


def map_of(mesh: str, described: Iterable[Described]) -> MeshMap:
    """Draw up the map of a mesh."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for kind, document in described:
        found.setdefault(kind, []).append(document)
    routes: dict[str, list[Route]] = {}
    for document in found.get("route", []):
        routes.setdefault(document["virtualRouterName"], []).append(_route(document))
    nodes = [Caller(each["virtualNodeName"], _backends(each)) for each in found.get("virtualNode", [])]
    leads: dict[str, list[str]] = {each["virtualGatewayName"]: [] for each in found.get("virtualGateway", [])}
    for document in found.get("gatewayRoute", []):
        leads[document["virtualGatewayName"]] += _led_to(document["spec"])
    gateways = [Caller(name, tuple(sorted(set(to)))) for name, to in leads.items()]
    services = [_service(each, routes) for each in found.get("virtualService", [])]
    return MeshMap(mesh, _by_name(services), _by_name(nodes), _by_name(gateways))


def _by_name(found: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(found, key=lambda each: each.name))


def _service(document: Mapping[str, Any], routes: Mapping[str, list[Route]]) -> Service:
    provider = document["spec"].get("provider") or {}
    router = provider.get("virtualRouter", {}).get("virtualRouterName")
    node = provider.get("virtualNode", {}).get("virtualNodeName")
    inside = sorted(routes.get(router, []), key=lambda each: (each.priority is None, each.priority, each.name))
    return Service(document["virtualServiceName"], router, node, tuple(inside))


def _route(document: Mapping[str, Any]) -> Route:
    spec, weights = document["spec"], dict[str, int]()
    try:
        for target in targets_of(spec):
            weights[target["virtualNode"]] = weights.get(target["virtualNode"], 0) + target["weight"]
    except Refused:  # of a kind that has none
        pass
    return Route(document["routeName"], _matches(spec), spec.get("priority"), weights)


def _matches(spec: Mapping[str, Any]) -> str:
    """Say what a route matches.

    >>> _matches({"http2Route": {"match": {"prefix": "/", "headers": [{"name": "x-beta"}]}}})
    'http2 /, header x-beta'
    >>> _matches({"grpcRoute": {"match": {"serviceName": "s.S", "methodName": "Get"}}}), _matches({"tcpRoute": {}})
    ('grpc s.S/Get', 'tcp')
    """
    kind = next((name for name in ("httpRoute", "http2Route", "grpcRoute", "tcpRoute") if name in spec), "")
    match = spec.get(kind, {}).get("match") or {}
    path = match.get("path") or {}
    where = match.get("prefix") or path.get("exact") or path.get("regex") or match.get("serviceName") or ""
    where += f"/{match['methodName']}" if match.get("methodName") else ""
    more = [
        f"{match['method']}" if match.get("method") else "",
        *(f"header {e['name']}" for e in match.get("headers", [])),
    ]
    more += [f"metadata {e['name']}" for e in match.get("metadata", [])]
    more += [f"query {e['name']}" for e in match.get("queryParameters", [])]
    return ", ".join(filter(None, [f"{kind.removesuffix('Route')} {where}".strip(), *more]))


def _backends(node: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(each["virtualService"]["virtualServiceName"] for each in node["spec"].get("backends", [])))


def _led_to(spec: Mapping[str, Any]) -> list[str]:
    actions = [spec[kind]["action"] for kind in ("httpRoute", "http2Route", "grpcRoute") if kind in spec]
    return [each["target"]["virtualService"]["virtualServiceName"] for each in actions]
