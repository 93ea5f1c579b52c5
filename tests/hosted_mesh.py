"""The hosted mesh in this process: a boto3 `appmesh` client whose requests end in the handler, over moto's DynamoDB.

with hosted_mesh() as mesh:
    owner = mesh.client("111111111111")
    owner.create_mesh(meshName="apps")
"""

import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from moto import mock_aws

from gateways.mesh_store import MeshStore
from handlers import mesh_api
from settings import MeshApiSettings

REGION = "us-east-1"
OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
URL = "https://meshurl.lambda-url.us-east-1.on.aws"
TABLE = "meshes"
# One session and one DynamoDB client for all tests: moto hooks into every client, and models take long to load.
SESSION = boto3.Session("testing", "testing", region_name=REGION)


class OneAtATime:
    """A client whose calls are atomic, as DynamoDB's are and moto's are not; counts them by name."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.lock = threading.Lock()
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            with self.lock:
                self.calls.append(name)
                return method(**arguments)

        return call


class Body(io.BytesIO):
    """What botocore reads a response from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while chunk := self.read(4096):
            yield chunk


class HostedMesh:
    """A table, the handler over it, and clients of any account."""

    def __init__(self, table: str = TABLE, patience: float = 6.0) -> None:
        self.dynamodb = OneAtATime(dynamodb())
        self.store = MeshStore(table, self.dynamodb, patience)
        self.account = OWNER
        self.settings = MeshApiSettings(REGION, table, "", "https://discover.example/", "lambda")

    def items(self) -> list[dict[str, Any]]:
        """Everything in the table, to put it into another: faster than to make it anew."""
        found: list[dict[str, Any]] = self.dynamodb.scan(TableName=self.store.table)["Items"]
        return found

    def put_items(self, items: list[dict[str, Any]]) -> None:
        for at in range(0, len(items), 25):
            writes = [{"PutRequest": {"Item": item}} for item in items[at : at + 25]]
            self.dynamodb.batch_write_item(RequestItems={self.store.table: writes})

    def client(self, account: str = OWNER, arn: str | None = None, organization: str | None = None) -> Any:
        """Give back a boto3 client whose caller IAM would describe so."""
        client = SESSION.client(
            "appmesh",
            endpoint_url=URL,
            aws_access_key_id=account,
            aws_secret_access_key="secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )

        return self.answer_for(client, account, arn, organization)

    def answer_for(
        self, client: Any, account: str = OWNER, arn: str | None = None, organization: str | None = None
    ) -> Any:
        """Let the handler answer the requests of a client that was made elsewhere."""

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
            answer = self.answer(event_of(request, account, arn, organization))
            return AWSResponse(request.url, answer["statusCode"], answer["headers"], Body(answer["body"].encode()))

        events, only_one = client.meta.events, "hosted mesh"
        events.unregister("before-send.app-mesh", unique_id=only_one)  # of an earlier test: clients are kept
        events.register_first("before-send.app-mesh", send, unique_id=only_one)
        return client

    def request(
        self, method: str, path: str, body: Any = None, account: str = OWNER, query: str = "", **headers: str
    ) -> dict[str, Any]:
        """Send what boto3 would not send; the response as the Function URL gets it."""
        return self.answer(event(method, path, query, body, iam_of(account), headers))

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """Let the handler answer an event, as the function of the account that hosts the meshes."""
        return mesh_api.serve(event, self.settings, self.store, self.account)


@cache
def dynamodb() -> Any:
    return SESSION.client("dynamodb")


def iam_of(account: str, arn: str | None = None, organization: str | None = None) -> dict[str, Any]:
    return {
        "accountId": account,
        "userArn": arn or f"arn:aws:iam::{account}:user/somebody",
        "principalOrgId": organization,
    }


def event(
    method: str, path: str, query: str, body: Any, iam: dict[str, Any] | None, headers: dict[str, str]
) -> dict[str, Any]:
    """Write a Function URL event, payload 2.0."""
    encoded = isinstance(body, bytes)
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", **headers},
        "requestContext": {
            "http": {"method": method, "path": path},
            "domainName": urlsplit(URL).hostname,
            "requestId": "request-1",
            **({"authorizer": {"iam": iam}} if iam else {}),
        },
        "body": base64.b64encode(body).decode() if encoded else body,
        "isBase64Encoded": encoded,
    }


def event_of(request: AWSPreparedRequest, account: str, arn: str | None, organization: str | None) -> dict[str, Any]:
    """Turn a request that botocore was about to send into the event that a Function URL would make of it."""
    parts = urlsplit(request.url)
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    return event(request.method, parts.path, parts.query, body, iam_of(account, arn, organization), headers)


def create_table(client: Any, name: str = TABLE) -> None:
    """Make the table as the template does."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )


@contextmanager
def hosted_mesh(patience: float = 6.0) -> Iterator[HostedMesh]:
    """Host meshes in moto's DynamoDB and SSM."""
    with mock_aws():
        mesh = HostedMesh(patience=patience)
        create_table(mesh.dynamodb.client)
        yield mesh
