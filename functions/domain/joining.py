"""Joining a mesh: what is made for a service whose tags name what is not there yet.

Router and route that are made are named after the virtual service; the first node gets all the weight, later ones
join at 0. What is there is left alone. Documents are in App Mesh's own shapes.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.enrolment import PREFIX, PROTOCOLS, Enrolment
from domain.errors import Refused
from domain.sidecar import application_of
from domain.weights import TOTAL, read_weights, targets_of

MOST_TARGETS = 10
"""Source: App Mesh's API model, WeightedTargets."""


@dataclass(frozen=True)
class Listener:
    """Port and protocol that a virtual node is made to listen with."""

    port: int
    protocol: str


def application_listener(task_definition: Mapping[str, Any], enrolment: Enrolment) -> Listener:
    """Read the listener of a node from the application's one port mapping; the tag's protocol comes first.

    Raises Refused when there is not exactly one TCP port.
    """
    container = application_of(task_definition, enrolment)
    name = container["name"]
    mappings = container.get("portMappings") or []
    ports = [each for each in mappings if each.get("protocol", "tcp") == "tcp" and "containerPort" in each]
    if len(ports) != 1 or len(mappings) != 1:
        found = ", ".join(str(each.get("containerPort", each.get("containerPortRange"))) for each in mappings) or "none"
        raise Refused(
            f"container {name} of task definition {task_definition['family']} has the ports {found}; a virtual node is "
            f"made for exactly one TCP port, so make virtual node {enrolment.virtual_node} yourself"
        )
    protocol = enrolment.protocol or ports[0].get("appProtocol") or PROTOCOLS[0]
    return Listener(ports[0]["containerPort"], protocol)


def service_discovery(
    enrolment: Enrolment, service: Mapping[str, Any], registry: tuple[str, str] | None
) -> dict[str, Any]:
    """Say how Envoys find the service's tasks: the tag's hostname, else its Cloud Map service.

    `registry` is (namespace, service) by name. Services that share one are told apart by the attribute that ECS gives
    every instance. Raises Refused when there is neither.
    """
    if enrolment.hostname is not None:
        return {"dns": {"hostname": enrolment.hostname}}
    if registry is not None:
        namespace, name = registry
        own = [{"key": "ECS_SERVICE_NAME", "value": service["serviceName"]}]
        return {"awsCloudMap": {"namespaceName": namespace, "serviceName": name, "attributes": own}}
    raise Refused(
        f"service {service['serviceName']} has neither the tag {PREFIX}hostname nor a Cloud Map service registry, so "
        "nobody could find its tasks; set one of them"
    )


@dataclass(frozen=True)
class Seen:
    """What the mesh has of what the tags name, as App Mesh describes it; None where it has nothing."""

    node: Mapping[str, Any] | None
    virtual_service: Mapping[str, Any] | None = None
    router: Mapping[str, Any] | None = None
    routes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Joining:
    """What is to be made, None where nothing is, in the order of its fields."""

    node: dict[str, Any] | None = None
    router: dict[str, Any] | None = None
    route: dict[str, Any] | None = None
    """Spec of the router's first route."""
    wider_route: Mapping[str, Any] | None = None
    """The route that the node is added to, described, and its spec then."""
    wider_spec: dict[str, Any] | None = None
    virtual_service: dict[str, Any] | None = None


def router_name(virtual_service: Mapping[str, Any] | None, enrolment: Enrolment) -> str | None:
    """Name the router of the service's virtual service, there or to be made; None when the node itself provides it."""
    if enrolment.virtual_service is None:
        return None
    return router_of(virtual_service, enrolment.virtual_node) if virtual_service else enrolment.virtual_service


def plan_join(enrolment: Enrolment, seen: Seen, listener: Listener, discovery: Mapping[str, Any] | None) -> Joining:
    """Say what is missing of what the tags name; `discovery` is None when the node is there.

    Raises Refused when what is there does not fit.
    """
    node = new_node(listener, discovery, enrolment.backends) if discovery is not None else None
    router = router_name(seen.virtual_service, enrolment)
    if enrolment.virtual_service is None or router is None:
        return Joining(node)
    provided = None if seen.virtual_service else {"provider": {"virtualRouter": {"virtualRouterName": router}}}
    made = None if seen.router else {"listeners": [_listener(listener)]}
    if not seen.routes:
        route = new_route(listener.protocol, enrolment.virtual_node)
        return Joining(node, made, route, virtual_service=provided)
    wider = route_to_join(seen.routes, enrolment.virtual_node, enrolment.virtual_service)
    spec = with_target(wider["spec"], enrolment.virtual_node) if wider else None
    return Joining(node, made, None, wider, spec, provided)


