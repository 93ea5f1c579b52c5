"""App Mesh for local AWS: moto's server, each caller in the account of his credentials.

A stand-in until the mesh is hosted by the stack itself: to remove it, delete this file and its two lines in
`front.py` and `daemon.py`.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

PREFIX = "/_meshift/app-mesh"

_served: list[Any] = []
_loading = asyncio.Lock()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve App Mesh's REST API below PREFIX; moto is imported by the first call."""
    async with _loading:
        if not _served:
            _served.append(await asyncio.to_thread(_load))
    await _served[0]({**scope, "root_path": PREFIX}, receive, send)


def _load() -> Any:
    from hypercorn.middleware import AsyncioWSGIMiddleware
    from moto.moto_server.werkzeug_app import create_backend_app

    return AsyncioWSGIMiddleware(_as_the_caller(create_backend_app("appmesh")), max_body_size=2**20)


def _as_the_caller(wsgi: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """moto takes the account from a header, not from the access key: copy it over."""

    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        signed = re.search(r"Credential=(\d{12})/", environ.get("HTTP_AUTHORIZATION", ""))
        if signed:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = signed[1]
        return wsgi(environ, start_response)

    return call
