"""The mesh: App Mesh's API, wherever it is served. The one file that knows where that is, and how it is signed for."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from domain.enrolment import mesh_id
from domain.errors import NotFound, Refused
from domain.mesh_cards import MeshCard, parse_card
from gateways.clients import client, error_code
from gateways.remembered import Remembered
from settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_appmesh import AppMeshClient

_REFUSALS = {"BadRequestException", "ForbiddenException", "LimitExceededException", "AccessDeniedException"}
# Headers of the one request that is being made: a function works on one thing at a time.
_expected: dict[str, str] = {}


class Mesh:
    """One mesh, in the function's own account or (with an owner) in another's."""

    def __init__(self, name: str, owner: str | None, endpoint: str | None, signing_name: str | None = None) -> None:
        """Name the mesh; `endpoint` and `signing_name` are None for AWS's own."""
        self.name = name
        self._mesh: dict[str, str] = {"meshName": name} | ({"meshOwner": owner} if owner else {})
        self._where: Callable[[], tuple[str | None, str | None]] = lambda: (endpoint, signing_name)

    @classmethod
    def of(cls, subject: Mapping[str, Any], settings: Settings) -> "Mesh":
        """Return the mesh of an execution's subject, where the stack's settings say that it is.

        A mesh that another account hosts is where its card says; while it is not shared, it is not found.
        """
        mesh = cls(subject["mesh"], subject["meshOwner"], settings.mesh_endpoint, settings.mesh_signing_name)
        if subject["meshOwner"] and settings.mesh_signing_name:
            mesh._where = partial(_shared, subject, settings)
        return mesh

    @property
    def _api(self) -> "AppMeshClient":
        return _client(*self._where())

    def make(self) -> None:
        """Make the mesh; one that is there keeps its spec, and its card is written anew."""
        try:
            self._api.create_mesh(meshName=self.name)
        except ClientError as error:
            if error_code(error) != "ConflictException":
                raise
            spec = self._api.describe_mesh(meshName=self.name)["mesh"]["spec"]
            self._api.update_mesh(meshName=self.name, spec=spec)

    def is_there(self) -> bool:
        """Say whether the mesh exists and may be seen."""
        try:
            self._api.describe_mesh(**self._mesh)
        except NotFound:
            return False
        except ClientError as error:
            if "NotFound" in error_code(error) or error_code(error) == "ForbiddenException":
                return False
            raise
        return True

    def list_virtual_nodes(self) -> list[tuple[str, str]]:
        """Return all virtual nodes: name, and the account that owns it. Raises NotFound."""
        try:
            pages = self._api.get_paginator("list_virtual_nodes").paginate(**self._mesh)  # type: ignore[arg-type]
            return [(each["virtualNodeName"], each["resourceOwner"]) for page in pages for each in page["virtualNodes"]]
        except ClientError as error:
            raise self._translated(error, "such name") from error

    def describe_virtual_node(self, name: str) -> dict[str, Any]:
        """Return a virtual node in the shape of DescribeVirtualNode. Raises NotFound."""
        try:
            return dict(self._api.describe_virtual_node(virtualNodeName=name, **self._mesh)["virtualNode"])
        except ClientError as error:
            raise self._translated(error, f"virtual node {name}") from error

    def describe_virtual_service(self, name: str) -> dict[str, Any]:
        """Return a virtual service in the shape of DescribeVirtualService. Raises NotFound."""
        try:
            return dict(self._api.describe_virtual_service(virtualServiceName=name, **self._mesh)["virtualService"])
        except ClientError as error:
            raise self._translated(error, f"virtual service {name}") from error

    def describe_virtual_router(self, name: str) -> dict[str, Any]:
        """Return a virtual router in the shape of DescribeVirtualRouter. Raises NotFound."""
        try:
            return dict(self._api.describe_virtual_router(virtualRouterName=name, **self._mesh)["virtualRouter"])
        except ClientError as error:
            raise self._translated(error, f"virtual router {name}") from error

    def describe_route(self, router: str, route: str) -> dict[str, Any]:
        """Return a route in the shape of DescribeRoute. Raises NotFound."""
        try:
            return dict(self._api.describe_route(virtualRouterName=router, routeName=route, **self._mesh)["route"])
        except ClientError as error:
            raise self._translated(error, f"route {route} of virtual router {router}") from error

    def describe_routes(self, router: str) -> list[dict[str, Any]]:
        """Return all routes of a router in the shape of DescribeRoute. Raises NotFound."""
        try:
            pages = self._api.get_paginator("list_routes").paginate(virtualRouterName=router, **self._mesh)  # type: ignore[arg-type]
            names = [each["routeName"] for page in pages for each in page["routes"]]
        except ClientError as error:
            raise self._translated(error, f"virtual router {router}") from error
        return [self.describe_route(router, name) for name in names]

    def all_routes(self) -> list[dict[str, Any]]:
        """Return all routes of all routers of the mesh, in the shape of DescribeRoute: two calls a router and more."""
        pages = self._api.get_paginator("list_virtual_routers").paginate(**self._mesh)  # type: ignore[arg-type]
        routers = [each["virtualRouterName"] for page in pages for each in page["virtualRouters"]]
        return [route for router in routers for route in self.describe_routes(router)]

    def providers(self) -> set[str]:
        """Name the virtual nodes that themselves provide a virtual service."""
        pages = self._api.get_paginator("list_virtual_services").paginate(**self._mesh)  # type: ignore[arg-type]
        names = [each["virtualServiceName"] for page in pages for each in page["virtualServices"]]
        provided = [self.describe_virtual_service(name)["spec"].get("provider", {}) for name in names]
        return {each["virtualNode"]["virtualNodeName"] for each in provided if "virtualNode" in each}

    def create_virtual_node(self, name: str, spec: Mapping[str, Any]) -> None:
        """Make a virtual node, unless somebody just did. Raises Refused when the mesh does not take it."""
        self._create(lambda: self._api.create_virtual_node(virtualNodeName=name, spec=spec, **self._mesh))  # type: ignore[arg-type]

    def create_virtual_router(self, name: str, spec: Mapping[str, Any]) -> None:
        """Make a virtual router, unless somebody just did. Raises Refused when the mesh does not take it."""
        self._create(lambda: self._api.create_virtual_router(virtualRouterName=name, spec=spec, **self._mesh))  # type: ignore[arg-type]

    def create_route(self, router: str, name: str, spec: Mapping[str, Any]) -> None:
        """Make a route, unless somebody just did. Raises Refused when the mesh does not take it."""
        self._create(
            lambda: self._api.create_route(virtualRouterName=router, routeName=name, spec=spec, **self._mesh)  # type: ignore[arg-type]
        )

    def create_virtual_service(self, name: str, spec: Mapping[str, Any]) -> None:
        """Make a virtual service, unless somebody just did. Raises Refused when the mesh does not take it."""
        self._create(lambda: self._api.create_virtual_service(virtualServiceName=name, spec=spec, **self._mesh))  # type: ignore[arg-type]

    def update_route(self, router: str, route: str, spec: Mapping[str, Any], version: int) -> None:
        """Write a route's whole spec over the version that was read. Raises NotFound; Refused, when it is not taken.

        A hosted mesh refuses with ConflictException when the route has moved on; App Mesh's API knows no versions.
        """
        api = self._api  # first: it may have to be asked for, and the header is for one request only
        _expected["If-Match"] = f'"{version}"'
        try:
            api.update_route(virtualRouterName=router, routeName=route, spec=spec, **self._mesh)  # type: ignore[arg-type]
        except ClientError as error:
            if error_code(error) in _REFUSALS:
                raise self._refused(error) from error
            raise self._translated(error, f"route {route} of virtual router {router}") from error
        finally:
            _expected.clear()

    def _create(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except ClientError as error:
            if error_code(error) in _REFUSALS:
                raise self._refused(error) from error
            if error_code(error) != "ConflictException":
                raise

    def _refused(self, error: ClientError) -> Refused:
        return Refused(f"mesh {self.name} does not take it: {error.response['Error'].get('Message', '')}")

    def _translated(self, error: ClientError, what: str) -> Exception:
        if "meshOwner" in self._mesh and error_code(error) == "ForbiddenException":
            return NotFound(f"mesh {self.name}@{self._mesh['meshOwner']} is not shared with this account (any more)")
        if "NotFound" in error_code(error):
            return NotFound(f"mesh {self.name} has no {what} ({error.response['Error'].get('Message', '')})")
        return error


def card_of(subject: Mapping[str, Any], settings: Settings) -> MeshCard:
    """Return the card of the mesh that a subject names, of another account. Raises NotFound when it is not shared."""
    mesh = mesh_id(subject)
    card = Remembered(settings.rollout_table).card(mesh)
    if card is None:
        raise NotFound(f"mesh {mesh} is not shared with this account (any more)")
    return parse_card(card)


def _shared(subject: Mapping[str, Any], settings: Settings) -> tuple[str, str]:
    api = card_of(subject, settings).api
    return api.url, api.signing_name


@cache
def _client(endpoint: str | None, signing_name: str | None) -> "AppMeshClient":
    api: AppMeshClient = client("appmesh", endpoint)
    if signing_name:

        def sign(request: Any, **_: Any) -> None:
            request.context.setdefault("signing", {}).update(signing_name=signing_name)

        api.meta.events.register("before-sign.app-mesh", sign)
        api.meta.events.register(
            "before-call.app-mesh.UpdateRoute", lambda params, **_: params["headers"].update(_expected)
        )
    return api
