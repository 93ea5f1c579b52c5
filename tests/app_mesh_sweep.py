"""Every operation of App Mesh's API, once or more, through any boto3 `appmesh` client.

`sweep(client)` makes, reads, changes and deletes one of everything in a mesh of its own, checks what comes back, and
gives back the operations that it called. It leaves nothing behind.
"""

from typing import Any

from botocore.exceptions import ClientError

HTTP2 = {"portMapping": {"port": 80, "protocol": "http2"}}
HEALTH = {
    "healthyThreshold": 2,
    "unhealthyThreshold": 3,
    "intervalMillis": 5000,
    "timeoutMillis": 2000,
    "protocol": "http2",
    "path": "/health",
}
BACKEND = {"virtualService": {"virtualServiceName": "serviceb.apps.local"}}


def node_spec(hostname: str, *backends: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "listeners": [{**HTTP2, "healthCheck": HEALTH, "timeout": {"http2": {"idle": {"unit": "s", "value": 30}}}}],
        "serviceDiscovery": {"dns": {"hostname": hostname, "responseType": "ENDPOINTS"}},
        "logging": {"accessLog": {"file": {"path": "/dev/stdout"}}},
    }
    return {**spec, "backends": list(backends)} if backends else spec


def route_spec(weights: dict[str, int]) -> dict[str, Any]:
    targets = [{"virtualNode": node, "weight": weight} for node, weight in weights.items()]
    retry = {
        "maxRetries": 5,
        "perRetryTimeout": {"unit": "s", "value": 10},
        "httpRetryEvents": ["server-error", "gateway-error"],
        "tcpRetryEvents": ["connection-error"],
    }
    header = {"name": "x-canary", "match": {"range": {"start": 1, "end": 10}}, "invert": False}
    match = {"prefix": "/", "headers": [header], "method": "GET"}
    return {
        "priority": 10,
        "http2Route": {"match": match, "action": {"weightedTargets": targets}, "retryPolicy": retry},
    }


def gateway_route_spec(prefix: str) -> dict[str, Any]:
    target = {"virtualService": {"virtualServiceName": "serviceb.apps.local"}}
    return {"http2Route": {"match": {"prefix": prefix}, "action": {"target": target}}}


ROUTER: dict[str, Any] = {"listeners": [HTTP2]}
BY_ROUTER: dict[str, Any] = {"provider": {"virtualRouter": {"virtualRouterName": "serviceb"}}}
BY_NODE: dict[str, Any] = {"provider": {"virtualNode": {"virtualNodeName": "serviceA"}}}
# kind, its name, what names its parent, the spec to create it with, the one to update it with: in order of creation.
RESOURCES: list[tuple[str, str, dict[str, str], dict[str, Any], dict[str, Any]]] = [
    ("virtual_node", "serviceB", {}, node_spec("serviceb.apps.local"), node_spec("b.apps.local")),
    ("virtual_node", "serviceBv2", {}, node_spec("servicebv2.apps.local"), node_spec("bv2.apps.local")),
    ("virtual_node", "serviceA", {}, node_spec("servicea.apps.local", BACKEND), node_spec("a.apps.local", BACKEND)),
    ("virtual_router", "serviceb", {}, ROUTER, ROUTER),
    (
        "route",
        "serviceb",
        {"virtualRouterName": "serviceb"},
        route_spec({"serviceB": 100}),
        route_spec({"serviceB": 75, "serviceBv2": 25}),
    ),
    ("virtual_service", "serviceb.apps.local", {}, BY_ROUTER, BY_ROUTER),
    ("virtual_service", "servicea.apps.local", {}, BY_NODE, {}),
    ("virtual_gateway", "edge", {}, ROUTER, ROUTER),
    ("gateway_route", "chapter", {"virtualGatewayName": "edge"}, gateway_route_spec("/c"), gateway_route_spec("/d")),
]


def camel(kind: str) -> str:
    first, *rest = kind.split("_")
    return first + "".join(word.title() for word in rest)


def sweep(client: Any, mesh: str = "sweep") -> set[str]:
    """Call every operation; give back the names of those that were called."""
    called: set[str] = set()
    client.meta.events.register("before-call.app-mesh", lambda model, **_: called.add(model.name))
    created = client.create_mesh(
        meshName=mesh, spec={"egressFilter": {"type": "ALLOW_ALL"}}, tags=[{"key": "team", "value": "a"}]
    )["mesh"]
    assert created["metadata"]["version"] == 1
    assert mesh in [ref["meshName"] for ref in listed(client, "list_meshes", "meshes")]
    assert client.describe_mesh(meshName=mesh)["mesh"]["spec"] == {"egressFilter": {"type": "ALLOW_ALL"}}
    assert client.update_mesh(meshName=mesh, spec={})["mesh"]["metadata"]["version"] == 2
    tag(client, created["metadata"]["arn"])
    for resource in RESOURCES:
        make(client, mesh, *resource)
    for kind, name, parent, *_ in reversed(RESOURCES):
        names = {"meshName": mesh, f"{camel(kind)}Name": name, **parent}
        gone = getattr(client, f"delete_{kind}")(**names)[camel(kind)]
        assert gone["status"] == {"status": "DELETED"}
        assert refusal(getattr(client, f"describe_{kind}"), **names) == "NotFoundException"
    assert client.delete_mesh(meshName=mesh)["mesh"]["status"] == {"status": "DELETED"}
    assert refusal(client.describe_mesh, meshName=mesh) == "NotFoundException"
    return called


def make(
    client: Any, mesh: str, kind: str, name: str, parent: dict[str, str], spec: dict[str, Any], more: dict[str, Any]
) -> None:
    """Create, describe, update and list one resource; what was sent comes back."""
    member = camel(kind)
    names = {"meshName": mesh, f"{member}Name": name, **parent}
    created = getattr(client, f"create_{kind}")(**names, spec=spec)[member]
    assert created["spec"] == spec
    assert created["status"] == {"status": "ACTIVE"}
    assert created["metadata"]["arn"].endswith(f"/{member}/{name}")
    described = getattr(client, f"describe_{kind}")(**names)[member]
    assert described == created
    updated = getattr(client, f"update_{kind}")(**names, spec=more)[member]
    assert updated["spec"] == more
    assert updated["metadata"]["version"] == 2
    assert updated["metadata"]["uid"] == created["metadata"]["uid"]
    refs = listed(client, f"list_{kind}s", f"{member}s", meshName=mesh, **parent)
    assert {ref[f"{member}Name"]: ref["version"] for ref in refs}[name] == 2
    assert refusal(getattr(client, f"create_{kind}"), **names, spec=spec) == "ConflictException"


def tag(client: Any, arn: str) -> None:
    client.tag_resource(resourceArn=arn, tags=[{"key": "stage", "value": "test"}])
    client.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert listed(client, "list_tags_for_resource", "tags", resourceArn=arn) == [{"key": "stage", "value": "test"}]


def listed(client: Any, operation: str, member: str, **arguments: Any) -> list[dict[str, Any]]:
    """Collect all pages of a list, two items each."""
    pages = client.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": 2})
    return [item for page in pages for item in page[member]]


def refusal(operation: Any, **arguments: Any) -> str:
    """The error code that an operation is refused with."""
    try:
        operation(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    raise AssertionError(f"{operation} was not refused")
