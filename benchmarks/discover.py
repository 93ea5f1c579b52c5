"""What `discover` costs: CPU of unchanged and changed polls against floor and sovereign, INIT, and a month's bill.

`python -m benchmarks.discover` prints a JSON line for each. The floor is what any Python server has to do: parse the
request, serialise the answer. Times are CPU times, for the core that they are taken from is shared.
"""

import gc
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "functions"), str(ROOT)]
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION="us-east-1")

from botocore.awsrequest import AWSResponse  # noqa: E402

from benchmarks import lambda_init  # noqa: E402
from benchmarks.discovery_mesh import NODES, document, mesh_of, route  # noqa: E402
from domain.hosted.kinds import MeshKey  # noqa: E402
from domain.hosted.state import Record, Write  # noqa: E402
from gateways.cloud_map import CloudMap  # noqa: E402
from gateways.mesh_store import MeshStore, Snapshot  # noqa: E402
from handlers.discover import serve  # noqa: E402
from handlers.known_meshes import KnownMeshes  # noqa: E402
from settings import DiscoverSettings  # noqa: E402
from tests.hosted_mesh import OWNER, REGION, SESSION, Body, event, iam_of  # noqa: E402
from tests.polls import request_body  # noqa: E402

KEY = MeshKey(OWNER, "apps")
KINDS = {"clusters": (), "listeners": (), "routes": ("egress",)}
ROUNDS = 5
MOST = {"unchanged": 2.0, "changed": 3.0}
MOST_INIT = 1.25
LEAST_OF_SOVEREIGN = 3.0
SOVEREIGN = "sovereign[orjson]==0.32.12"
SETTINGS = DiscoverSettings(REGION, "meshes")
Polls = dict[tuple[str, int], dict[str, Any]]


class Table:
    """The mesh table as far as a poll sees it, without DynamoDB: changing it changes one route's weights."""

    def __init__(self) -> None:
        self.records, self.counter = mesh_of(KEY), 1
        self.history: list[Write] = []

    def change(self) -> None:
        path = "virtualRouter/r1/route/x1"
        before = self.records[path].document
        self.counter += 1
        after = document(KEY, path, route(1, 1, 50 + self.counter % 40))
        self.records[path] = Record(after)
        self.history.insert(0, Write(time.time(), path, before, after))

    def changes(self, _: MeshKey) -> int:
        return self.counter

    def snapshot(self, _: MeshKey) -> Snapshot:
        return Snapshot(self.counter, self.records[""], {path: each for path, each in self.records.items() if path})

    def newer(self, _: MeshKey, known: Snapshot, changes: int) -> Snapshot:
        path, document = self.history[0].path, self.history[0].after
        changed = Record(json.loads(json.dumps(document)))
        return Snapshot(changes, known.mesh, {**known.resources, path: changed})

    def writes(self, *_: Any) -> Iterator[Write]:
        return iter(self.history)


def main() -> None:
    """Print the figures."""
    gc.collect()
    table = Table()
    polls: Polls = {(kind, node): poll(kind, node) for node in range(NODES) for kind in KINDS}
    lines, answers = measured(table, polls)
    client = client_ms()
    show({"benchmark": "discover client", "what": "one GetItem in boto3, without the network", "cpu_ms": client})
    for line in lines:
        show(line)
    ours = {name: per_kind(table, polls, name) + client for name in MOST}
    show(against_sovereign(polls, answers, ours))
    for line in [*init(), *bill(lines, client)]:
        show(line)