def listener_of(node: Mapping[str, Any]) -> Listener:
    """Return the first listener of a virtual node that is there. Raises Refused when it has none."""
    listeners = node["spec"].get("listeners", [])
    if not listeners:
        raise Refused(
            f"virtual node {node['virtualNodeName']} has no listener, so Envoy would have nothing to serve; give it one"
        )
    return Listener(**listeners[0]["portMapping"])


def refuse_foreign(document: Mapping[str, Any], what: str, account: str) -> None:
    """Refuse what is another account's: only its owner may change it."""
    owner = document["metadata"]["resourceOwner"]
    if owner != account:
        raise Refused(f"{what} belongs to account {owner}, and only its owner moves it; choose another name")


def new_node(listener: Listener, discovery: Mapping[str, Any], backends: Sequence[str]) -> dict[str, Any]:
    """Build the spec of a virtual node."""
    return {
        "listeners": [_listener(listener)],
        "serviceDiscovery": dict(discovery),
        "backends": [{"virtualService": {"virtualServiceName": name}} for name in backends],
    }


def new_route(protocol: str, node: str) -> dict[str, Any]:
    """Build the spec of a router's first route: everything goes to its first node.

    >>> new_route("tcp", "db")
    {'tcpRoute': {'action': {'weightedTargets': [{'virtualNode': 'db', 'weight': 100}]}}}
    """
    action = {"weightedTargets": [{"virtualNode": node, "weight": TOTAL}]}
    if protocol == "tcp":
        return {"tcpRoute": {"action": action}}
    return {f"{protocol}Route": {"match": {"prefix": "/"} if protocol != "grpc" else {}, "action": action}}


def router_of(virtual_service: Mapping[str, Any], node: str) -> str | None:
    """Name the router that provides a virtual service; None when the node itself does.

    Raises Refused when another node does, or nobody: there are no weights to move then.
    """
    name, provider = virtual_service["virtualServiceName"], virtual_service["spec"].get("provider", {})
    if "virtualRouter" in provider:
        return str(provider["virtualRouter"]["virtualRouterName"])
    found = provider.get("virtualNode", {}).get("virtualNodeName")
    if found == node:
        return None
    provided = f"is provided by virtual node {found}" if found else "has no provider"
    raise Refused(f"virtual service {name} {provided}; give it a virtual router, whose route can hold weights")


def route_to_join(routes: Sequence[Mapping[str, Any]], node: str, virtual_service: str) -> Mapping[str, Any] | None:
    """Choose the route that a node is added to; None when one names it already.

    That is the router's only route, or the one named after the virtual service. Raises Refused when neither is there:
    which requests the node is meant for is the operator's decision.
    """
    if any(node in read_weights(route["spec"]) for route in routes):
        return None
    named = [route for route in routes if route["routeName"] == virtual_service]
    chosen = routes[0] if len(routes) == 1 else named[0] if named else None
    if chosen is None:
        names = ", ".join(route["routeName"] for route in routes)
        raise Refused(
            f"virtual router {routes[0]['virtualRouterName']} has the routes {names}, and none names virtual node "
            f"{node}; add it with weight 0 to those that are to move"
        )
    if len(targets_of(chosen["spec"])) >= MOST_TARGETS:
        raise Refused(
            f"route {chosen['routeName']} has {MOST_TARGETS} targets, App Mesh's most; take out one that is no longer "
            f"used to make room for {node}"
        )
    return chosen


def with_target(spec: Mapping[str, Any], node: str) -> dict[str, Any]:
    """Return a route's spec with one more target at weight 0, at its siblings' port, and nothing else changed."""
    result = copy.deepcopy(dict(spec))
    targets = targets_of(result)
    port = {"port": targets[0]["port"]} if "port" in targets[0] else {}
    targets.append({"virtualNode": node, "weight": 0, **port})
    return result


def _listener(listener: Listener) -> dict[str, Any]:
    return {"portMapping": {"port": listener.port, "protocol": listener.protocol}}
