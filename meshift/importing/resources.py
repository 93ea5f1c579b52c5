"""What all sources are read into: resources that fit App Mesh's model and rules, and refusals of those that do not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.hosted.errors import ApiError, bad_request
from domain.hosted.kinds import (
    GATEWAY_ROUTE,
    MESH,
    ROUTE,
    VIRTUAL_GATEWAY,
    VIRTUAL_NODE,
    VIRTUAL_ROUTER,
    VIRTUAL_SERVICE,
    Kind,
    named,
    path_of,
)
from domain.hosted.shapes import checked
from domain.hosted.specs import check_spec, references
from domain.hosted.tags import mapping_of

ORDER = (MESH, VIRTUAL_NODE, VIRTUAL_GATEWAY, VIRTUAL_ROUTER, ROUTE, VIRTUAL_SERVICE, GATEWAY_ROUTE)
"""The kinds, each after those that its specs may name."""


@dataclass(frozen=True)
class Key:
    """A resource's identity in a target: the mesh's owner (empty: the caller), the mesh, the path in it."""

    owner: str
    mesh: str
    path: str


@dataclass(frozen=True)
class Resource:
    """A resource as it shall be. `names`: the members of a Describe request; `tags`: None when nobody knows them."""

    kind: Kind
    names: Mapping[str, str]
    spec: Mapping[str, Any]
    tags: Mapping[str, str] | None
    origin: str

    @property
    def path(self) -> str:
        return path_of(self.kind, self.names)

    @property
    def key(self) -> Key:
        return self.key_of(self.path)

    def key_of(self, path: str) -> Key:
        """Identify another resource of the same mesh."""
        return Key(self.names.get("meshOwner", ""), self.names["meshName"], path)

    @property
    def needs(self) -> list[Key]:
        """What must exist before this can: the mesh, what it lies in, and what its spec names."""
        if self.kind is MESH:
            return []
        parent = [f"{self.kind.parent}/{self.names[f'{self.kind.parent}Name']}"] if self.kind.parent else []
        return [self.key_of(path) for path in ("", *parent, *references(self.kind.name, self.spec))]


@dataclass(frozen=True)
class Refusal:
    """Something in a source that cannot be imported, and why.

    `name` is what the source calls it, `key` what it would have been, when that much is clear.
    """

    kind: Kind
    name: str
    origin: str
    reasons: tuple[str, ...]
    key: Key | None = None


Found = Resource | Refusal


def resource_of(kind: Kind, members: Mapping[str, Any], origin: str, name: str) -> Found:
    """Make a resource of a Create request's members, or say which rule they break.

    `members`: names, `spec` and `tags`, in the API's spelling; `name` is for refusals.
    """
    try:
        if "clientToken" in members:
            raise bad_request("clientToken is not part of a resource")
        params = checked(dict(members), f"Create{kind.title}Input", "")
        spec = params.pop("spec", {})
        tags = mapping_of(params.pop("tags")) if "tags" in params else None
        for member, value in params.items():
            if member != "meshOwner":
                named(value, member)
        check_spec(kind.name, spec)
    except ApiError as error:
        return Refusal(kind, name, origin, (error.message,), key_of(kind, members))
    return Resource(kind, params, spec, tags, origin)


def key_of(kind: Kind, members: Mapping[str, Any]) -> Key | None:
    """Identify a resource by the members of a Create request, unless a name is missing."""
    try:
        return Key(str(members.get("meshOwner") or ""), str(members["meshName"]), path_of(kind, members))
    except KeyError:
        return None


def own_tags(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """Leave out what AWS services put on a resource (`aws:cloudformation:stack-name`): nobody else may set it."""
    return [tag for tag in tags if not tag["key"].lower().startswith("aws:")]
