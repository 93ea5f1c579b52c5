"""The mesh: App Mesh's API, wherever it is served. The one file that knows where that is, and how it is signed for."""

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import client, error_code

if TYPE_CHECKING:
    from mypy_boto3_appmesh import AppMeshClient

# Headers of the one request that is being made: a function works on one thing at a time.
_expected: dict[str, str] = {}


class Mesh:
    """One mesh, in the function's own account or (with an owner) in another's."""

    def __init__(self, name: str, owner: str | None, endpoint: str | None, signing_name: str | None = None) -> None:
        """Name the mesh; `endpoint` and `signing_name` are None for AWS's own."""
        self.name = name
        self._mesh: dict[str, str] = {"meshName": name} | ({"meshOwner": owner} if owner else {})
        self._where = endpoint, signing_name

    @property
    def _api(self) -> "AppMeshClient":
        return _client(*self._where)

    def make(self) -> None:
        """Make the mesh; one that is there keeps its spec, and its card is written anew."""
        try:
            self._api.create_mesh(meshName=self.name)
        except ClientError as error:
            if error_code(error) != "ConflictException":
                raise
            spec = self._api.describe_mesh(meshName=self.name)["mesh"]["spec"]
            self._api.update_mesh(meshName=self.name, spec=spec)

    def describe_virtual_node(self, name: str) -> dict[str, Any]:
        """Return a virtual node in the shape of DescribeVirtualNode. Raises NotFound."""
        try:
            return dict(self._api.describe_virtual_node(virtualNodeName=name, **self._mesh)["virtualNode"])
        except ClientError as error:
            raise self._translated(error, f"virtual node {name}") from error

    def describe_route(self, router: str, route: str) -> dict[str, Any]:
        """Return a route in the shape of DescribeRoute. Raises NotFound."""
        try:
            return dict(self._api.describe_route(virtualRouterName=router, routeName=route, **self._mesh)["route"])
        except ClientError as error:
            raise self._translated(error, f"route {route} of virtual router {router}") from error

    def update_route(self, router: str, route: str, spec: dict[str, Any], version: int) -> None:
        """Write a route's whole spec over the version that was read. Raises NotFound.

        A hosted mesh refuses with ConflictException when the route has moved on; App Mesh's API knows no versions.
        """
        _expected["If-Match"] = f'"{version}"'
        try:
            self._api.update_route(virtualRouterName=router, routeName=route, spec=spec, **self._mesh)  # type: ignore[arg-type]
        except ClientError as error:
            raise self._translated(error, f"route {route} of virtual router {router}") from error
        finally:
            _expected.clear()

    def _translated(self, error: ClientError, what: str) -> Exception:
        if "NotFound" in error_code(error):
            return NotFound(f"mesh {self.name} has no {what} ({error.response['Error'].get('Message', '')})")
        return error


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
