"""The traffic of the demo: requests that never stop, what was observed of them, and of which weights they were."""

import math
import threading
import time
from collections import Counter
from typing import Any

from botocore.exceptions import BotoCoreError

from local.callers import Callers
from local.instance import Instance
from local.tutorial import MESH, VIRTUAL_SERVICE, Tutorial, wait_for

RATE = 100
"""Requests a second from each task of the caller."""
POLL_SECONDS = 1
"""DiscoveryPollSeconds of samconfig.toml's local environment."""
BOUND = 2 * POLL_SECONDS + 1
"""Seconds from UpdateRoute to the first request on the new weights: Envoy's jitter doubles its interval at most."""
OBSERVED_SECONDS = 2
"""How long before the end of a step its share is measured: by then all callers have its weights."""
Samples = list[dict[str, Any]]


class Traffic:
    """Requests from the tasks of a service through their Envoys, and the route's weights meanwhile."""

    def __init__(self, aws: Instance, service: str, port: str = "80") -> None:
        """Let the tasks of a service call the virtual service at a port, as soon as all are healthy."""

        def healthy() -> Samples:
            tasks = [each for each in aws.control("tasks")["tasks"] if each["service"] == service]
            return tasks if all(each["healthy"] and port in each["egress"] for each in tasks) else []

        tasks = wait_for(f"{service}'s Envoys are healthy", healthy)
        self.weights: list[tuple[float, dict[str, int]]] = []
        self._callers = Callers([each["egress"][port] for each in tasks], VIRTUAL_SERVICE, RATE, every=0.1)
        self._apps, self._stop = Tutorial(aws), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def steps(self, node: str, version: str, since: float) -> list[tuple[int, float, int]]:
        """A rollout's steps since a time (seconds since the epoch): weight of the node, share of requests that its
        version answered towards the end of the step, and how many requests that was measured on.
        """
        found = [(at, weights.get(node, 0)) for at, weights in list(self.weights) if at >= since]
        ends = [at for at, _ in found[1:]] + [time.time()]
        steps = []
        for (_, weight), end in zip(found, ends, strict=True):
            counts, _ = self._callers.since(end - OBSERVED_SECONDS, end)
            steps.append((weight, counts[version] / max(1, counts.total()), counts.total()))
        return steps

    def written(self, node: str, weight: int, since: float) -> float:
        """When a node was given this weight, for the first time since then (seconds since the epoch)."""
        seen = wait_for(
            f"{node} gets {weight}",
            lambda: [at for at, w in list(self.weights) if at >= since and w.get(node) == weight],
        )
        return float(seen[0])

    def first(self, version: str) -> float:
        """When a version answered for the first time, to a tenth of a second."""
        return float(wait_for(f"{version} answers", lambda: self._answers(version))[0])

    def last(self, version: str) -> float:
        """When a version answered for the last time so far, to a tenth of a second."""
        return self._answers(version)[-1]

    def stop(self) -> tuple[Counter[str], Counter[str]]:
        """End the requests; how many there were and how many failed, by version."""
        self._stop.set()
        self._watcher.join(5)
        self._callers.stop()
        return self._callers.since(0)

    def samples(self, began: float) -> Samples:
        """The samples of a timeline (local/report/timeline.py) that began at a time, one for each second."""
        return by_second(self._callers.samples, began)

    def _answers(self, version: str) -> list[float]:
        return [float(each["at"]) for each in list(self._callers.samples) if version in each["counts"]]

    def _watch(self) -> None:
        """Follow the weights; when they were written is the mesh API's word."""
        route = {"meshName": MESH, "virtualRouterName": VIRTUAL_SERVICE, "routeName": VIRTUAL_SERVICE}
        known: dict[str, int] = {}
        while not self._stop.wait(0.2):
            try:
                found = self._apps.mesh.describe_route(**route)["route"]
            except BotoCoreError:
                continue  # the story stopped, and local AWS with it
            targets = found["spec"]["http2Route"]["action"]["weightedTargets"]
            weights = {each["virtualNode"]: each["weight"] for each in targets}
            if weights != known:
                known = weights
                self.weights.append((found["metadata"]["lastUpdatedAt"].timestamp(), weights))


def is_within_error(weight: int, share: float, requests: int) -> bool:
    """Say whether a share can be a weight's by chance: within four standard deviations.

    >>> is_within_error(25, 0.27, 400), is_within_error(25, 0.40, 400), is_within_error(100, 0.99, 400)
    (True, False, False)
    """
    expected = weight / 100
    return requests > 0 and abs(share - expected) <= 4 * math.sqrt(expected * (1 - expected) / requests)


def by_second(samples: Samples, began: float) -> Samples:
    """Add up samples to one for each second; `at` is the second's end.

    >>> by_second([{"from": 10.0, "at": 10.4, "counts": {"b:1": 2}, "errors": {}, "ms": [3.0, 1.0]},
    ...            {"from": 10.4, "at": 10.9, "counts": {"b:1": 1}, "errors": {"b:1": 1}, "ms": [2.0]}], 10.0)
    [{'at': 1, 'counts': {'b:1': 3}, 'errors': {'b:1': 1}, 'p99Ms': 3.0}]
    """
    seconds: dict[int, Samples] = {}
    for each in samples:
        seconds.setdefault(int(each["from"] - began) + 1, []).append(each)
    return [
        {
            "at": at,
            "counts": dict(sum((Counter(each["counts"]) for each in found), Counter[str]())),
            "errors": dict(sum((Counter(each["errors"]) for each in found), Counter[str]())),
            "p99Ms": percentile([ms for each in found for ms in each["ms"]], 0.99),
        }
        for at, found in seconds.items()
    ]


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that so great a share of the values does not exceed; None of no values.

    >>> percentile([float(n) for n in range(1, 201)], 0.99)
    198.0
    """
    return sorted(values)[math.ceil(len(values) * share) - 1] if values else None
