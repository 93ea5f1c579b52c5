"""Virtual hosts: how a request finds its virtual service by Host."""

from collections.abc import Sequence

from domain.discovery.routes import EVERYTHING, NOBODY, http_routes
from domain.discovery.services import Port, Service
from domain.discovery.terms import Fault, Moved, Shared
from domain.discovery.view import MeshView
from domain.discovery.xds import Resource


def virtual_hosts(view: MeshView, services: Sequence[Service], moved: Moved) -> tuple[list[Resource], list[Fault]]:
    """Write a virtual host for each http port of each service; a service that nobody provides answers 503."""
    hosts: list[Resource] = []
    faults: list[Fault] = []
    for service in services:
        # What the callers of a service differ in, TLS, shows in the names of clusters only.
        what = ("hosts", service.name, service.own_policy, moved.fresh)
        written, found = view.once(what, lambda service=service: hosts_of(view, service, moved))  # type: ignore[misc]
        hosts += written
        faults += found
    return hosts, faults


def hosts_of(view: MeshView, service: Service, moved: Moved) -> tuple[list[Shared], list[Fault]]:
    """Write the virtual hosts of one service."""
    ports = [port for port in service.ports if port.protocol != "tcp"]
    if not service.ports:
        nowhere = [{"match": EVERYTHING, **NOBODY}]
        return [Shared(name=service.name, domains=domains(service, None, ports), routes=nowhere)], []
    hosts, faults = [], []
    for port in ports:
        routes, found = http_routes(view, service, port, moved)
        faults += found
        name = f"{service.name}:{port.number}"
        hosts.append(Shared(name=name, domains=domains(service, port, ports), routes=routes))
    return hosts, faults


def domains(service: Service, port: Port | None, ports: Sequence[Port]) -> list[str]:
    """The values of Host that mean a port of a service: of several, the one that is named, else 80, else the first."""
    if port is None or len(ports) == 1:
        return [service.name, f"{service.name}:*"]
    numbers = [each.number for each in ports]
    default = 80 if 80 in numbers else numbers[0]
    return [f"{service.name}:{port.number}", *([service.name] if port.number == default else [])]
