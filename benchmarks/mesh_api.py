"""What `mesh_api` costs: time per operation without DynamoDB, calls of DynamoDB, INIT against its floor.

`python -m benchmarks.mesh_api` prints a JSON line for each operation and one for INIT.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "functions"), str(ROOT)]
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION="us-east-1")

from benchmarks import lambda_init  # noqa: E402
from domain.hosted.requests import routed  # noqa: E402
from gateways.mesh_store import MeshStore  # noqa: E402
from handlers.mesh_api import serve  # noqa: E402
from tests.app_mesh_sweep import sweep  # noqa: E402
from tests.hosted_mesh import TABLE, HostedMesh, hosted_mesh  # noqa: E402

SWEEPS = 20
MOST_INIT = 1.25
# Only meshes of the hosting account have cards, whose writing is SSM's time.
NO_CARDS = "000000000000"
DESCRIBED = {"requestContext": {"http": {"method": "GET"}}, "rawPath": "/"}


class Stopwatch:
    """A client whose time is taken, so that it can be left out, and whose calls are counted."""

    def __init__(self, client: Any) -> None:
        self.client, self.seconds, self.calls = client, 0.0, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return method(**arguments)
            finally:
                self.seconds += time.perf_counter() - begun
                self.calls += 1

        return call


def main() -> None:
    """Print the figures."""
    for line in [*operations(), *init()]:
        print(json.dumps(line), flush=True)


def operations() -> list[dict[str, Any]]:
    """Sweep all operations many times; milliseconds in the handler without DynamoDB, and DynamoDB calls."""
    times: dict[str, list[float]] = {}
    calls: dict[str, set[int]] = {}
    for _ in range(SWEEPS):
        with hosted_mesh() as mesh:
            watch = Stopwatch(mesh.dynamodb.client)
            mesh.store = MeshStore(TABLE, watch)
            mesh.answer = watched(mesh, watch, times, calls)
            client = mesh.client()
            gc.collect()
            gc.freeze()  # boto3's and moto's many objects are not the function's to collect
            sweep(client)
    return [
        {
            "benchmark": "mesh_api operation",
            "operation": name,
            "p50_ms": round(statistics.median(found), 3),
            "p99_ms": round(statistics.quantiles(found, n=100, method="inclusive")[98], 3),
            "requests": len(found),
            "dynamodb_calls": sorted(calls[name]),
        }
        for name, found in sorted(times.items())
    ]


def watched(
    mesh: HostedMesh, watch: Stopwatch, times: dict[str, list[float]], calls: dict[str, set[int]]
) -> Callable[..., Any]:
    """Answer events as the handler does, and note what each successful one took."""

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        watch.seconds, watch.calls = 0.0, 0
        begun = time.perf_counter()
        found = serve(event, mesh.settings, mesh.store, NO_CARDS)
        seconds = time.perf_counter() - begun - watch.seconds
        name, _ = routed(event["requestContext"]["http"]["method"], event["rawPath"])
        if found["statusCode"] == 200:
            times.setdefault(name, []).append(seconds * 1000)
            calls.setdefault(name, set()).add(watch.calls)
        return found

    return answer


def init() -> list[dict[str, Any]]:
    """Measure INIT against the floor of boto3 and one client, in the same run."""
    if not lambda_init.can_measure():
        return [{"benchmark": "mesh_api init", "skipped": "the Runtime Interface Emulator runs on Linux only"}]
    env = {"MESH_TABLE": "meshes", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
    handlers = {"floor": "floor.handler", "mesh_api": "handlers.mesh_api.handler"}
    found = lambda_init.medians(handlers, env, DESCRIBED)
    ratio = found["mesh_api"] / found["floor"]
    return [
        {
            "benchmark": "mesh_api init",
            "init_ms": round(found["mesh_api"]),
            "floor_ms": round(found["floor"]),
            "ratio": round(ratio, 2),
            "allowed": MOST_INIT,
            "ok": ratio <= MOST_INIT,
        }
    ]


if __name__ == "__main__":
    main()
