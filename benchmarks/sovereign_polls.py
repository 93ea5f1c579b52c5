"""sovereign, the Python xDS server, answering the same polls: run in an environment of its own, not imported.

python benchmarks/sovereign_polls.py FOLDER    FOLDER/resources.json: kind → node → resources, polls.json: the requests

It is given every advantage: resources made beforehand, a Python template, orjson, no logs, no authentication, and no
HTTP server in front: its application is called as one would call it.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

TEMPLATE = """
import json
from pathlib import Path

KIND = {kind!r}
RESOURCES = json.loads(Path({resources!r}).read_text())[KIND]

def call(discovery_request, **_):
    yield from RESOURCES[discovery_request.node.cluster]
"""
CONFIG = """
templates:
  default:
    - {{type: clusters, spec: {{protocol: python, serialization: passthrough, path: {folder}/clusters.py}}}}
    - {{type: routes, spec: {{protocol: python, serialization: passthrough, path: {folder}/routes.py}}}}
logging: {{access_logs: {{enabled: false}}, application_logs: {{enabled: false}}}}
"""
ROUNDS = 3


def run(folder: Path) -> dict[str, Any]:
    """Answer all polls, first without a version and then with the one that was answered; CPU milliseconds of each."""
    for kind in ("clusters", "routes"):
        source = TEMPLATE.format(kind=kind, resources=str(folder / "resources.json"))
        (folder / f"{kind}.py").write_text(source)
    (folder / "sovereign.yaml").write_text(CONFIG.format(folder=folder))
    os.environ["SOVEREIGN_CONFIG"] = f"file+yaml://{folder}/sovereign.yaml"
    from sovereign.app import app

    polls: list[dict[str, Any]] = json.loads((folder / "polls.json").read_text())
    times: dict[str, list[float]] = {"changed": [], "unchanged": []}
    for _ in range(ROUNDS):
        for poll in polls:
            status, body, _ = asked(app, poll["path"], poll["body"])
            assert status == 200, (status, body)
            known = {**json.loads(poll["body"]), "version_info": json.loads(body)["version_info"]}
            status, _, seconds = asked(app, poll["path"], poll["body"])
            times["changed"].append(seconds)
            status, _, seconds = asked(app, poll["path"], json.dumps(known))
            assert status == 304, status
            times["unchanged"].append(seconds)
    return {name: round(statistics.mean(found) * 1000, 4) for name, found in times.items()}


LOOP = asyncio.new_event_loop()


def asked(app: Any, path: str, text: str) -> tuple[int, bytes, float]:
    """Call the application; status, body, seconds of CPU."""
    body = text.encode()
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"xds"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    begun = time.process_time()
    LOOP.run_until_complete(app(scope, receive, send))
    seconds = time.process_time() - begun
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]), seconds


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))
