"""Clusters: the upstreams of an Envoy, one for each listener of a virtual node that it may reach, and some of its own.

Sources: App Mesh user guide, "Envoy defaults" (circuit breakers), "Virtual nodes" (DNS), "Connection pools" (they guard
the application from its own Envoy, callers are not limited), "Outlier detection"; Envoy's cluster.proto.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.discovery.endpoints import cloud_map_endpoints
from domain.discovery.hostnames import lookup_family
from domain.discovery.terms import Instance
from domain.discovery.xds import CLUSTER, EXTENSIONS, UINT32, Resource, endpoint, load_assignment, millis, seconds
from domain.errors import Untranslatable

Spec = Mapping[str, Any]
UNLIMITED = 2**31 - 1
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP_OPTIONS_TYPE = f"{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"
EXPLICIT: dict[str, Resource] = {
    "http": {"http_protocol_options": {}},
    "http2": {"http2_protocol_options": {}},
    "grpc": {"http2_protocol_options": {}},
}


def cluster_name(mesh: str, kind: str, node: str, port: int, protocol: str) -> str:
    """Name a cluster so that people and statistics can read it: MESH/virtualNode/NAME/PORT/PROTOCOL.

    `kind` is `virtualNode`, or `ingress` for a node's own application.
    """
    return f"{mesh}/{kind}/{node}/{port}/{protocol}"


def named(name: str, stat_name: str = "") -> Resource:
    """Name a cluster, and its statistics where that takes another name: dots would cut it short in them.

    >>> named("apps/virtualNode/b.2/80/http2")["alt_stat_name"]
    'apps/virtualNode/b_2/80/http2'
    """
    counted = (stat_name or name).replace(".", "_")
    return {"@type": CLUSTER, "name": name, **({"alt_stat_name": counted} if counted != name else {})}


def thresholds(**limits: int) -> Resource:
    """Limit what an Envoy does at once; what is not limited is unlimited, as App Mesh has it."""
    unlimited = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
    return {"thresholds": [unlimited | limits]}


def speaking(protocol: str) -> Resource:
    """What makes a cluster speak a protocol; TCP needs nothing."""
    if protocol not in EXPLICIT:
        return {}
    options = {"@type": HTTP_OPTIONS_TYPE, "explicit_http_config": EXPLICIT[protocol]}
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: options}}


def mirroring() -> Resource:
    """What makes a cluster speak to its upstream whatever HTTP its downstream spoke."""
    mirrored: Resource = {"http_protocol_options": {}, "http2_protocol_options": {}}
    options = {"@type": HTTP_OPTIONS_TYPE, "use_downstream_protocol_config": mirrored}
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: options}}


def node_cluster(
    name: str,
    stat_name: str,
    discovery: Spec,
    listener: Spec,
    preference: str | None,
    instances: Sequence[Instance],
    transport_socket: Resource | None,
) -> Resource:
    """Write the cluster of one listener of a virtual node, as its callers have it.

    `stat_name` is one for all clusters of that listener, so that its requests are counted together.
    """
    mapping = listener["portMapping"]
    cluster: Resource = {
        **named(name, stat_name),
        "circuit_breakers": thresholds(),
        **speaking(mapping["protocol"]),
        **found(name, discovery, listener, preference, instances),
    }
    if "healthCheck" in listener:
        cluster |= checked(listener["healthCheck"], host_of(discovery), mapping["protocol"])
    if "outlierDetection" in listener:
        cluster["outlier_detection"] = outlier_detection(listener["outlierDetection"])
    if transport_socket:
        cluster["transport_socket"] = transport_socket
    return cluster


def found(
    name: str, discovery: Spec, listener: Spec, preference: str | None, instances: Sequence[Instance]
) -> Resource:
    """How a cluster finds its endpoints: by DNS, by Cloud Map as it was read, or (no service discovery) not at all."""
    port = listener["portMapping"]["port"]
    if "dns" in discovery:
        dns = discovery["dns"]
        return {
            "type": "STRICT_DNS" if dns.get("responseType") == "ENDPOINTS" else "LOGICAL_DNS",
            "dns_lookup_family": lookup_family(preference),
            "load_assignment": load_assignment(name, [endpoint(dns["hostname"], port)]),
        }
    endpoints, by_name = cloud_map_endpoints(instances, port, preference)
    resolved = {"type": "STRICT_DNS", "dns_lookup_family": lookup_family(preference)} if by_name else {"type": "STATIC"}
    return {**resolved, "load_assignment": load_assignment(name, endpoints)}


def host_of(discovery: Spec) -> str:
    """The name that a virtual node is discovered by; certificates carry it (user guide, "TLS")."""
    if "awsCloudMap" in discovery:
        return f"{discovery['awsCloudMap']['serviceName']}.{discovery['awsCloudMap']['namespaceName']}"
    name: str = discovery.get("dns", {}).get("hostname", "")
    return name


def checked(policy: Spec, host: str, protocol: str) -> Resource:
    """How a cluster is checked. gRPC's check needs a cluster that speaks HTTP/2, which does a tcp one no harm.

    Raises Untranslatable for a gRPC check of an http listener.
    """
    by_grpc = policy["protocol"] == "grpc"
    if by_grpc and protocol == "http":
        raise Untranslatable("healthCheck.protocol is grpc, which a listener of protocol http cannot answer")
    speaks = speaking("grpc") if by_grpc and protocol == "tcp" else {}
    return {"health_checks": [health_check(policy, host)], "ignore_health_on_host_removal": True, **speaks}


def health_check(policy: Spec, host: str) -> Resource:
    """Write an active health check. Its Host is the node's name: Envoy would send the cluster's."""
    checks: dict[str, Resource] = {
        "tcp": {"tcp_health_check": {}},
        "grpc": {"grpc_health_check": {"authority": host}},
        "http": {"http_health_check": {"host": host, "path": policy.get("path") or "/"}},
        "http2": {"http_health_check": {"host": host, "path": policy.get("path") or "/", "codec_client_type": "HTTP2"}},
    }
    return {
        "timeout": millis(policy["timeoutMillis"]),
        "interval": millis(policy["intervalMillis"]),
        "healthy_threshold": policy["healthyThreshold"],
        "unhealthy_threshold": policy["unhealthyThreshold"],
        **checks[policy["protocol"]],
    }


def outlier_detection(policy: Spec) -> Resource:
    """Eject endpoints that answer with server errors in a row, for no other reason than that."""
    return {
        "consecutive_5xx": min(policy["maxServerErrors"], UINT32),
        "interval": seconds(policy["interval"]),
        "base_ejection_time": seconds(policy["baseEjectionDuration"]),
        "max_ejection_percent": policy["maxEjectionPercent"],
        "enforcing_success_rate": 0,
    }


def pool_limits(pool: Spec) -> dict[str, int]:
    """The limits of a connection pool, which holds one protocol's."""
    limits: Spec = next(iter(pool.values()), {})
    named = {"maxConnections": "max_connections", "maxPendingRequests": "max_pending_requests"}
    found = {named.get(key, "max_requests"): value for key, value in limits.items()}
    return {name: min(value, UNLIMITED) for name, value in found.items()}


def application_cluster(name: str, host: str, listener: Spec) -> Resource:
    """Write the cluster of the application beside Envoy; the node's connection pool guards it."""
    mapping = listener["portMapping"]
    return {
        **named(name),
        "type": "STATIC",
        "circuit_breakers": thresholds(**pool_limits(listener.get("connectionPool", {}))),
        **speaking(mapping["protocol"]),
        "load_assignment": load_assignment(name, [endpoint(host, mapping["port"])]),
    }


def passthrough_cluster(name: str) -> Resource:
    """Write the cluster that goes where the application wanted to go."""
    return {
        **named(name),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": thresholds(),
        **mirroring(),
    }
