"""Words of Envoy's configuration that many resources share: types, addresses, durations, filters."""

from collections.abc import Mapping
from typing import Any

Resource = dict[str, Any]

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE_CONFIGURATION = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
CLUSTER_LOAD_ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
EXTENSIONS = "type.googleapis.com/envoy.extensions"

UINT32 = 2**32 - 1
LONGEST = 3_153_600_000
"""Seconds, a hundred years: Envoy refuses durations that overflow its clocks, and nobody waits longer."""


def extension(name: str, kind: str, **settings: Any) -> Resource:
    """Name an extension and configure it; `kind` is its type below envoy.extensions."""
    return {"name": name, "typed_config": {"@type": f"{EXTENSIONS}.{kind}", **settings}}


def seconds(duration: Mapping[str, Any]) -> str:
    """Write an App Mesh Duration (a unit and a value; either missing counts as seconds, and as none) as Envoy's.

    >>> seconds({"unit": "ms", "value": 2500}), seconds({"unit": "s", "value": 15})
    ('2.500s', '15s')
    """
    value = duration.get("value", 0)
    whole, rest = divmod(value, 1000) if duration.get("unit") == "ms" else (value, 0)
    if whole >= LONGEST:
        return f"{LONGEST}s"
    return f"{whole}.{rest:03}s" if rest else f"{whole}s"


def millis(value: int) -> str:
    """Write milliseconds as Envoy's Duration."""
    return seconds({"unit": "ms", "value": value})


def socket_address(host: str, port: int) -> Resource:
    """Write an address; `::` takes IPv4 as well."""
    address: Resource = {"address": host, "port_value": port}
    return {"socket_address": address | ({"ipv4_compat": True} if host == "::" else {})}


def endpoint(host: str, port: int) -> Resource:
    return {"endpoint": {"address": socket_address(host, port)}}


def load_assignment(cluster: str, endpoints: list[Resource]) -> Resource:
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]}
