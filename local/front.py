"""The front of local AWS: one ASGI app in front of the emulator, which sends each request where it belongs.

RAM and Application Auto Scaling, by the service that a request is signed for, and the control paths `/_meshift/…` are
ours; everything else is the emulator's.

| control path | does |
|---|---|
| `GET /_meshift/daemon` | which process answers: pid and state directory |
| `GET`, `POST /_meshift/settings` | read or change the settings (local/settings.py) |
| `POST /_meshift/events` | deliver the event of the body |
| `POST /_meshift/health` | set the health of a service's containers |
| `GET /_meshift/tasks` | the tasks that the data plane runs, and their ports on this machine |
| `GET /_meshift/credentials/TASK` | credentials of a task's role, as ECS gives them |
| `POST /_meshift/expire` | let an invitation of RAM expire |
| `GET /_meshift/denied` | what IAM denied so far |
| `POST /_meshift/idle` | by role of an account: the statements that nothing has needed so far |
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ministack.app import app as emulator
from ministack.core.concurrency import run_reentrant

from local import app_mesh, discovery, ecs, events, permissions, ram_api, scalable_targets
from local.dataplane import PLANE
from local.identity import caller_of
from local.settings import SETTINGS


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request, or hand it on."""
    if scope["type"] != "http":
        await emulator(scope, receive, send)
    elif scope["path"].startswith(app_mesh.PREFIX + "/"):
        await app_mesh.app(scope, receive, send, caller_of(_headers(scope)))
    elif scope["path"].startswith(discovery.PREFIX):
        await discovery.app(scope, await _body(receive), send)
    elif scope["path"].startswith("/_meshift/"):
        await _answer(send, *await run_reentrant(_control, scope, await _body(receive)))
    elif (caller := caller_of(_headers(scope))) and caller.service == "ram":
        body = await _body(receive)
        await _answer(send, *await run_reentrant(ram_api.answer, scope, body, caller))
    elif caller and caller.service == "application-autoscaling":
        await _answer(send, *scalable_targets.answer(_headers(scope), await _body(receive), caller))
    else:
        await emulator(scope, receive, send)


def _daemon(_: Any) -> dict[str, Any]:
    return {"pid": os.getpid(), "state": os.environ["MESHIFT_LOCAL_STATE"]}


def _settings(wanted: Any) -> dict[str, Any]:
    return asdict(SETTINGS) if wanted is None else SETTINGS.change(wanted)


def _deliver(event: Any) -> dict[str, Any]:
    events.deliver(event)
    return {"delivered": event["id"], "account": event["account"]}


CREDENTIALS = "/_meshift/credentials/"
CONTROL: dict[tuple[str, str], Callable[[Any], dict[str, Any]]] = {
    ("GET", "/_meshift/daemon"): _daemon,
    ("GET", "/_meshift/settings"): _settings,
    ("POST", "/_meshift/settings"): _settings,
    ("POST", "/_meshift/events"): _deliver,
    ("POST", "/_meshift/health"): lambda wanted: ecs.set_health(**wanted),
    ("GET", "/_meshift/tasks"): PLANE.shown,
    ("POST", "/_meshift/expire"): lambda wanted: ram_api.RAM.expire(**wanted),
    ("GET", "/_meshift/denied"): lambda _: {"denied": permissions.DENIED},
    ("POST", "/_meshift/idle"): lambda wanted: permissions.idle(**wanted),
}


def _credentials(identifier: str) -> tuple[int, dict[str, str], bytes]:
    """Any 12-digit key is that account (local/settings.py), and a task's role is one of its account."""
    running = PLANE.find(identifier)
    if running is None:
        return _json(404, {"message": f"no task {identifier}"})
    key = {"AccessKeyId": running.account, "SecretAccessKey": "local", "Token": "local"}
    return _json(200, {**key, "Expiration": "2036-01-01T00:00:00Z"})


def _control(scope: dict[str, Any], body: bytes) -> tuple[int, dict[str, str], bytes]:
    if scope["path"].startswith(CREDENTIALS):
        return _credentials(scope["path"].removeprefix(CREDENTIALS))
    answer = CONTROL.get((scope["method"], scope["path"]))
    if answer is None:
        return _json(404, {"message": f"no control path {scope['method']} {scope['path']}"})
    try:
        return _json(200, answer(json.loads(body) if body else None))
    except (ValueError, TypeError, LookupError) as error:
        return _json(400, {"message": str(error)})


def _json(status: int, content: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json"}, json.dumps(content).encode()


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _answer(send: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    wire = [(name.encode(), value.encode()) for name, value in headers.items()]
    wire.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": wire})
    await send({"type": "http.response.body", "body": body})
