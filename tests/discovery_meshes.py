"""Small meshes, in App Mesh's own shapes, for tests of their translation."""

from typing import Any

from domain.discovery.view import MeshView

OWNER, OTHER = "111111111111", "222222222222"
LOCAL = {"dns": {"hostname": "127.0.0.1"}}
Resource = tuple[str, dict[str, Any]]


def mesh(*resources: Resource, spec: dict[str, Any] | None = None, owner: str = OWNER) -> MeshView:
    return MeshView("apps", owner, spec or {}, dict(resources))


def document(spec: dict[str, Any], owner: str = OWNER) -> dict[str, Any]:
    return {"spec": spec, "metadata": {"resourceOwner": owner, "meshOwner": OWNER, "version": 1}}


def listening(port: int = 80, protocol: str = "http2", **more: Any) -> dict[str, Any]:
    return {"portMapping": {"port": port, "protocol": protocol}, **more}


def dns(name: str, **more: Any) -> dict[str, Any]:
    return {"dns": {"hostname": f"{name.lower()}.apps.local", **more}}


def backend(name: str, **more: Any) -> dict[str, Any]:
    return {"virtualService": {"virtualServiceName": name, **more}}


def node(
    name: str,
    *listeners: dict[str, Any],
    backends: list[str] | None = None,
    owner: str = OWNER,
    **more: Any,
) -> Resource:
    """A virtual node, which listens to http2 on port 80 unless told otherwise, found by DNS."""
    spec: dict[str, Any] = {"listeners": [*listeners] or [listening()], "serviceDiscovery": dns(name)}
    if backends is not None:
        spec["backends"] = [backend(each) for each in backends]
    return f"virtualNode/{name}", document(spec | more, owner)


def http_node(name: str, port: int, **more: Any) -> Resource:
    """A virtual node of an application on this machine."""
    return node(name, listening(port, "http"), serviceDiscovery=LOCAL, **more)


def route(weights: dict[str, int], kind: str = "http2Route", priority: int | None = None, **more: Any) -> Any:
    """The spec of a route for everything, by weights."""
    targets = [{"virtualNode": name, "weight": weight} for name, weight in weights.items()]
    match = {"match": {"prefix": "/"}} if kind in ("httpRoute", "http2Route") else {}
    match |= {"match": {}} if kind == "grpcRoute" else {}
    spec = {kind: {**match, "action": {"weightedTargets": targets}, **more}}
    return spec if priority is None else {**spec, "priority": priority}


def router(name: str, *listeners: dict[str, Any], **routes: Any) -> list[Resource]:
    spec = {"listeners": [*listeners] or [listening()]}
    made = [(f"virtualRouter/{name}/route/{each}", document(spec)) for each, spec in routes.items()]
    return [(f"virtualRouter/{name}", document(spec)), *made]


def service(name: str, **provider: str) -> Resource:
    """A virtual service provided by `virtualNode=` or `virtualRouter=`, or by nobody."""
    found = {kind: {f"{kind}Name": named} for kind, named in provider.items()}
    return f"virtualService/{name}", document({"provider": found} if found else {})


def service_by_router(name: str, named: str, first: Any, *listeners: dict[str, Any], **routes: Any) -> list[Resource]:
    """A virtual service, its router and the router's routes, of which the first has the router's name."""
    return [service(name, virtualRouter=named), *router(named, *listeners, **{named: first}, **routes)]
