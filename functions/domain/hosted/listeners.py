"""Rules about listeners: of nodes, routers and gateways, and how routes and targets fit them.

Sources: App Mesh's user guide and API reference, and messages of the real service as quoted in public issues
(hashicorp/terraform-provider-aws#35294, aws/aws-app-mesh-controller-for-k8s#715).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.hosted.errors import bad_request

Listeners = Mapping[int, str]
"""Port → protocol."""


def listeners_of(spec: Mapping[str, Any]) -> dict[int, str]:
    """The ports of a node, router or gateway with their protocols.

    >>> listeners_of({"listeners": [{"portMapping": {"port": 80, "protocol": "http2"}}]})
    {80: 'http2'}
    """
    mappings = [listener["portMapping"] for listener in spec.get("listeners", ())]
    return {mapping["port"]: mapping["protocol"] for mapping in mappings}


def check_listeners(spec: Mapping[str, Any]) -> None:
    """Each port once; connection pool of the listener's protocol; health check on the listener's port."""
    seen = set()
    for index, listener in enumerate(spec.get("listeners", ())):
        where, mapping = f"spec.listeners[{index}]", listener["portMapping"]
        if mapping["port"] in seen:
            raise bad_request(f"{where}.portMapping.port {mapping['port']} is listened on twice")
        seen.add(mapping["port"])
        pool = listener.get("connectionPool", {})
        if pool and mapping["protocol"] not in pool:
            raise bad_request(f"{where}.connectionPool must be of the listener's protocol, {mapping['protocol']}")
        checked_port = listener.get("healthCheck", {}).get("port", mapping["port"])
        if checked_port != mapping["port"]:
            raise bad_request(
                f"{where}.healthCheck.port is {checked_port}; it must be the listener's, {mapping['port']}"
            )


def check_route_fits(what: str, protocol: str, port: int | None, listeners: Listeners, parent: str) -> None:
    """A route speaks the protocol of the listener that it matches, and names its port when there are several."""
    if not listeners:
        return
    if port is None and len(listeners) > 1:
        raise bad_request(f"{what} must define a port match criteria if the {parent} has multiple listeners")
    if port is not None and port not in listeners:
        raise bad_request(f"{what} matches port {port}; the {parent} listens on {ports(listeners)}")
    listener = listeners[port] if port is not None else next(iter(listeners.values()))
    if listener != protocol:
        raise bad_request(f"{what} is of protocol {protocol}; the {parent}'s listener is of protocol {listener}")


def check_target_fits(where: str, port: int | None, node: str, listeners: Listeners) -> None:
    """A target names one of its node's ports, and must when there are several."""
    if port is None and len(listeners) > 1:
        raise bad_request(f"{where}.port is required: virtual node {node} listens on {ports(listeners)}")
    if port is not None and listeners and port not in listeners:
        raise bad_request(f"{where}.port is {port}; virtual node {node} listens on {ports(listeners)}")


def check_routes_still_fit(entries: Mapping[str, Mapping[str, Any]], listeners: Listeners, parent: str) -> None:
    """New listeners of a router or gateway leave no route of it behind. `entries` is the listing of its routes."""
    for name, entry in entries.items():
        expects = entry["expects"]
        check_route_fits(f"Route {name}", expects["protocol"], expects.get("port"), listeners, parent)


def check_targets_still_fit(referrers: Mapping[str, Iterable[int | None]], node: str, listeners: Listeners) -> None:
    """New listeners of a node leave no route behind that targets it. `referrers`: path → ports that it names."""
    for path, named in sorted(referrers.items()):
        if "/route/" in path:
            for port in named:
                check_target_fits(f"the target in {path}", port, node, listeners)


def ports(listeners: Listeners) -> str:
    return ", ".join(str(port) for port in sorted(listeners))