def show(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def poll(kind: str, node: int, version: str = "") -> dict[str, Any]:
    body = request_body(kind, version, KINDS[kind], resource=f"virtualNode/n{node}")
    return event("POST", f"/v3/discovery:{kind}", "", json.dumps(body, separators=(",", ":")), iam_of(OWNER), {})


def measured(table: Table, polls: Polls) -> tuple[list[dict[str, Any]], dict[tuple[str, int], dict[str, Any]]]:
    """Let all Envoys poll after each change, and once more without one; the answers are the last ones."""
    warm = KnownMeshes(table, CloudMap(), OWNER)  # type: ignore[arg-type]
    ask = lambda asked: serve(asked, SETTINGS, warm, time.time())  # noqa: E731
    answers = {key: json.loads(ask(each)["body"]) for key, each in polls.items()}
    gc.collect()
    gc.freeze()  # what moto and boto3 brought is not the function's to collect
    times: dict[str, list[float]] = {"changed": [], "unchanged": []}
    floors: dict[str, list[float]] = {"changed": [], "unchanged": []}
    for _ in range(ROUNDS):
        table.change()
        for key, each in polls.items():
            response, seconds = timed(lambda each=each: ask(each))
            answers[key] = json.loads(response["body"])
            times["changed"].append(seconds)
            floors["changed"].append(floor(each, answers[key]))
        known = {key: poll(*key, answers[key]["version_info"]) for key in polls}
        for each in known.values():
            response, seconds = timed(lambda each=each: ask(each))
            assert response == {"statusCode": 304}
            times["unchanged"].append(seconds)
            floors["unchanged"].append(floor(each, None))
    return [figures(name, times[name], floors[name]) for name in times], answers


def floor(asked: dict[str, Any], answer: Any) -> float:
    """Parse a request and serialise an answer."""
    return timed(lambda: (json.loads(asked["body"]), json.dumps(answer, separators=(",", ":"))))[1]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.thread_time()
    found = work()
    return found, time.thread_time() - begun


def figures(name: str, times: list[float], floors: list[float]) -> dict[str, Any]:
    ratio = sum(times) / sum(floors)
    return {
        "benchmark": "discover poll",
        "poll": name,
        "polls": len(times),
        "polls_per_second_and_core": round(len(times) / sum(times)),
        "p50_ms": round(statistics.median(times) * 1000, 3),
        "p99_ms": round(statistics.quantiles(times, n=100, method="inclusive")[98] * 1000, 3),
        "mean_ms": round(statistics.mean(times) * 1000, 3),
        "floor_p50_ms": round(statistics.median(floors) * 1000, 3),
        "floor_p99_ms": round(statistics.quantiles(floors, n=100, method="inclusive")[98] * 1000, 3),
        "ratio": round(ratio, 2),
        "allowed": MOST[name],
        "ok": ratio <= MOST[name],
    }


def client_ms() -> float:
    """What boto3 takes to ask for the change counter and to read the answer, in milliseconds of CPU."""
    client = SESSION.client("dynamodb")
    answer = json.dumps({"Item": {"pk": {"S": "mesh"}, "sk": {"S": "changes"}, "changes": {"N": "1"}}}).encode()

    def send(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, Body(answer))

    client.meta.events.register_first("before-send.dynamodb", send)
    store = MeshStore("meshes", client)
    times = [timed(lambda: store.changes(KEY))[1] for _ in range(2000)]
    return round(statistics.mean(times[200:]) * 1000, 3)


def per_kind(table: Table, polls: Polls, name: str) -> float:
    """The mean of clusters and routes, which sovereign serves as well, in milliseconds of CPU."""
    warm = KnownMeshes(table, CloudMap(), OWNER)  # type: ignore[arg-type]
    times = []
    for _ in range(ROUNDS):
        table.change()
        for kind in ("clusters", "routes"):
            for node in range(NODES):
                response, seconds = timed(
                    lambda kind=kind, node=node: serve(polls[kind, node], SETTINGS, warm, time.time())
                )
                if name == "changed":
                    times.append(seconds)
                    continue
                again = poll(kind, node, json.loads(response["body"])["version_info"])
                times.append(timed(lambda again=again: serve(again, SETTINGS, warm, time.time()))[1])
    return statistics.mean(times) * 1000


def against_sovereign(
    polls: Polls, answers: dict[tuple[str, int], dict[str, Any]], ours: dict[str, float]
) -> dict[str, Any]:
    """Let sovereign serve the same clusters and routes to the same polls, in an environment made for it."""
    line: dict[str, Any] = {"benchmark": "discover against sovereign", "sovereign": SOVEREIGN}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = {key: json.loads(each["body"]) for key, each in polls.items() if key[0] in ("clusters", "routes")}
        resources: dict[str, dict[str, Any]] = {"clusters": {}, "routes": {}}
        for (kind, node), body in asked.items():
            resources[kind][body["node"]["cluster"]] = answers[kind, node]["resources"]
        (folder / "resources.json").write_text(json.dumps(resources))
        sent = [{"path": f"/v3/discovery:{kind}", "body": json.dumps(body)} for (kind, _), body in asked.items()]
        (folder / "polls.json").write_text(json.dumps(sent))
        script = str(Path(__file__).with_name("sovereign_polls.py"))
        command = [
            "uv",
            "run",
            "--quiet",
            "--no-project",
            "--python",
            sys.executable,
            "--with",
            SOVEREIGN,
            script,
            name,
        ]
        env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)
    if done.returncode:
        return {**line, "skipped": "sovereign could not be installed or run here: " + done.stderr.strip()[-300:]}
    theirs = json.loads(done.stdout.splitlines()[-1])
    for poll_name, ms in ours.items():
        line[poll_name] = {
            "polls_per_second_and_core": round(1000 / ms),
            "of_sovereign": round(1000 / theirs[poll_name]),
            "times": round(theirs[poll_name] / ms, 2),
        }
    worst = min(line[poll_name]["times"] for poll_name in ours)
    return {**line, "wanted": LEAST_OF_SOVEREIGN, "ok": worst >= LEAST_OF_SOVEREIGN}


