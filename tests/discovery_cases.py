"""A mesh for each kind of spec: looked at in unit tests, and its translation taken by the real Envoy in others."""

from typing import Any

from domain.discovery.configuration import Instance, Options, cloud_map_queries, configuration
from domain.discovery.terms import Configuration
from domain.discovery.view import MeshView
from tests.certificates import NAME, own_certificate, trust
from tests.discovery_meshes import (
    OTHER,
    backend,
    dns,
    document,
    listening,
    mesh,
    node,
    route,
    router,
    service,
    service_by_router,
)

S30, MS500 = {"unit": "s", "value": 30}, {"unit": "ms", "value": 500}
HEALTH = {"healthyThreshold": 2, "unhealthyThreshold": 3, "intervalMillis": 5000, "timeoutMillis": 2000}
EJECTED = {"maxServerErrors": 5, "interval": S30, "baseEjectionDuration": MS500, "maxEjectionPercent": 50}
POOLS: dict[str, Any] = {
    "http": {"maxConnections": 7, "maxPendingRequests": 8},
    "http2": {"maxRequests": 9},
    "grpc": {"maxRequests": 9},
    "tcp": {"maxConnections": 7},
}
TIMEOUTS: dict[str, Any] = {
    protocol: {"idle": S30} | ({} if protocol == "tcp" else {"perRequest": MS500}) for protocol in POOLS
}
CLOUD_MAP = {"awsCloudMap": {"namespaceName": "apps.local", "serviceName": NAME.split(".")[0]}}
INSTANCES = [
    Instance("10.0.0.2", 31002, True, {"AWS_INSTANCE_IPV4": "10.0.0.2", "AWS_INSTANCE_IPV6": "fd00::2"}),
    Instance("10.0.0.1", None, True, {"AWS_INSTANCE_IPV4": "10.0.0.1"}),
    Instance("10.0.0.3", 31003, False, {"AWS_INSTANCE_IPV4": "10.0.0.3"}),
]


def everything(port: int, protocol: str) -> dict[str, Any]:
    """A listener with all that a listener may have, but for TLS."""
    return listening(
        port,
        protocol,
        healthCheck={**HEALTH, "protocol": protocol, "path": "/health", "port": port},
        outlierDetection=EJECTED,
        connectionPool={protocol: POOLS[protocol]},
        timeout={protocol: TIMEOUTS[protocol]},
    )


def tls(mode: str = "STRICT", kind: str = "file", *names: str, mutual: bool = False) -> dict[str, Any]:
    """A listener's TLS, with the certificate from a file, over SDS, or from ACM."""
    certificates = {"file": own_certificate(), "sds": {"secretName": "own"}, "acm": {"certificateArn": "arn"}}
    found: dict[str, Any] = {"mode": mode, "certificate": {kind: certificates[kind]}}
    return found | ({"validation": trusting(kind, *names)} if mutual else {})


def trusting(kind: str = "file", *names: str) -> dict[str, Any]:
    trusts = {"file": trust(), "sds": {"secretName": "ca"}, "acm": {"certificateAuthorityArns": ["arn"]}}
    matched = {"subjectAlternativeNames": {"match": {"exact": [*names]}}} if names else {}
    return {"trust": {kind: trusts[kind]}, **matched}


def policy(kind: str = "file", *names: str, **more: Any) -> dict[str, Any]:
    """A client policy."""
    return {"tls": {"validation": trusting(kind, *names), **more}}


def caller(listener: dict[str, Any], own: Any = None, default: Any = None, **more: Any) -> MeshView:
    """Node `a` calls `b.local`, provided by node `b` with this listener."""
    defaults = {"backendDefaults": {"clientPolicy": default}} if default else {}
    backends = [backend("b.local", **({"clientPolicy": own} if own else {}))]
    _, spec = node("a", **defaults)
    spec["spec"]["backends"] = backends
    return mesh(("virtualNode/a", spec), node("b", listener, **more), service("b.local", virtualNode="b"))


def logging(**form: Any) -> dict[str, Any]:
    return {"accessLog": {"file": {"path": "/dev/null", **({"format": form} if form else {})}}}


def gateway(*listeners: dict[str, Any], **routes: dict[str, Any]) -> MeshView:
    """Gateway `g` with these gateway routes, and services `b.local` and `c.local` behind it."""
    made = [(f"virtualGateway/g/gatewayRoute/{name}", document(spec)) for name, spec in routes.items()]
    ports = [listening(80), listening(81)]
    return mesh(
        node("b", *ports),
        *service_by_router("b.local", "b", by_port(80), *ports, second=by_port(81)),
        service("c.local", virtualNode="b"),
        ("virtualGateway/g", document({"listeners": [*listeners] or [listening(8080)], "logging": logging()})),
        *made,
    )


def by_port(port: int) -> dict[str, Any]:
    spec = route({"b": 1})
    spec["http2Route"]["match"]["port"] = port
    spec["http2Route"]["action"]["weightedTargets"][0]["port"] = port
    return spec


