"""The principals of a hosted mesh: a part of the mesh API that App Mesh's has not, so boto3 has no method for it."""

import json
from typing import Any
from urllib.parse import quote

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from domain.errors import NotFound, Refused


class MeshPrincipals:
    """The principals of one mesh of this account."""

    def __init__(self, mesh: str, endpoint: str, signing_name: str, region: str) -> None:
        """Name the mesh, and say where its API is."""
        self._mesh, self._sign = mesh, (signing_name, region)
        self._url = f"{endpoint.rstrip('/')}/meshift/v1/meshes/{quote(mesh, safe='')}/principals"

    def read(self) -> dict[str, Any]:
        """Return whom the mesh is shared with. Raises NotFound when there is no such mesh."""
        return self._send("GET")

    def write(self, principals: dict[str, Any]) -> None:
        """Say whom the mesh is shared with. Raises NotFound; Refused, when the mesh does not take it."""
        self._send("PUT", json.dumps(principals))

    def _send(self, method: str, body: str | None = None) -> dict[str, Any]:
        request = AWSRequest(method, self._url, data=body, headers={"content-type": "application/json"})
        credentials = (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()
        if credentials is None:
            raise RuntimeError("the function has no credentials to sign with")
        SigV4Auth(credentials.get_frozen_credentials(), *self._sign).add_auth(request)
        answer = URLLib3Session(timeout=20).send(request.prepare())
        if answer.status_code == 200:
            document: dict[str, Any] = json.loads(answer.text)
            return document
        if answer.status_code == 404:
            raise NotFound(f"there is no mesh {self._mesh} in this account: {answer.text}")
        if answer.status_code in (400, 403):
            raise Refused(f"mesh {self._mesh} does not take these principals: {answer.text}")
        raise RuntimeError(f"the mesh API answers {answer.status_code}: {answer.text}")
