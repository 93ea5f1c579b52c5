"""The stack in virtual time: its queue, the function that reads it, and the executions that it starts.

Batches, concurrency and redrive are those of template.yaml, retries those of statemachine/rollout.asl.yaml. Tasks are
called as far as ECS's rates matter to them.
"""

import importlib.util
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.simulated_aws import ACCOUNT, LATENCY, SimulatedAws, refused
from benchmarks.virtual_time import Clock
from domain.errors import MeshiftError
from gateways import ecs
from handlers import inject_envoy, join_mesh, receive_deployment
from tests.integration.conftest import Context
from tests.shapes import task_definition
from tests.template import state_machine, template

DEPLOYMENT_SECONDS = 90.0
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:rollout"


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
