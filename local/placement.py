"""What must differ when a task runs on this machine instead of in a network of its own, and nothing else: a pure room.

On AWS every task has an address of its own, and its traffic is redirected to its Envoy. Here all tasks share 127.0.0.1
and nothing is redirected, so each port of a task has one of this machine that stands for it:

| on AWS | here |
|---|---|
| the administration's port 9901 | one of the task's own, in the bootstrap and in the health check |
| Envoys that share nothing, by their containers | `--use-dynamic-base-id`, in the command |
| a connection to port 80 of the task, redirected to port 15000 | a port of the ingress listener that stands for 80 |
| a connection of the application to anybody's port 80, redirected to port 15001 | one of the egress listener's |
| the application's port | one that stands for it |
| a name, resolved by DNS | the address and port of a task that is found by this name |
| a connection that goes where it was meant to | it is refused: nobody here knows where that was |
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.bootstrap import ADMIN_PORT

Resource = dict[str, Any]
LOOPBACK = "127.0.0.1"
CLOSED = (LOOPBACK, 9)
"""Where nobody listens, and below the ports that are given to tasks."""
_OWN = ("127.0.0.1", "0.0.0.0", "::1", "::")
Names = Callable[[str, int], Sequence[tuple[str, int]] | None]
"""Gives the addresses of a name and port: none when no task has them now, None when it is nothing of ours."""


@dataclass
class Place:
    """The ports of this machine that stand for a task's."""

    admin: int
    application: dict[int, int] = field(default_factory=dict)
    """By the application's ports."""
    listeners: dict[tuple[str, int], int] = field(default_factory=dict)
    """By listener and port: its own, and those that would be redirected to it."""


def bootstrap_here(text: str, place: Place) -> str:
    """Give a bootstrap the place's administration port."""
    document = json.loads(text)
    document["admin"]["address"]["socket_address"]["port_value"] = place.admin
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def command_here(command: Sequence[str], place: Place) -> list[str]:
    """Change the command of Envoy's container: `bash -c START BOOTSTRAP ID`."""
    shell, option, start, text, *rest = command
    return [shell, option, f"{start} --use-dynamic-base-id --log-level warn", bootstrap_here(text, place), *rest]


def check_here(health_check: Mapping[str, Any], place: Place) -> list[str]:
    """Change the command of Envoy's health check (`CMD …`)."""
    return [
        word.replace(f"/{LOOPBACK}/{ADMIN_PORT}", f"/{LOOPBACK}/{place.admin}") for word in health_check["command"]
    ][1:]


def ports_of(listener: Mapping[str, Any]) -> list[int]:
    """The ports that a listener takes connections for: its own first, then those that would be redirected to it."""
    matches = [chain.get("filter_chain_match", {}) for chain in listener["filter_chains"]]
    meant = {match["destination_port"] for match in matches if "destination_port" in match}
    own = listener["address"]["socket_address"]["port_value"]
    return [own, *sorted(meant - {own})]


def resources_here(resources: Sequence[Resource], place: Place, names: Names, turn: int) -> list[Resource]:
    """Change resources of discovery: listeners and clusters. The place must have all ports of the listeners.

    `turn`: which of several addresses is taken where a cluster can only have one.
    """
    return [
        _listener(each, place) if "filter_chains" in each else _cluster(each, place, names, turn) for each in resources
    ]


def _listener(listener: Resource, place: Place) -> Resource:
    here = copy.deepcopy(listener)
    name = listener["name"]
    own, *others = (place.listeners[name, port] for port in ports_of(listener))
    here["address"] = {"socket_address": _socket_address(LOOPBACK, own)}
    if others:
        here["additional_addresses"] = [
            {"address": {"socket_address": _socket_address(LOOPBACK, port)}} for port in others
        ]
    for chain in here["filter_chains"]:
        match = chain.get("filter_chain_match", {})
        if "destination_port" in match:
            match["destination_port"] = place.listeners[name, match["destination_port"]]
    for each in here.get("listener_filters", ()):
        _move_ranges(each, name, place)
    return here


def _move_ranges(value: Any, listener: str, place: Place) -> None:
    """Listener filters are off for all but some ports, each written as a range."""
    if isinstance(value, list):
        for each in value:
            _move_ranges(each, listener, place)
    elif isinstance(value, dict):
        if set(value) == {"start", "end"}:
            port = place.listeners[listener, value["start"]]
            value.update(start=port, end=port + 1)
        for each in value.values():
            _move_ranges(each, listener, place)


def _cluster(cluster: Resource, place: Place, names: Names, turn: int) -> Resource:
    here = copy.deepcopy(cluster)
    if here.get("type") == "ORIGINAL_DST":
        here["original_dst_lb_config"] = {**here.get("original_dst_lb_config", {}), "upstream_port_override": CLOSED[1]}
    for group in here.get("load_assignment", {}).get("endpoints", ()):
        moved = []
        for each in group["lb_endpoints"]:
            address = each["endpoint"]["address"].get("socket_address")
            found = _addresses(address["address"], address["port_value"], place, names) if address else None
            if found is None:
                moved.append(each)
            else:
                one = here.get("type") == "LOGICAL_DNS"
                for host, port in [found[turn % len(found)]] if one else found:
                    moved.append(
                        {
                            **each,
                            "endpoint": {
                                **each["endpoint"],
                                "address": {"socket_address": _socket_address(host, port)},
                            },
                        }
                    )
        group["lb_endpoints"] = moved
    return here


def _addresses(host: str, port: int, place: Place, names: Names) -> Sequence[tuple[str, int]] | None:
    if host in _OWN:
        own = {number: here for (_, number), here in place.listeners.items()} | place.application
        return [(LOOPBACK, own[port])] if port in own else None
    found = names(host, port)
    return found if found is None else found or [CLOSED]


def _socket_address(host: str, port: int) -> Resource:
    return {"address": host, "port_value": port}
