"""Another account that hosts a mesh and shares it: its mesh API, over a table of its own."""

import json
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import EndpointConnectionError

from gateways.mesh_store import MeshStore
from handlers import mesh_api
from settings import MeshApiSettings
from tests.cloud.dynamodb import Tables
from tests.hosted_mesh import OWNER, REGION, event, event_of, iam_of

ACCOUNT, TABLE, MESH = "222222222222", "NeighboursMeshTable", "shop"
API = "https://theirapi.lambda-url.us-east-1.on.aws/"
_SETTINGS = MeshApiSettings(REGION, TABLE, API, "https://theirs.lambda-url.us-east-1.on.aws/", "lambda")


class Neighbour:
    """The account; `down` while nothing of it answers."""

    def __init__(self, tables: Tables) -> None:
        self.store = MeshStore(TABLE, tables, patience=0.0)  # type: ignore[arg-type]
        self.down = False

    def make_mesh(self) -> None:
        """Make the mesh; its card is written to the account's own parameters, which are in the cloud's here."""
        self._own("PUT", "/v20190125/meshes", {"meshName": MESH})

    def let_in(self, *accounts: str) -> None:
        """Say who may use the mesh."""
        self._own("PUT", f"/meshift/v1/meshes/{MESH}/principals", {"accounts": list(accounts)})

    def answer(self, sent: SimpleNamespace) -> dict[str, Any]:
        """Answer a request of the cloud's account."""
        if self.down:
            raise EndpointConnectionError(endpoint_url=API)
        return self._serve(event_of(sent, OWNER, None, None))  # type: ignore[arg-type]

    def _own(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = self._serve(event(method, path, "", json.dumps(body), iam_of(ACCOUNT), {}))
        assert answer["statusCode"] == 200, answer

    def _serve(self, asked: dict[str, Any]) -> dict[str, Any]:
        return mesh_api.serve(asked, _SETTINGS, self.store, ACCOUNT)
