"""Ingress of a virtual node: what is sent to its ports, led to the application beside Envoy.

There is nothing to choose between here, so these routes stand in the listener: a route configuration of their own
would be one more poll of every Envoy. Only a listener's own time-outs change them.
"""

from collections.abc import Mapping
from typing import Any

from domain.discovery.clusters import application_cluster, cluster_name
from domain.discovery.connections import http_connections
from domain.discovery.hostnames import bound_address, ip_preference, loopback
from domain.discovery.logs import access_log
from domain.discovery.retries import timeouts
from domain.discovery.routes import tcp_proxy
from domain.discovery.terms import Fault, Options
from domain.discovery.tls import listener_tls
from domain.discovery.tracing import traced
from domain.discovery.view import MeshView
from domain.discovery.xds import LISTENER, Resource, extension, socket_address
from domain.errors import Untranslatable

Spec = Mapping[str, Any]
ORIGINAL_DST = extension("envoy.filters.listener.original_dst", "filters.listener.original_dst.v3.OriginalDst")
TLS_INSPECTOR = extension("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")


def ingress(view: MeshView, path: str, options: Options) -> tuple[list[Resource], list[Resource], list[Fault]]:
    """Write a node's ingress listener and the clusters of its application; a port that cannot be served is a fault.

    Without interception nobody tells which port a caller wanted, so only the first listener's is served.
    """
    spec = view.find_spec(path) or {}
    transparent = options.interception == "transparent"
    node, preference = path.partition("/")[2], ip_preference(view, spec)
    segments = traced(view, path, options)
    chains, clusters, faults = [], [], []
    for index, listener in enumerate(spec.get("listeners", ())[: None if transparent else 1]):
        mapping = listener["portMapping"]
        name = cluster_name(view.name, "ingress", node, mapping["port"], mapping["protocol"])
        match = {"destination_port": mapping["port"]} if transparent else {}
        try:
            chains += filter_chains(listener, f"spec.listeners[{index}]", match, entry(listener, name, spec, segments))
        except Untranslatable as error:
            faults.append(Fault(path, str(error)))
            continue
        clusters.append(application_cluster(name, loopback(preference), listener))
    if not chains:
        return [], [], faults
    inspected = any("transport_protocol" in chain.get("filter_chain_match", {}) for chain in chains)
    listener = {
        "@type": LISTENER,
        "name": "ingress",
        "traffic_direction": "INBOUND",
        "address": socket_address(bound_address(preference), options.inbound_port),
        "listener_filters": [ORIGINAL_DST] * transparent + [TLS_INSPECTOR] * inspected,
        "filter_chains": chains,
    }
    return [listener], clusters, faults


def filter_chains(listener: Spec, where: str, match: Resource, entry: Resource) -> list[Resource]:
    """Write the chains of a listener's port: one with TLS or one without, or both when TLS is PERMISSIVE."""
    secured = listener_tls(listener, where)
    mode = listener.get("tls", {}).get("mode", "DISABLED")
    chains = []
    if mode in ("DISABLED", "PERMISSIVE"):
        raw = {**match, "transport_protocol": "raw_buffer"} if secured else match
        chains.append({"filter_chain_match": raw, "filters": [entry]} if raw else {"filters": [entry]})
    if secured:
        encrypted = {**match, "transport_protocol": "tls"} if mode == "PERMISSIVE" else match
        found = {"filters": [entry], "transport_socket": secured}
        chains.append({"filter_chain_match": encrypted, **found} if encrypted else found)
    return chains


def entry(listener: Spec, cluster: str, spec: Spec, segments: dict[str, Any]) -> Resource:
    """Write the filter that leads from a listener's port to the application, within the listener's time-outs."""
    mapping = listener["portMapping"]
    stat_prefix = f"ingress/{mapping['port']}"
    timeout: Spec = next(iter(listener.get("timeout", {}).values()), {})
    if mapping["protocol"] == "tcp":
        return tcp_proxy(stat_prefix, {"cluster": cluster}, timeout, access_log(spec))
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster, **timeouts(timeout)}}
    routes = {
        "name": "ingress",
        "virtual_hosts": [{"name": "application", "domains": ["*"], "routes": [route]}],
        "validate_clusters": False,  # listeners may be polled before clusters
    }
    return http_connections(stat_prefix, access_log(spec), route_config=routes, **segments)
