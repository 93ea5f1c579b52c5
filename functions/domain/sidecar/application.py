"""Which of a task's containers is the application, and which of them wait for Envoy."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.enrolment import PREFIX
from domain.errors import Refused
from domain.sidecar.wanted import ENVOY, USER

Container = Mapping[str, Any]


def application_container(family: str, containers: Sequence[Container], named: str | None) -> Container:
    """Return the application's container: the one that the tag names, else the only essential one with a TCP port.

    Raises Refused when there is none, or more than one.
    """
    names = ", ".join(each["name"] for each in containers)
    if named is not None:
        for container in containers:
            if container["name"] == named:
                return container
        raise Refused(f"tag {PREFIX}container: {named!r} is no container of task definition {family}; it has {names}")
    essential = [each for each in containers if is_essential(each)]
    if not essential:
        raise Refused(f"task definition {family} has no essential container (of {names}); ECS needs one")
    candidates = [each for each in essential if any(True for _ in tcp_ports(each))]
    if len(candidates) == 1:
        return candidates[0]
    many = f"{len(candidates)} essential containers with a port"
    found = many if candidates else "no essential container with a port"
    raise Refused(
        f"task definition {family} has {found} (of {names}); name the application's with the tag {PREFIX}container"
    )


def waiting(containers: Sequence[Container], application: str) -> list[str]:
    """Name the containers that wait for Envoy: essential ones, and those that these wait for to finish.

    While Envoy does not run, redirected traffic goes nowhere, and that is true of a container which prepares the
    application's start too. What runs as Envoy's user is not redirected. A log router does not wait, nor what it needs:
    Envoy's own log may go through it.
    """
    by_name = {each["name"]: each for each in containers}
    routers = [each["name"] for each in containers if each.get("firelensConfiguration")]
    exempt = _reached(by_name, routers, {"START", "COMPLETE", "SUCCESS", "HEALTHY"})
    exempt = (exempt | {each["name"] for each in containers if runs_as_envoy(each)}) - {application}
    first = [each["name"] for each in containers if is_essential(each) or each["name"] == application]
    wait = _reached(by_name, [name for name in first if name not in exempt], {"COMPLETE", "SUCCESS"}) - exempt
    return [each["name"] for each in containers if each["name"] in wait]


def is_essential(container: Container) -> bool:
    """ECS takes a container for essential that does not say otherwise."""
    return container.get("essential") is not False


def runs_as_envoy(container: Container) -> bool:
    """Say whether a container has the user whose traffic is not redirected."""
    return str(container.get("user") or "").partition(":")[0] == USER


def tcp_ports(container: Container) -> Iterator[range]:
    """Go through the TCP ports that a container maps, a range each; only TCP is redirected.

    >>> list(tcp_ports({"portMappings": [{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}]}))
    [range(80, 81)]
    """
    for mapping in container.get("portMappings") or []:
        if mapping.get("protocol", "tcp") != "tcp":
            continue
        first, _, last = str(mapping.get("containerPortRange") or mapping.get("containerPort") or "").partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            yield range(int(first), int(last or first) + 1)


def _reached(by_name: Mapping[str, Container], start: Sequence[str], conditions: set[str]) -> set[str]:
    """Follow `dependsOn` from some containers on."""
    found: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name in found or name not in by_name or name == ENVOY:
            continue
        found.add(name)
        todo += [
            each["containerName"]
            for each in by_name[name].get("dependsOn") or []
            if each.get("condition") in conditions
        ]
    return found
