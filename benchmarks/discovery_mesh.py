"""The mesh that discovery is measured on: 200 nodes with ten backends, 200 services, 50 routers with ten routes."""

from typing import Any

from domain.hosted.kinds import MeshKey
from domain.hosted.state import Record

NODES, SERVICES, ROUTERS, ROUTES, BACKENDS = 200, 200, 50, 10, 10
REGION = "us-east-1"
HTTP2 = {"portMapping": {"port": 80, "protocol": "http2"}}


def mesh_of(key: MeshKey) -> dict[str, Record]:
    """Write the mesh's records by path, the mesh itself at the empty one."""
    specs: dict[str, dict[str, Any]] = {"": {"egressFilter": {"type": "ALLOW_ALL"}}}
    for index in range(NODES):
        specs[f"virtualNode/n{index}"] = node(index)
    for index in range(SERVICES):
        provider: dict[str, Any] = {"virtualNode": {"virtualNodeName": f"n{index}"}}
        if index < ROUTERS:
            provider = {"virtualRouter": {"virtualRouterName": f"r{index}"}}
        specs[f"virtualService/{service(index)}"] = {"provider": provider}
    for index in range(ROUTERS):
        specs[f"virtualRouter/r{index}"] = {"listeners": [HTTP2]}
        for number in range(ROUTES):
            specs[f"virtualRouter/r{index}/route/x{number}"] = route(index, number)
    return {path: Record(document(key, path, spec)) for path, spec in specs.items()}


def service(index: int) -> str:
    return f"s{index % SERVICES}.apps.local"


def node(index: int) -> dict[str, Any]:
    names = [service(index * 7 + step * 13) for step in range(BACKENDS)]
    return {
        "listeners": [HTTP2],
        "serviceDiscovery": {"dns": {"hostname": f"n{index}.apps.local"}},
        "backends": [{"virtualService": {"virtualServiceName": name}} for name in names],
    }


def route(index: int, number: int, weight: int = 75) -> dict[str, Any]:
    targets = [(2 * index, weight), (2 * index + 1, 100 - weight)]
    header = {"name": "x-canary", "match": {"exact": str(number)}}
    return {
        "priority": number,
        "http2Route": {
            "match": {"prefix": f"/{number}" if number else "/", "headers": [header] if number else []},
            "action": {"weightedTargets": [{"virtualNode": f"n{name}", "weight": share} for name, share in targets]},
            "retryPolicy": {
                "maxRetries": 5,
                "perRetryTimeout": {"unit": "s", "value": 10},
                "httpRetryEvents": ["server-error"],
            },
        },
    }


def document(key: MeshKey, path: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        "arn": f"arn:aws:appmesh:{REGION}:{key.owner}:mesh/{key.name}" + (f"/{path}" if path else ""),
        "createdAt": 1.0,
        "lastUpdatedAt": 1.0,
        "meshOwner": key.owner,
        "resourceOwner": key.owner,
        "uid": "0",
        "version": 1,
    }
    return {"meshName": key.name, "metadata": metadata, "spec": spec, "status": {"status": "ACTIVE"}}