def gateway_route(match: Any = None, rewrite: Any = None, kind: str = "http2Route", port: int | None = None) -> Any:
    """A gateway route to `b.local`."""
    target = {"virtualService": {"virtualServiceName": "b.local"}} | ({"port": port} if port else {})
    action = {"target": target} | ({"rewrite": rewrite} if rewrite else {})
    return {kind: {"match": {"prefix": "/"} if match is None else match, "action": action}}


def tcp_services() -> MeshView:
    """Node `a` calls two tcp services, one by a router with weights, one by its node, and an http one beside them."""
    spec = route({"db1": 50, "db2": 50}, "tcpRoute", timeout={"idle": S30})
    return mesh(
        node("a", backends=["db.local", "raw.local", "b.local"]),
        node("b"),
        *(node(name, listening(5432, "tcp")) for name in ("db1", "db2")),
        node("raw", listening(80, "tcp")),
        *router("db", listening(5432, "tcp"), db=spec),
        service("db.local", virtualRouter="db"),
        service("raw.local", virtualNode="raw"),
        service("b.local", virtualNode="b"),
    )


def cases() -> dict[str, tuple[MeshView, str]]:
    """Each case's mesh, and who asks."""
    a, b, g = "virtualNode/a", "virtualNode/b", "virtualGateway/g"
    found: dict[str, tuple[MeshView, str]] = {"tcp services": (tcp_services(), a)}
    for protocol in POOLS:
        found[f"{protocol} node"] = (caller(everything(80, protocol)), b)
        found[f"caller of an {protocol} node"] = (caller(everything(80, protocol)), a)
    found["tcp node with a grpc health check"] = (
        caller(listening(80, "tcp", healthCheck={**HEALTH, "protocol": "grpc"})),
        a,
    )
    for mode in ("STRICT", "PERMISSIVE", "DISABLED"):
        for kind in ("file", "sds"):
            listener = listening(80, "grpc", tls=tls(mode, kind, "a.b", "spiffe://x/y", mutual=True))
            found[f"node with TLS {mode} by {kind}"] = (caller(listener), b)
            found[f"caller of TLS {mode} by {kind}"] = (caller(listener), a)
    found["caller with policies"] = (
        caller(listening(), policy("sds", certificate={"sds": {"secretName": "own"}}), policy("file", "10.0.0.1")),
        a,
    )
    found["several listeners"] = (mesh(node("a", listening(80), listening(81, "tcp"), listening(82, "grpc"))), a)
    for preference in ("IPv4_ONLY", "IPv6_ONLY", "IPv4_PREFERRED", "IPv6_PREFERRED"):
        spec = {"serviceDiscovery": {"ipPreference": preference}}
        found[preference] = (mesh(*caller(listening()).resources.items(), spec=spec), a)
    found["strict DNS"] = (caller(listening(), serviceDiscovery=dns("b", responseType="ENDPOINTS")), a)
    found["Cloud Map"] = (caller(everything(80, "http2"), serviceDiscovery=CLOUD_MAP), a)
    found["another account's Cloud Map"] = (caller(listening(), serviceDiscovery=CLOUD_MAP, owner=OTHER), a)
    found["allow all"] = (mesh(*tcp_services().resources.items(), spec={"egressFilter": {"type": "ALLOW_ALL"}}), a)
    found["text log"] = (mesh(node("a", logging=logging(text="%REQ(:PATH)% %RESPONSE_CODE%\n"))), a)
    found["json log"] = (mesh(node("a", logging=logging(json=[{"key": "path", "value": "%REQ(:PATH)%"}]))), a)
    by_host = {name: gateway_route({"prefix": "/", "hostname": match}) for name, match in HOSTNAMES.items()}
    found["gateway"] = (gateway(listening(8080), listening(8443, tls=tls()), **by_host, **rewrites()), g)
    found["grpc gateway"] = (
        gateway(listening(8080, "grpc"), x=gateway_route({"serviceName": "s"}, kind="grpcRoute", port=81)),
        g,
    )
    return found


HOSTNAMES = {
    "exact": {"exact": "www.example.com"},
    "suffix": {"suffix": ".example.com"},
    "star": {"suffix": "*.example.org"},
}


def rewrites() -> dict[str, Any]:
    return {
        "kept": gateway_route({"prefix": "/kept"}, {"prefix": {"defaultPrefix": "DISABLED"}}),
        "value": gateway_route({"prefix": "/old/"}, {"prefix": {"value": "/new/"}}),
        "path": gateway_route({"path": {"exact": "/x"}}, {"path": {"exact": r"/\1"}}),
        "host": gateway_route({"path": {"regex": "/r.*"}}, {"hostname": {"defaultTargetHostname": "DISABLED"}}),
        "port": gateway_route({"prefix": "/", "port": 8443}, port=81),
    }


def told(view: MeshView, path: str, mode: str = "transparent") -> Configuration:
    """Translate; whatever is asked of Cloud Map is answered with `INSTANCES`."""
    instances = dict.fromkeys(cloud_map_queries(view, path), INSTANCES)
    return configuration(view, path, Options(mode, "us-east-1"), instances)
