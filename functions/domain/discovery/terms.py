"""What is asked of the translation and what it answers: options, Cloud Map, what moved lately, the configuration."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Resource = dict[str, Any]


class Shared(dict[str, Any]):
    """A resource, or a virtual host, that many proxies are told alike: written once."""

    @cached_property
    def text(self) -> str:
        """Its JSON."""
        return written(self)


def written(resource: Mapping[str, Any]) -> str:
    """Write a resource as JSON, the same for equal ones."""
    return json.dumps(resource, separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True)
class Options:
    """How the asking Envoy is set up: `interception` is `transparent` or `proxy`."""

    interception: str
    region: str
    inbound_port: int = 15000
    outbound_port: int = 15001
    poll_seconds: int = 5
    """How often it asks for its routes, which its listeners have to say."""
    tracing: bool = False
    """Whether somebody beside it takes segments for X-Ray."""


@dataclass(frozen=True, order=True)
class CloudMapQuery:
    """Whom to ask Cloud Map for: instances of a service that carry all of these attributes, for one virtual node."""

    namespace: str
    service: str
    attributes: tuple[tuple[str, str], ...]
    node: str
    """The virtual node's path."""


@dataclass(frozen=True)
class Instance:
    """A Cloud Map instance; the port is None when it registered none."""

    address: str
    port: int | None
    healthy: bool
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Moved:
    """What changed so lately that not every Envoy can know it: REST discovery has no order of its own.

    A target of `fresh` has its cluster served already and gets no weight yet: its share goes to the route's other
    targets in proportion. When nothing else has weight, it is served as it is. The clusters of `former` nodes are
    served although nothing may lead to them any more.
    """

    fresh: frozenset[tuple[str, str]] = frozenset()
    """(path of a route, name of the virtual node it targets)."""
    former: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Path of a virtual node → its document, of which the mesh may hold none any more."""


NOTHING_MOVED = Moved()


@dataclass(frozen=True, order=True)
class Fault:
    """A resource of the mesh that could not be translated, and why. Where it stood, nothing stands."""

    path: str
    message: str


@dataclass(frozen=True)
class Configuration:
    """The resources of one Envoy, each with its `@type`, in order of their names."""

    clusters: tuple[Resource, ...]
    listeners: tuple[Resource, ...]
    routes: tuple[Resource, ...]
    endpoints: tuple[Resource, ...]
    """Those of Cloud Map, which their clusters hold already; for who asks for them by themselves."""
    faults: tuple[Fault, ...]


Instances = Mapping[CloudMapQuery, Sequence[Instance]]
