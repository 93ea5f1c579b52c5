"""The kinds of App Mesh resources: their names on the wire, where they live, how many there may be.

A resource's *path* is what its ARN says below the mesh: `virtualRouter/R/route/X`; the mesh itself has the empty path.
A *collection* is the path without the last name: `virtualNode`, `virtualRouter/R/route`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.hosted.errors import bad_request
from domain.hosted.shapes import readable


@dataclass(frozen=True)
class Kind:
    """One kind of resource. `quota`: how many a collection may hold (App Mesh's default service quotas)."""

    name: str
    quota: int
    parent: str | None = None

    @property
    def title(self) -> str:
        return self.name[0].upper() + self.name[1:]

    @property
    def name_member(self) -> str:
        return f"{self.name}Name"

    @property
    def plural(self) -> str:
        return f"{self.name}es" if self.name == "mesh" else f"{self.name}s"


MESH = Kind("mesh", 15)
VIRTUAL_NODE = Kind("virtualNode", 200)
VIRTUAL_ROUTER = Kind("virtualRouter", 200)
VIRTUAL_SERVICE = Kind("virtualService", 200)
VIRTUAL_GATEWAY = Kind("virtualGateway", 3)
ROUTE = Kind("route", 50, parent="virtualRouter")
GATEWAY_ROUTE = Kind("gatewayRoute", 10, parent="virtualGateway")
KINDS = (MESH, VIRTUAL_NODE, VIRTUAL_ROUTER, VIRTUAL_SERVICE, VIRTUAL_GATEWAY, ROUTE, GATEWAY_ROUTE)
BY_NAME = {kind.name: kind for kind in KINDS}
IN_A_MESH = tuple(kind.name for kind in KINDS if kind is not MESH and not kind.parent)
"""The collections that a mesh has from the start; a router or gateway brings that of its routes."""

OPERATIONS: dict[str, tuple[str, Kind]] = {
    **{f"{verb}{kind.title}": (verb, kind) for kind in KINDS for verb in ("Create", "Describe", "Update", "Delete")},
    **{f"List{kind.plural[0].upper()}{kind.plural[1:]}": ("List", kind) for kind in KINDS},
}
NAME = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]{1,255}")
ARN = re.compile(r"arn:[a-z0-9-]+:appmesh:([a-z0-9-]+):(\d{12}):mesh/([^/]+)(?:/(.+))?")


@dataclass(frozen=True)
class MeshKey:
    """A mesh's identity: the account that owns it, and its name."""

    owner: str
    name: str


def named(value: str, where: str) -> str:
    """Check a resource's name: it is a segment of ARNs and URLs, so it holds letters, digits and `-._~` only."""
    if not NAME.fullmatch(value):
        raise bad_request(
            f"{where} is {readable(value)}; a name holds 1 to 255 letters, digits and -._~, and not only dots"
        )
    return value


def collection_of(kind: Kind, params: Mapping[str, Any]) -> str:
    """Where the resources of a kind lie that a request speaks of.

    >>> collection_of(ROUTE, {"virtualRouterName": "r"})
    'virtualRouter/r/route'
    """
    return f"{kind.parent}/{params[f'{kind.parent}Name']}/{kind.name}" if kind.parent else kind.name


def path_of(kind: Kind, params: Mapping[str, Any]) -> str:
    """The path of the resource that a request names.

    >>> path_of(VIRTUAL_NODE, {"virtualNodeName": "serviceB"})
    'virtualNode/serviceB'
    """
    return "" if kind is MESH else f"{collection_of(kind, params)}/{params[kind.name_member]}"


def split_path(path: str) -> tuple[Kind, dict[str, str]] | None:
    """Turn a path into its kind and names, or None when no resource can have it.

    >>> split_path("virtualRouter/r/route/x")
    (Kind(name='route', quota=50, parent='virtualRouter'), {'virtualRouterName': 'r', 'routeName': 'x'})
    """
    parts = path.split("/") if path else []
    kind = BY_NAME.get(parts[-2]) if len(parts) in (2, 4) else (None if parts else MESH)
    expected = (
        [] if kind is MESH else ([kind.parent, kind.name] if kind and kind.parent else [kind.name] if kind else [])
    )
    if kind is None or parts[::2] != expected or not all(NAME.fullmatch(name) for name in parts[1::2]):
        return None
    return kind, {f"{part}Name": name for part, name in zip(parts[::2], parts[1::2], strict=True)}


def arn_of(partition: str, region: str, mesh: MeshKey, path: str = "") -> str:
    """Write a resource's ARN (Service Authorization Reference, AWS App Mesh).

    >>> arn_of("aws", "us-east-1", MeshKey("111122223333", "apps"), "virtualNode/serviceB")
    'arn:aws:appmesh:us-east-1:111122223333:mesh/apps/virtualNode/serviceB'
    """
    return f"arn:{partition}:appmesh:{region}:{mesh.owner}:mesh/{mesh.name}" + (f"/{path}" if path else "")


def parse_arn(arn: str, region: str) -> tuple[MeshKey, str]:
    """Read a resource's ARN into mesh and path; one of another Region or service is a BadRequestException."""
    found = ARN.fullmatch(arn)
    if not found or found[1] != region or not NAME.fullmatch(found[3]) or split_path(found[4] or "") is None:
        raise bad_request(
            f"resourceArn is {readable(arn)}; expected arn:aws:appmesh:{region}:ACCOUNT:mesh/NAME and below"
        )
    return MeshKey(found[2], found[3]), found[4] or ""
