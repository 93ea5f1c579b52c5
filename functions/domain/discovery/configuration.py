"""Translate what one proxy, a virtual node's or a virtual gateway's, sees of a mesh."""

from collections.abc import Sequence

from domain.discovery.egress import EGRESS, allows_all, aws_domain, passthrough_routes, transparent_egress
from domain.discovery.gateway_routes import gateway_routes
from domain.discovery.gateways import gateway_listeners, onward_clusters
from domain.discovery.hosts import virtual_hosts
from domain.discovery.ingress import ingress
from domain.discovery.logs import format_fault
from domain.discovery.proxying import outside_routes, proxy_egress, tcp_hosts, tunnelled
from domain.discovery.reach import queries, reach, reached_clusters
from domain.discovery.services import Service, services_of
from domain.discovery.terms import (
    NOTHING_MOVED,
    CloudMapQuery,
    Configuration,
    Fault,
    Instance,
    Instances,
    Moved,
    Options,
)
from domain.discovery.view import MeshView
from domain.discovery.xds import CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION, Resource
from domain.errors import NotFound

__all__ = [
    "NOTHING_MOVED",
    "CloudMapQuery",
    "Configuration",
    "Fault",
    "Instance",
    "Moved",
    "Options",
    "cloud_map_queries",
    "configuration",
]

Part = tuple[list[Resource], list[Resource], list[Resource], list[Fault]]
"""Clusters, listeners, routes, faults."""


def cloud_map_queries(view: MeshView, path: str, moved: Moved = NOTHING_MOVED) -> tuple[CloudMapQuery, ...]:
    """Say what has to be asked of Cloud Map for one proxy's configuration: nodes of the mesh owner's account only."""
    reached, _ = reach(view, services_of(view, path)[0], moved)
    return queries(view, reached)


def configuration(
    view: MeshView, path: str, options: Options, instances: Instances, moved: Moved = NOTHING_MOVED
) -> Configuration:
    """Translate what one proxy, `virtualNode/NAME` or `virtualGateway/NAME`, sees of a mesh.

    `instances` answers the queries of `cloud_map_queries`; where an answer is missing, nobody is there. Raises
    NotFound when the mesh has no such node or gateway.
    """
    if view.find_spec(path) is None or not path.startswith(("virtualNode/", "virtualGateway/")):
        raise NotFound(f"mesh {view.name} has no {path}")
    services, alike = services_of(view, path)
    reached, faults = reach(view, services, moved)
    upstreams, missing = reached_clusters(view, path, services, reached, instances)
    translate = gateway if path.startswith("virtualGateway/") else node
    clusters, listeners, routes, more = translate(view, path, services, options, moved)
    logged = format_fault(view.resources[path]["spec"])
    more += [Fault(path, logged)] if logged else []
    return Configuration(
        clusters=in_order([*upstreams, *clusters]),
        listeners=in_order(listeners),
        routes=in_order(routes),
        endpoints=tuple(
            {"@type": CLUSTER_LOAD_ASSIGNMENT, **each["load_assignment"]}
            for each in upstreams
            if each["type"] == "STATIC"
        ),
        faults=tuple(sorted({*alike, *faults, *missing, *more})),
    )


def in_order(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    return tuple(sorted(resources, key=lambda each: str(each["name"])))


def gateway(view: MeshView, path: str, services: Sequence[Service], options: Options, moved: Moved) -> Part:
    """Translate a gateway: from outside to its virtual services."""
    listeners, faults = gateway_listeners(view, path, options)
    routes, more = gateway_routes(view, path, services, moved)
    return onward_clusters(view, path, options), listeners, routes, [*faults, *more]


def node(view: MeshView, path: str, services: Sequence[Service], options: Options, moved: Moved) -> Part:
    """Translate a node: from its callers to the application, and from the application to its backends."""
    incoming, clusters, faults = ingress(view, path, options)
    hosts, more = virtual_hosts(view, services, moved)
    if options.interception == "transparent":
        outgoing, own, wrong = transparent_egress(view, path, services, options, moved)
        beyond = passthrough_routes(view)
    else:
        outgoing, own = proxy_egress(view, path, options)
        by_connect, wrong = tcp_hosts(view, services, moved)
        hosts = [*tunnelled(view, hosts), *by_connect]
        beyond = outside_routes(view)
    hosts.append(beyond_host(view, options, beyond))
    routes: Resource = {"@type": ROUTE_CONFIGURATION, "name": EGRESS, "virtual_hosts": hosts}
    return [*clusters, *own], [*incoming, *outgoing], [routes], [*faults, *more, *wrong]


def beyond_host(view: MeshView, options: Options, routes: list[Resource]) -> Resource:
    """Write the virtual host of what is not in the mesh: everything, or AWS only."""
    if allows_all(view):
        return {"name": "*", "domains": ["*"], "routes": routes}
    aws = aws_domain(options.region)
    return {"name": aws, "domains": [aws, f"{aws}:80", f"{aws}:443"], "routes": routes}
