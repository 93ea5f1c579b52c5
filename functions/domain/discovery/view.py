"""A whole mesh at one moment, as `Describe*` answers it."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

Found = TypeVar("Found")
Document = Mapping[str, Any]


@dataclass(frozen=True)
class MeshView:
    """A mesh: its name, its owner's account, its spec, and its resources' documents by their paths in ARNs.

    Paths are `virtualNode/x`, `virtualRouter/r/route/x`, `virtualGateway/g/gatewayRoute/x`, `virtualService/x`, ….
    """

    name: str
    owner: str
    spec: Mapping[str, Any]
    resources: Mapping[str, Document]

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """The paths of routes by their router's, and of gateway routes by their gateway's, in order."""
        found: dict[str, list[str]] = {}
        for path in self.resources:
            if path.count("/") == 3:
                found.setdefault(path.rsplit("/", 2)[0], []).append(path)
        return {parent: tuple(sorted(paths)) for parent, paths in found.items()}

    @cached_property
    def listened(self) -> Mapping[str, tuple[tuple[int, str], ...]]:
        """Port and protocol of each listener of each virtual node, by the node's name."""
        return {
            path.partition("/")[2]: tuple(
                (each["portMapping"]["port"], each["portMapping"]["protocol"])
                for each in document["spec"].get("listeners", ())
            )
            for path, document in self.resources.items()
            if path.startswith("virtualNode/")
        }

    @cached_property
    def asks_cloud_map(self) -> bool:
        """Whether any virtual node is found by Cloud Map."""
        specs = (document["spec"] for document in self.resources.values())
        return any("awsCloudMap" in spec.get("serviceDiscovery", {}) for spec in specs)

    @cached_property
    def _found(self) -> dict[Hashable, Any]:
        return {}

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """Find once what the translations of this very mesh for many proxies have in common."""
        if what not in self._found:
            self._found[what] = find()
        found: Found = self._found[what]
        return found

    def find_spec(self, path: str) -> Mapping[str, Any] | None:
        """The spec of a resource, or None when there is none."""
        document = self.resources.get(path)
        return None if document is None else document["spec"]
