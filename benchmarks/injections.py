"""A thousand services deployed in a minute, and ECS lets a task definition be registered once a second.

`python -m benchmarks.injections` prints a JSON line. Time is virtual; the handlers are the functions' own, called as
their queue and their state machine call them (benchmarks/simulated_stack.py), and answered by ECS's token buckets
(benchmarks/simulated_aws.py).
"""

import contextlib
import io
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "functions"), str(ROOT)]

os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")

import boto3  # noqa: E402

from benchmarks.simulated_aws import RATES, SimulatedAws  # noqa: E402
from benchmarks.simulated_stack import MACHINE, Account, properties  # noqa: E402
from benchmarks.virtual_time import Clock  # noqa: E402
from gateways import clients, mesh  # noqa: E402

SERVICES, WITHIN_SECONDS = 1000, 60.0
MOST = 1.1
SEED, EPOCH = 7, 1_800_000_000.0
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "CONTROL_PLANE": "hosted",
    "DISCOVERY_ENDPOINT": "https://discover.example/",
    "MESH_ENDPOINT": "https://mesh.example/",
    "ROLLOUT_TABLE": "rollouts",
    "STATE_MACHINE_ARN": MACHINE,
    "DEAD_LETTER_QUEUE_URL": "dead",
    "TASK_ROLE_POLICY": "off",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


def simulate(services: int, throttles: bool = True) -> Account:
    """Deploy services, evenly over a minute, and let the stack work until nothing is left to do."""
    chance = random.Random(SEED)
    clock = Clock()
    account = Account(clock, SimulatedAws(clock, chance, throttles))
    with (
        patch.dict(os.environ, ENVIRONMENT),
        patch.object(boto3, "client", account.aws.client),
        patch("time.time", lambda: EPOCH + clock.now),
        contextlib.redirect_stdout(io.StringIO()),  # metrics
    ):
        forget_clients()
        account.under_way = services
        for number in range(services):
            clock.spawn(
                lambda number=number: deploy(account, f"service{number:04}"), number * WITHIN_SECONDS / services
            )
        pollers = properties("ReceiveDeploymentFunction")["Events"]["Deployments"]["Properties"]["ScalingConfig"]
        for _ in range(pollers["MaximumConcurrency"]):
            clock.spawn(account.poll)
        clock.run()
    forget_clients()
    return account


def deploy(account: Account, name: str) -> None:
    account.create(name)
    account.under_way -= 1


def forget_clients() -> None:
    clients.client.cache_clear()
    mesh._client.cache_clear()


def minimum(calls: Counter[str], services: int) -> float:
    """Work out how long the buckets need by themselves for what one undisturbed service asks, times all."""
    return max((calls[name] * services - capacity) / refill for name, (capacity, refill) in RATES.items())


def main() -> None:
    """Print the figures."""
    least = minimum(simulate(1, throttles=False).aws.calls, SERVICES)
    account = simulate(SERVICES)
    injected = account.aws.ecs.updates
    twice = sum(number > 1 for number in injected.values())
    ratio = account.injected_at / least
    line = {
        "benchmark": f"{SERVICES} services deployed in a minute",
        "last_injected_s": round(account.injected_at),
        "buckets_minimum_s": round(least),
        "ratio": round(ratio, 3),
        "allowed": MOST,
        "lost": SERVICES - len(injected) + account.dead,
        "injected_twice": twice,
        "revisions_registered": account.aws.calls["Task definition modify actions"],
        "retries": dict(account.retries),
        "throttled": dict(account.aws.throttled),
        "ends": dict(account.ends),
        "ok": ratio <= MOST and len(injected) == SERVICES and not twice and not account.dead,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
