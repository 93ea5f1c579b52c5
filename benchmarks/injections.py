"""A thousand services deployed in a minute, and ECS lets a task definition be registered once a second.

`python -m benchmarks.injections` prints a JSON line. Time is virtual; the handlers are the functions' own, called as
their queue and their state machine call them: batches, concurrency and redrive as in template.yaml, retries as in
statemachine/rollout.asl.yaml. The answers are those of benchmarks/simulated_aws.py.
"""

import contextlib
import importlib.util
import io
import json
import os
import random
import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "functions"), str(ROOT)]

os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")

import boto3  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from benchmarks.simulated_aws import ACCOUNT, LATENCY, RATES, SimulatedAws, refused  # noqa: E402
from benchmarks.virtual_time import Clock  # noqa: E402
from domain.errors import MeshiftError  # noqa: E402
from gateways import clients, ecs, mesh  # noqa: E402
from handlers import inject_envoy, join_mesh, receive_deployment  # noqa: E402
from tests.integration.conftest import Context  # noqa: E402
from tests.shapes import task_definition  # noqa: E402
from tests.template import state_machine, template  # noqa: E402

SERVICES, WITHIN_SECONDS = 1000, 60.0
DEPLOYMENT_SECONDS = 90.0
MOST = 1.1
SEED, EPOCH = 7, 1_800_000_000.0
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:rollout"
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


@dataclass
class Message:
    """An event in the queue."""

    body: str
    received: int = 0


