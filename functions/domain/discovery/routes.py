"""Routes: from a matched request to weighted virtual nodes."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from domain.discovery.clusters import cluster_name
from domain.discovery.matches import grpc_match, http_match
from domain.discovery.retries import retry_policy, timeouts
from domain.discovery.services import Port, Service
from domain.discovery.terms import Fault, Moved
from domain.discovery.view import MeshView
from domain.discovery.xds import Resource, extension, seconds
from domain.errors import Untranslatable
from domain.hosted.specs import ROUTE_PROTOCOLS

Spec = Mapping[str, Any]
EVERYTHING: Resource = {"prefix": "/"}
NOBODY: Resource = {"direct_response": {"status": 503}}
"""What a request gets that has nobody to go to."""


class Upstream(NamedTuple):
    """A listener of a virtual node, as reached through one virtual service's TLS policy or, mostly, through any.

    A plain tuple: a large mesh makes thousands of them, to be compared and sorted.
    """

    node: str
    port: int
    protocol: str
    service: str = ""
    """Name of the virtual service whose own client policy applies."""

    def cluster(self, mesh: str) -> str:
        """Its cluster's name; the service at the end tells clusters apart that differ in TLS only."""
        name = cluster_name(mesh, "virtualNode", self.node, self.port, self.protocol)
        return f"{name}/{self.service}" if self.service else name


def upstream(view: MeshView, service: Service, port: Port, node: str, target_port: int | None) -> Upstream:
    """Find the listener that a target means: by port, else the only one, else the first of the right protocol.

    A node without listeners is reached where the service is. Raises Untranslatable when there is no such node or port.
    """
    listened = view.listened.get(node)
    if listened is None:
        raise Untranslatable(f"the virtual node {node} does not exist")
    fitting = [each for each in listened if target_port in (None, each[0])]
    if not listened:
        fitting = [(target_port or port.number, port.protocol)]
    if not fitting:
        raise Untranslatable(f"the virtual node {node} does not listen on port {target_port}")
    number, protocol = next((each for each in fitting if each[1] == port.protocol), fitting[0])
    return Upstream(node, number, protocol, service.name if service.own_policy else "")


def upstreams(view: MeshView, service: Service, port: Port) -> Iterator[Upstream | Fault]:
    """List everything that a port of a service may lead to, whatever its weight; what leads nowhere is a fault."""
    targets: list[tuple[str, str, int | None]] = []
    if port.node is not None:
        targets.append((f"virtualService/{service.name}", port.node, port.number))
    for path in port.routes:
        targets += [(path, each["virtualNode"], each.get("port")) for each in weighted_targets(view.find_spec(path))]
    for path, node, number in targets:
        try:
            yield upstream(view, service, port, node, number)
        except Untranslatable as error:
            yield Fault(path, str(error))


def weighted_targets(route: Spec | None) -> list[Spec]:
    """The targets of a route's spec, of whatever kind it is."""
    kinds = (route[member] for member in ROUTE_PROTOCOLS if member in route) if route else ()
    found: list[Spec] = next((kind["action"]["weightedTargets"] for kind in kinds), [])
    return found


def destination(view: MeshView, service: Service, port: Port, path: str, moved: Moved) -> Resource:
    """Write where a route goes: one cluster, or clusters by weight; those too fresh are passed over for now."""
    targets = [each for each in weighted_targets(view.find_spec(path)) if each["weight"]]
    known = [each for each in targets if (path, each["virtualNode"]) not in moved.fresh] or targets
    named = [
        (upstream(view, service, port, each["virtualNode"], each.get("port")).cluster(view.name), each["weight"])
        for each in known
    ]
    if len(named) == 1:
        return {"cluster": named[0][0]}
    if not named:
        raise Untranslatable("its weighted targets weigh nothing together")
    return {"weighted_clusters": {"clusters": [{"name": name, "weight": weight} for name, weight in named]}}


def http_routes(view: MeshView, service: Service, port: Port, moved: Moved) -> tuple[list[Resource], list[Fault]]:
    """Write the routes of a port of a virtual service, in the order they are tried.

    A route that leads nowhere answers 503 to what it matches; one whose match cannot be said is left out.
    """
    if port.node is not None:
        return provider_routes(view, service, port, port.node)
    written, faults = [], []
    for path in port.routes:
        spec = view.find_spec(path) or {}
        member = next(member for member in ROUTE_PROTOCOLS if member in spec)
        try:
            match = (grpc_match if member == "grpcRoute" else http_match)(
                spec[member].get("match", {}), f"spec.{member}.match"
            )
        except Untranslatable as error:
            faults.append(Fault(path, str(error)))
            continue
        try:
            target = destination(view, service, port, path, moved)
        except Untranslatable as error:
            faults.append(Fault(path, str(error)))
            written.append({"name": path.rpartition("/")[2], "match": match, **NOBODY})
            continue
        written.append({"name": path.rpartition("/")[2], "match": match, "route": {**target, **lasting(spec[member])}})
    return written, faults


def provider_routes(view: MeshView, service: Service, port: Port, node: str) -> tuple[list[Resource], list[Fault]]:
    """Write the one route of a service that a node provides."""
    try:
        cluster = upstream(view, service, port, node, port.number).cluster(view.name)
    except Untranslatable as error:
        return [{"name": node, "match": EVERYTHING, **NOBODY}], [Fault(f"virtualService/{service.name}", str(error))]
    return [{"name": node, "match": EVERYTHING, "route": {"cluster": cluster, **lasting({})}}], []


def lasting(route: Spec) -> Resource:
    """How long a route's requests may take, and what is tried again."""
    return {**timeouts(route.get("timeout", {})), "retry_policy": retry_policy(route.get("retryPolicy"))}


def tcp_proxy(stat_prefix: str, target: Resource, timeout: Spec, access_log: list[Resource]) -> Resource:
    """Write the filter that carries TCP to where a route goes."""
    idle: Resource = {"idle_timeout": seconds(timeout["idle"])} if "idle" in timeout else {}
    return extension(
        "envoy.filters.network.tcp_proxy",
        "filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=stat_prefix,
        **target,
        **idle,
        **({"access_log": access_log} if access_log else {}),
    )


def tcp_destination(view: MeshView, service: Service, port: Port, moved: Moved) -> tuple[Resource, Spec]:
    """Where TCP that arrives at a port of a virtual service goes, and its time-outs: along its first route."""
    if port.node is not None:
        return {"cluster": upstream(view, service, port, port.node, port.number).cluster(view.name)}, {}
    path = port.routes[0]
    spec: Spec = (view.find_spec(path) or {})["tcpRoute"]
    return destination(view, service, port, path, moved), spec.get("timeout", {})
