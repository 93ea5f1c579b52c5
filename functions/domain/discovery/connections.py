"""HTTP connection managers: how an Envoy takes HTTP in."""

from collections.abc import Mapping
from typing import Any

from domain.bootstrap import polled
from domain.discovery.xds import Resource, extension

Spec = Mapping[str, Any]
ROUTER = extension("envoy.filters.http.router", "filters.http.router.v3.Router")


def http_connections(stat_prefix: str, access_log: list[Resource], **settings: Any) -> Resource:
    """Write the filter that takes HTTP/1 (of the old 1.0, too) and HTTP/2 in, WebSocket included.

    Between sidecars, X-Forwarded-For and x-envoy-* are passed on as they come: the edge has looked at them.
    """
    upgrades = [{"upgrade_type": "websocket"}, *settings.pop("upgrade_configs", ())]
    return extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        **{
            "stat_prefix": stat_prefix,
            "upgrade_configs": upgrades,
            "http_filters": [ROUTER],
            "http_protocol_options": {"accept_http_10": True},
            **({"access_log": access_log} if access_log else {}),
            **settings,
        },
    )


def by_discovery(name: str, poll_seconds: int) -> Resource:
    """Say that routes are polled for under a name: a change of theirs never touches the listener."""
    return {"rds": {"route_config_name": name, "config_source": polled(poll_seconds)}}
