"""Discovery for local AWS: each Envoy's polls go to `discover` of the stack in the account that owns its mesh.

On AWS that is where its bootstrap sends them: every account's `discover` has a host of its own. What the Envoy of a
task on this machine is answered is changed on its way, in addresses and ports only (local/placement.py). Versions are
then of what was changed, too: an Envoy hears of a task that came or went, as it would by DNS.
"""

import asyncio
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

from ministack.app import app as emulator

from local.app_mesh import url_of
from local.dataplane import PLANE
from local.placement import resources_here
from local.running_task import Running, turn_of
from local.settings import OWNER, REGION, SETTINGS

PREFIX = "/v3/discovery:"
NOTHING = "0" * 16
"""A version that nobody has, as long as one."""
Asked = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What an Envoy was told: the version that discovery gave, its resources, and the version that it got."""

    version: str
    document: dict[str, Any]
    told: str


_told: dict[tuple[str, str], Told] = {}
_at_once = asyncio.Semaphore(2)
"""Polls that wait for each other meet a warm function; the emulator makes a new process for each that does not wait."""


async def app(scope: dict[str, Any], body: bytes, send: Any) -> None:
    """Hand a poll on to the mesh owner's function; one that names no owner is for OWNER's to refuse."""
    asked = read(body)
    identifier = url_of("DiscoverFunction", said_of(asked, "meshOwner") or OWNER, REGION)
    if identifier is None or said_of(asked, "mesh") == SETTINGS.discoveryFails:
        said = (
            "discovery is out of reach" if identifier else "no discovery in the account of the mesh: deploy the stack"
        )
        await _answer(send, 503, [], said.encode())
        return
    path = f"/_aws/lambda-url/{identifier}{scope['path']}"
    onward = {**scope, "path": path, "raw_path": path.encode()}
    kind = scope["path"].removeprefix(PREFIX)
    running = PLANE.find(str(asked.get("node", {}).get("id", ""))) if kind in ("clusters", "listeners") else None
    if running is None:
        async with _at_once:
            await emulator(onward, _receive(body), send)
        return
    seen = str(asked.get("version_info", ""))
    known = _told.get((running.id, kind))
    version = known.version if known and known.told == seen else NOTHING
    if seen:
        body = body.replace(f'"{seen}"'.encode(), f'"{version}"'.encode(), 1)
    async with _at_once:
        status, headers, content = await _ask(onward, body)
    if status == 200:
        document = json.loads(content)
        version = document["version_info"]
    elif status == 304 and known:
        document = known.document
    else:
        await _answer(send, status, headers, content)
        return
    here = _here(running, kind, document)
    text = json.dumps(here["resources"])
    told = hashlib.sha256(f"{version}{text}".encode()).hexdigest()[:16]
    _told[running.id, kind] = Told(version, document, told)
    if told == seen:
        await _answer(send, 304, [], b"")
    else:
        answer = json.dumps({**here, "version_info": told}).encode()
        await _answer(send, 200, [(b"content-type", b"application/json")], answer)


def _here(running: Running, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    resources = document["resources"]
    if kind == "listeners":
        PLANE.give_ports(running, resources)
    return {**document, "resources": resources_here(resources, running.place, PLANE.addresses, turn_of(running))}


async def _ask(scope: dict[str, Any], body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Ask the emulator, and keep its answer."""
    status, headers, content = 500, list[tuple[bytes, bytes]](), b""

    async def keep(message: dict[str, Any]) -> None:
        nonlocal status, headers, content
        if message["type"] == "http.response.start":
            status, headers = message["status"], message["headers"]
        elif message["type"] == "http.response.body":
            content += message.get("body", b"")

    await emulator(scope, _receive(body), keep)
    return status, headers, content


def _receive(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def read(body: bytes) -> Asked:
    """Read a poll; nothing when it is none."""
    try:
        plain = zlib.decompress(body, wbits=zlib.MAX_WBITS | 16) if body.startswith(b"\x1f\x8b") else body
        asked = json.loads(plain)
        return asked if isinstance(asked, dict) and isinstance(asked.get("node", {}), dict) else {}
    except (ValueError, zlib.error):
        return {}


def said_of(asked: Asked, name: str) -> str | None:
    """What a poll says of the node that asks (`mesh`, `meshOwner`), or None."""
    try:
        return str(asked["node"]["metadata"][name])
    except (LookupError, TypeError):
        return None
