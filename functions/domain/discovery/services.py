"""What a proxy may reach: the virtual services that it declares as backends (or that its gateway routes lead to),
their ports, and which routes or node stand behind each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.discovery.priorities import in_order
from domain.discovery.terms import Fault
from domain.discovery.view import MeshView
from domain.hosted.specs import ROUTE_PROTOCOLS

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """One port of a virtual service: led to a node, or along routes in the order they are tried."""

    number: int
    protocol: str
    routes: tuple[str, ...] = ()
    node: str | None = None
    """Name of the virtual node that provides the service, if one does."""


@dataclass(frozen=True)
class Service:
    """A virtual service as one proxy sees it. Without ports there is nobody behind it."""

    name: str
    ports: tuple[Port, ...]
    policy: Spec | None = None
    """The TLS client policy towards it."""
    own_policy: bool = False
    """Whether that is meant for this service alone."""


def services_of(view: MeshView, path: str) -> tuple[tuple[Service, ...], list[Fault]]:
    """List the virtual services that a node or gateway may reach, by name; those that do not exist yet are left out.

    Names are compared without case, as Host is; of two that differ in nothing else, the first is served.
    """
    spec = view.find_spec(path) or {}
    default = client_policy(spec.get("backendDefaults", {}))
    found: dict[str, Service] = {}
    for name, policy in declared(view, path, spec):
        service = view.find_spec(f"virtualService/{name}")
        if service is not None and name not in found:
            own = policy is not None
            found[name] = Service(name, known_ports(view, name), policy if own else default, own)
    faults: list[Fault] = []
    taken: dict[str, str] = {}
    for name in sorted(found):
        other = taken.setdefault(name.lower(), name)
        if other != name:
            said = f"its name differs from that of {other} in upper and lower case only, which Host does not tell"
            faults.append(Fault(f"virtualService/{name}", said))
    return tuple(found[name] for name in taken.values()), faults


def declared(view: MeshView, path: str, spec: Spec) -> Iterator[tuple[str, Spec | None]]:
    """The names of the virtual services that a proxy uses, each with a client policy of its own if it has one."""
    for backend in spec.get("backends", ()):
        service = backend["virtualService"]
        yield service["virtualServiceName"], client_policy(service)
    for route in view.children.get(path, ()) if path.startswith("virtualGateway/") else ():
        yield target_service(view.find_spec(route) or {}), None


def target_service(gateway_route: Spec) -> str:
    """The virtual service that a gateway route leads to."""
    member = next(member for member in ROUTE_PROTOCOLS if member in gateway_route)
    name: str = gateway_route[member]["action"]["target"]["virtualService"]["virtualServiceName"]
    return name


def client_policy(holder: Spec) -> Spec | None:
    policy: Spec | None = holder.get("clientPolicy", {}).get("tls")
    return policy


def known_ports(view: MeshView, name: str) -> tuple[Port, ...]:
    spec = view.find_spec(f"virtualService/{name}") or {}
    return view.once(("ports", name), lambda: ports_of(view, spec.get("provider", {})))


def ports_of(view: MeshView, provider: Spec) -> tuple[Port, ...]:
    """The ports of a virtual service: those of its node or router."""
    if "virtualNode" in provider:
        node = provider["virtualNode"]["virtualNodeName"]
        spec = view.find_spec(f"virtualNode/{node}") or {}
        return tuple(Port(number, protocol, node=node) for number, protocol in mappings(spec))
    if "virtualRouter" in provider:
        return router_ports(view, f"virtualRouter/{provider['virtualRouter']['virtualRouterName']}")
    return ()


def router_ports(view: MeshView, path: str) -> tuple[Port, ...]:
    """The ports of a router, each with its routes; a router without listeners has those that its routes go to."""
    specs = {route: view.find_spec(route) or {} for route in view.children.get(path, ())}
    ordered = in_order(specs)
    listeners = mappings(view.find_spec(path) or {})
    if not listeners:
        return guessed_ports(view, {route: specs[route] for route in ordered})
    ports = [Port(number, protocol) for number, protocol in listeners]
    return tuple(
        replace(port, routes=tuple(route for route in ordered if leads_from(specs[route], port))) for port in ports
    )


def guessed_ports(view: MeshView, routes: Mapping[str, Spec]) -> tuple[Port, ...]:
    """The ports of a router without listeners: where its routes' first targets listen. tcp is no match for http."""
    found: dict[int, Port] = {}
    for tcp in (False, True):
        for path, spec in routes.items():
            number, protocol = guessed_mapping(view, spec)
            port = found.setdefault(number, Port(number, protocol)) if (protocol == "tcp") == tcp else None
            if port and (port.protocol == "tcp") == tcp:
                found[number] = replace(port, routes=(*port.routes, path))
    return tuple(found[number] for number in sorted(found))


def leads_from(route: Spec, port: Port) -> bool:
    """Whether a route is taken by what arrives at a port."""
    member = next((member for member, protocol in ROUTE_PROTOCOLS.items() if protocol == port.protocol), "")
    return member in route and route[member].get("match", {}).get("port", port.number) == port.number


def mappings(spec: Spec) -> list[tuple[int, str]]:
    found = [listener["portMapping"] for listener in spec.get("listeners", ())]
    return sorted((mapping["port"], mapping["protocol"]) for mapping in found)


def guessed_mapping(view: MeshView, route: Spec) -> tuple[int, str]:
    """Where a route of a router without listeners is entered: where its first target listens."""
    member = next(member for member in ROUTE_PROTOCOLS if member in route)
    target = route[member]["action"]["weightedTargets"][0]
    named = route[member].get("match", {}).get("port") or target.get("port")
    listened = mappings(view.find_spec(f"virtualNode/{target['virtualNode']}") or {})
    return (named or (listened[0][0] if listened else 80)), ROUTE_PROTOCOLS[member]
