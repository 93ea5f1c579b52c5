"""A whole mesh at one moment, as `Describe*` answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    def find_spec(self, path: str) -> Mapping[str, Any] | None:
        """The spec of a resource, or None when there is none."""
        document = self.resources.get(path)
        return None if document is None else document["spec"]
