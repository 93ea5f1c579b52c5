"""App Mesh for local AWS: each caller's requests go to the mesh API that the stack in his account hosts.

So one endpoint (`AWS_ENDPOINT_URL_APP_MESH`) serves all accounts. Another account's mesh API is reached by its URL.
"""

import json
from typing import Any

from ministack.app import app as emulator
from ministack.core import responses
from ministack.services import lambda_svc

from local.identity import Caller
from local.patching import expect

PREFIX = "/_meshift/app-mesh"


def install() -> None:
    """Make sure that the emulator keeps Function URLs where they are looked for."""
    expect(lambda_svc, "_function_urls")


async def app(scope: dict[str, Any], receive: Any, send: Any, caller: Caller | None) -> None:
    """Hand a request on to the mesh API of the caller's account, or answer that there is none."""
    identifier = url_of("MeshApiFunction", caller.account, caller.region) if caller else None
    if identifier is None:
        account = caller.account if caller else "an unsigned request"
        body = json.dumps({"message": f"no mesh API in account {account}: deploy the stack with ControlPlane=hosted"})
        headers = [(b"content-type", b"application/json"), (b"x-amzn-errortype", b"ServiceUnavailableException")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})
        return
    path = f"/_aws/lambda-url/{identifier}" + scope["path"].removeprefix(PREFIX)
    raw = f"/_aws/lambda-url/{identifier}".encode() + scope["raw_path"].removeprefix(PREFIX.encode())
    await emulator({**scope, "path": path, "raw_path": raw}, receive, send)


def url_of(function: str, account: str, region: str) -> str | None:
    """The id of the Function URL of a function (its logical id) in an account's stack."""
    with responses.request_scope(account, region):
        for name, config in lambda_svc._function_urls.items():
            if function in name:
                return str(config["FunctionUrl"]).removeprefix("https://").partition(".")[0]
    return None
