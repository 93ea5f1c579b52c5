"""The map as lines of text."""

from collections.abc import Iterator

from meshift.drawing import bar
from meshift.mapping.model import Caller, MeshMap, Service


def lines(found: MeshMap) -> Iterator[str]:
    """Write the map: virtual services with their routes and weights, then nodes and gateways with what they call."""
    yield f"mesh {found.mesh}"
    for service in found.services:
        yield from ("", *_service(service))
    for title, callers in (("virtual nodes", found.nodes), ("virtual gateways", found.gateways)):
        if callers:
            yield from ("", title, *_callers(callers))


def _service(service: Service) -> Iterator[str]:
    if service.node:
        yield f"{service.name}: virtual node {service.node}"
    elif service.router is None:
        yield f"{service.name}: nobody provides it"
    else:
        yield f"{service.name}: virtual router {service.router}" + ("" if service.routes else ", which has no route")
    for route in service.routes:
        priority = "" if route.priority is None else f", priority {route.priority}"
        yield f"  route {route.name}: {route.matches}{priority}"
        width = max(map(len, route.weights), default=0)
        for node, weight in route.weights.items():
            yield f"    {node.ljust(width)} {weight:>3} {bar(weight, 20)}"


def _callers(callers: tuple[Caller, ...]) -> Iterator[str]:
    width = max(len(each.name) for each in callers)
    for each in callers:
        calls = f"{each.name.ljust(width)}  → {', '.join(each.calls)}" if each.calls else each.name
        yield f"  {calls}"
