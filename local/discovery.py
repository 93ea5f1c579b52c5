"""Discovery for local AWS: each Envoy's polls go to `discover` of the stack in the account that owns its mesh.

On AWS that is where its bootstrap sends them: every account's `discover` has a host of its own.
"""

import json
import zlib
from typing import Any

from ministack.app import app as emulator

from local.app_mesh import url_of
from local.settings import OWNER, REGION

PREFIX = "/v3/discovery:"


async def app(scope: dict[str, Any], body: bytes, send: Any) -> None:
    """Hand a poll on to the mesh owner's function, byte for byte; one that names no owner is for OWNER's to refuse."""
    identifier = url_of("DiscoverFunction", owner_of(body), REGION)
    if identifier is None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b"no discovery in the account of the mesh: deploy the stack"})
        return

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    path = f"/_aws/lambda-url/{identifier}{scope['path']}"
    await emulator({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def owner_of(body: bytes) -> str:
    """The account that owns the mesh of a poll."""
    try:
        plain = zlib.decompress(body, wbits=zlib.MAX_WBITS | 16) if body.startswith(b"\x1f\x8b") else body
        return str(json.loads(plain)["node"]["metadata"]["meshOwner"])
    except (ValueError, LookupError, TypeError, zlib.error):
        return OWNER