@dataclass
class Account:
    """An account with the stack, in virtual time."""

    clock: Clock
    aws: SimulatedAws
    queue: deque[Message] = field(default_factory=deque)
    executions: set[str] = field(default_factory=set)
    ends: Counter[str] = field(default_factory=Counter)
    """How executions ended."""
    retries: Counter[str] = field(default_factory=Counter)
    dead: int = 0
    """Messages that were given up."""
    under_way: int = 0
    """Events, executions and deployments that are still to end."""
    injected_at: float = 0.0

    def __post_init__(self) -> None:
        self.aws.start_execution = self._start_execution
        self.aws.ecs.updated = self._injected
        self.tasks = {
            "Join Mesh": join_mesh.handler,
            "Inject Envoy": inject_envoy.handler,
            # Without its policy, the route and the tasks: of ECS's rates it needs this one read.
            "Plan Rollout": lambda event, _: ecs.describe_service(event["service"], event["cluster"]) and {},
        }

    def create(self, name: str) -> None:
        """Make a service whose deployment begins now, without Envoy."""
        arn = f"{ACCOUNT}:service/apps/{name}"
        tags = {"mesh": "apps", "virtual-service": f"{name}.apps.local", "hostname": f"{name}.apps.local"}
        self.aws.ecs.services[arn] = {
            "serviceArn": arn, "serviceName": name, "clusterArn": f"{ACCOUNT}:cluster/apps", "status": "ACTIVE",
            "desiredCount": 1, "tags": [{"key": f"meshift:{key}", "value": value} for key, value in tags.items()],
        }  # fmt: skip
        definition = task_definition()
        definition["family"], definition["taskDefinitionArn"] = name, f"{ACCOUNT}:task-definition/{name}:0"
        self.aws.ecs.definitions[definition["taskDefinitionArn"]] = definition, []
        self.aws.ecs.deploy(arn, definition["taskDefinitionArn"])
        self._deployed(arn)

    def _injected(self, arn: str) -> None:
        self.injected_at = self.clock.now
        self._deployed(arn)

    def _deployed(self, arn: str) -> None:
        """Announce a deployment, and its completion unless another takes its place."""
        (deployment,) = self.aws.ecs.services[arn]["deployments"]
        self._announce(arn, deployment["id"], "IN_PROGRESS")
        self.under_way += 1

        def complete() -> None:
            (now,) = self.aws.ecs.services[arn]["deployments"]
            if now is deployment:
                deployment["rolloutState"] = "COMPLETED"
                self._announce(arn, deployment["id"], "COMPLETED")
            self.under_way -= 1

        self.clock.spawn(complete, DEPLOYMENT_SECONDS)

    def _announce(self, arn: str, deployment: str, name: str) -> None:
        detail = {"eventName": f"SERVICE_DEPLOYMENT_{name}", "deploymentId": deployment, "reason": ""}
        event = {"id": deployment, "resources": [arn], "detail": detail}
        self.queue.append(Message(json.dumps(event)))
        self.under_way += 1

    def poll(self) -> None:
        """Be one of the event source's pollers, until nothing is under way."""
        found, queue = properties("ReceiveDeploymentFunction")["Events"]["Deployments"], properties("DeploymentsQueue")
        module = container(receive_deployment)
        while self.under_way:
            size = min(found["Properties"]["BatchSize"], len(self.queue))
            batch = [self.queue.popleft() for _ in range(size)]
            if not batch:
                self.clock.sleep(1)
                continue
            records = [
                {"messageId": str(at), "body": each.body, "eventSource": "aws:sqs"} for at, each in enumerate(batch)
            ]
            answer = module.handler({"Records": records}, Context())
            failed = {int(each["itemIdentifier"]) for each in answer["batchItemFailures"]}
            for at, message in enumerate(batch):
                if at not in failed:
                    self.under_way -= 1
                    continue
                message.received += 1
                if message.received >= queue["RedrivePolicy"]["maxReceiveCount"]:
                    self.dead += 1
                    self.under_way -= 1
                else:
                    self.clock.spawn(lambda message=message: self.queue.append(message), queue["VisibilityTimeout"])

    def _start_execution(self, name: str, **more: Any) -> dict[str, Any]:
        if name in self.executions:
            raise refused("ExecutionAlreadyExists", "StartExecution")
        self.executions.add(name)
        self.under_way += 1
        self.clock.spawn(
            lambda: self._execute(f"{MACHINE.replace('Machine:', '', 1)}:{name}", json.loads(more["input"]))
        )
        return {}

    def _execute(self, arn: str, document: dict[str, Any]) -> None:
        """Walk the state machine as far as ECS's rates matter."""
        document = {**document, "execution": arn, "turns": 0}
        joined = self._task("Join Mesh", document)
        outcome = joined["outcome"]
        if outcome == "Joined":
            injected = self._task("Inject Envoy", {**document, **joined})
            outcome = injected["outcome"]
        if outcome == "Present":
            self._task("Plan Rollout", document)
        self.ends[outcome] += 1
        self.under_way -= 1

    def _task(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Call a task as often as its Retry says; a Catch ends in Refused."""
        tried: Counter[int] = Counter()
        while True:
            try:
                self.clock.sleep(LATENCY)
                return dict(self.tasks[name](document, Context()))
            except (ClientError, MeshiftError) as error:
                wait = retry_after(state_machine()["States"][name]["Retry"], type(error).__name__, tried)
            if wait is None:
                return {"outcome": "Refused", "reason": f"{name} failed"}
            self.retries[name] += 1
            self.clock.sleep(wait * self.aws.chance.random())  # JitterStrategy: FULL


def retry_after(retriers: list[dict[str, Any]], error: str, tried: Counter[int]) -> float | None:
    """Say how long at most to wait before the next try; None when it was the last."""
    for at, retrier in enumerate(retriers):
        if {error, "States.ALL"} & set(retrier["ErrorEquals"]):
            if tried[at] == retrier["MaxAttempts"]:
                return None
            wait: float = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** tried[at]
            tried[at] += 1
            return min(wait, retrier["MaxDelaySeconds"])
    return None


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template()["Resources"][name]["Properties"]
    return found


def container(module: ModuleType) -> ModuleType:
    """Load a handler anew: each container of a function has its own."""
    spec = importlib.util.spec_from_file_location(module.__name__, module.__file__ or "")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def simulate(services: int, throttles: bool = True) -> Account:
    """Deploy services, evenly over a minute, and let the stack work until nothing is left to do."""
    chance = random.Random(SEED)
    clock = Clock()
    account = Account(clock, SimulatedAws(clock, chance, throttles))
    poll: Callable[[], None] = account.poll
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
            clock.spawn(poll)
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