def init() -> list[dict[str, Any]]:
    """Measure INIT against the floor of boto3 and one client, in the same run."""
    if not lambda_init.can_measure():
        return [{"benchmark": "discover init", "skipped": "the Runtime Interface Emulator runs on Linux only"}]
    env = {"MESH_TABLE": "meshes", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
    handlers = {"floor": "floor.handler", "discover": "handlers.discover.handler"}
    asked = {"requestContext": {"http": {"method": "POST"}}, "rawPath": "/"}
    found = lambda_init.medians(handlers, env, asked)
    ratio = found["discover"] / found["floor"]
    return [
        {
            "benchmark": "discover init",
            "init_ms": round(found["discover"]),
            "floor_ms": round(found["floor"]),
            "ratio": round(ratio, 2),
            "allowed": MOST_INIT,
            "ok": ratio <= MOST_INIT,
        }
    ]


SIDECARS, KINDS_POLLED, MONTH = 1000, 3, 30 * 24 * 3600
MEAN_INTERVAL = 1.5
"""Envoy waits one to two poll intervals."""
SHARE_OF_A_CORE = 512 / 1769
"""Lambda gives a function of 1,769 MB one core (Lambda guide, "Configure function memory")."""
ROUND_TRIP_MS = 4.0
"""Assumed, for want of a measurement on AWS: DynamoDB's answer to a consistent GetItem, network included."""
PRICES = {"million_requests": 0.20, "gb_second": 0.0000133334, "million_reads": 0.125, "nat_gb": 0.045}
"""List prices of us-east-1, USD: Lambda on arm64, DynamoDB on demand, NAT gateway's data processing."""


def bill(lines: list[dict[str, Any]], client: float) -> Iterator[dict[str, Any]]:
    """What a thousand sidecars of an unchanging mesh cost a month, by poll interval."""
    (unchanged,) = [line for line in lines if line["poll"] == "unchanged"]
    billed_ms = (unchanged["mean_ms"] + client) / SHARE_OF_A_CORE + ROUND_TRIP_MS
    text = json.dumps(request_body("clusters", "0" * 16, resource="virtualNode/n1"), separators=(",", ":")).encode()
    packed = BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as file:
        file.write(text)
    for seconds in (1, 5, 15, 30, 60):
        requests = SIDECARS * KINDS_POLLED * MONTH / (seconds * MEAN_INTERVAL)
        gb_seconds = requests * billed_ms / 1000 * 0.5
        sizes = {"plain": len(text), "compressed": len(packed.getvalue())}
        nat = {name: requests * size / 1e9 for name, size in sizes.items()}
        parts = {
            "requests": requests / 1e6 * PRICES["million_requests"],
            "gb_seconds": gb_seconds * PRICES["gb_second"],
            "reads": requests / 1e6 * PRICES["million_reads"],
        }
        yield {
            "benchmark": "discover month",
            "sidecars": SIDECARS,
            "poll_seconds": seconds,
            "million_requests": round(requests / 1e6),
            "billed_ms": round(billed_ms, 1),
            "thousand_gb_seconds": round(gb_seconds / 1e3),
            "million_reads": round(requests / 1e6),
            "nat_gb": {name: round(size) for name, size in nat.items()},
            "usd_lambda_and_dynamodb": round(sum(parts.values())),
            "usd_nat": {name: round(size * PRICES["nat_gb"]) for name, size in nat.items()},
        }


if __name__ == "__main__":
    main()
