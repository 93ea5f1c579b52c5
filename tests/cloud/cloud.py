"""The account: its functions, state machines, rules and queues, as the template has them, over what AWS keeps."""

import importlib
import io
import json
import logging
import marshal
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from gateways.mesh_store import MeshStore
from handlers import mesh_api
from settings import MeshApiSettings
from tests.asl import TaskFailed
from tests.cloud.calls import parsed, serialized, validate
from tests.cloud.clock import Clock
from tests.cloud.dynamodb import Tables, copied
from tests.cloud.ecs import Ecs
from tests.cloud.faults import Asked, Fault, Killed
from tests.cloud.idle import Idle
from tests.cloud.integrations import integrated
from tests.cloud.neighbours import API, Neighbour
from tests.cloud.neighbours import TABLE as NEIGHBOURS
from tests.cloud.others import (
    Alarms,
    Hooks,
    Invitations,
    Lattice,
    Organization,
    Parameters,
    Registries,
    Roles,
    Scaling,
    Told,
)
from tests.cloud.stack import Stack
from tests.cloud.states import Execution, States
from tests.cloud.wiring import Queue, Rule, environments_of, rules_of
from tests.hosted_mesh import OWNER, REGION, event_of

Document = dict[str, Any]
_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "POWERTOOLS_METRICS_DISABLED": "true",
}
_paginator = cache(BaseClient.get_paginator)  # it writes documentation each time
_SETTINGS = MeshApiSettings(REGION, "MeshTable", "", "https://discover.example/", "lambda")


@dataclass
class Context:
    """What Lambda hands to a function."""

    function_name: str
    memory_limit_in_mb: int = 512
    aws_request_id: str = "1"

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{OWNER}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Cloud:
    """One account with the stack; the others' services, and everything that was asked and told."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.clock = Clock()
        self.tables = Tables("RolloutTable", "MeshTable", NEIGHBOURS)
        self.ecs = Ecs(self.clock, self.emit)
        self.parameters, self.alarms, self.told = Parameters(), Alarms(), Told()
        self.roles, self.scaling, self.invitations = Roles(), Scaling(), Invitations()
        self.hooks, self.registries, self.organization = Hooks(), Registries(), Organization()
        self.neighbour, self.lattice = Neighbour(self.tables), Lattice()
        self.states = States(self.clock, self.stack.machines, self.invoke, self.emit)
        self.store = MeshStore("MeshTable", self.tables, patience=0.0)  # type: ignore[arg-type]
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.dead: Counter[str] = Counter()
        self.chaos: Callable[[Document], list[float]] = lambda event: [1]
        """After how many seconds an event is delivered; several numbers deliver it several times."""
        self.watchers: list[Callable[[Asked], None]] = []
        self.working: list[str] = []
        self.environment: dict[str, str] = {}
        """What all functions have in their environments."""
        self._backends = {
            "dynamodb": self.tables,
            "ecs": self.ecs,
            "ssm": self.parameters,
            "cloudwatch": self.alarms,
            "sns": self.told,
            "eventbridge": self.told,
            "sqs": self.told,
            "iam": self.roles,
            "application-auto-scaling": self.scaling,
            "ram": self.invitations,
            "lambda": self.hooks,
            "servicediscovery": self.registries,
            "organizations": self.organization,
            "vpc-lattice": self.lattice,
            "sfn": self.states,
        }
        self.idle = Idle(self)
        self._known: dict[Any, Document] = {}
        self._read_at = 0
        self._schedule()

    def fork(self) -> "Cloud":
        """Make another cloud in which all is as it is here, now that all is quiet."""
        assert self.quiet()
        other = Cloud(self.stack)
        other.clock.now = self.clock.now
        # What is in tables, and revisions, is replaced and never changed.
        other.tables.tables = {name: {**items} for name, items in self.tables.tables.items()}
        other.tables.writes = Counter(self.tables.writes)
        other.ecs.revisions = {**self.ecs.revisions}
        for name in (
            "ecs.services",
            "parameters.values",
            "alarms.states",
            "alarms.metrics",
            "hooks.answers",
            "scaling.targets",
            "invitations.invitations",
            "invitations.shares",
        ):
            room, _, kept = name.partition(".")
            setattr(getattr(other, room), kept, copied(getattr(getattr(self, room), kept)))
        if self._read_at == self.tables.writes["MeshTable"]:
            other._read_at, other._known = self._read_at, self._known
        other.told.events = [*self.told.events]
        other.states.executions = {**self.states.executions}
        return other

    # -- events: rule, queue, function

    def emit(self, event: Document) -> None:
        """Deliver an event by the template's rules: at least once, and again while its function fails."""
        for rule in rules_of(self.stack):
            if rule.matches(event):
                for seconds in self.chaos(event):
                    self._send(rule, event, seconds)

    def _schedule(self) -> None:
        for rule in rules_of(self.stack):
            if rule.every:
                self._every(rule)

    def _every(self, rule: Rule) -> None:
        def tick() -> None:
            if not self.idle.would_find_nothing(rule):
                self._send(rule, {"source": "aws.events", "detail-type": "Scheduled Event", "id": rule.name}, 0)
            self._every(rule)

        self.clock.later(rule.every, tick, background=True)

    def _send(self, rule: Rule, event: Document, seconds: float) -> None:
        for queue in rule.queues:
            self._receive(queue, json.dumps(event), seconds)

    def _receive(self, queue: Queue, body: str, seconds: float, times: int = 1) -> None:
        def take() -> None:
            try:
                failed = self.invoke(queue.function, batch(queue.name, body)).get("batchItemFailures")
            except TaskFailed:
                failed = True
            if failed and times < queue.tries:
                self._receive(queue, body, queue.visibility, times + 1)
            elif failed:
                self.dead[queue.name] += 1

        self.clock.later(seconds, take)

    # -- functions

    def invoke(self, name: str, payload: Any) -> Any:
        """Run a function by name or ARN; its errors as Lambda tells them to Step Functions."""
        if name.startswith("arn:aws:states:::") and self.states.at_work:
            return self._integrated(name, payload)
        name = name.rpartition("function:")[2].split(":")[0]
        handler, text = _handler(self.stack.functions[name]["Handler"]), json.dumps(payload)
        before, os.environ = os.environ, {**self.environment, **environments_of(self.stack)[name]}
        self.working.append(name)
        try:
            return json.loads(json.dumps(handler(json.loads(text), Context(name))))
        except Killed as error:
            raise TaskFailed("Lambda.Unknown", "the process ended") from error
        except NotImplementedError:
            raise  # of the cloud here, not of the function
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise TaskFailed(type(error).__name__, cause) from error
        finally:
            self.working.pop()
            os.environ = before  # noqa: B003 - the whole of it was replaced, nothing was added

    def _integrated(self, resource: str, arguments: Document) -> Any:
        self.working.append(self.states.at_work.machine.rpartition(":")[2])  # type: ignore[union-attr]
        try:
            return integrated(resource, arguments)
        finally:
            self.working.pop()

    # -- calls to AWS

    def answer(self, caller: Any, model: Any, parameters: Document) -> Any:
        """Answer one call of a boto3 client, or let a fault strike."""
        validate(model, parameters)
        service = caller.meta.service_model.service_id.hyphenize()
        asked = Asked(self.working[-1] if self.working else "", service, model.name, parameters, len(self.asked))
        self.asked.append(asked)
        striking = [each for each in self.faults if each.strikes(asked, self.clock.now)] if asked.function else []
        act = self._acting(caller, asked, model)
        for fault in striking:
            if fault.kind in ("stopped", "overtaken") and self.states.at_work:
                self.states.stop_execution(self.states.at_work.arn)
            if fault.kind == "overtaken":
                self.recover()
            fault.before()
            if fault.kind == "repeated":
                with suppress(ClientError):
                    act()
        try:
            return act()
        finally:
            for watch in self.watchers:
                watch(asked)
            for fault in striking:
                fault.after()

    def recover(self) -> None:
        """Let recovery look now."""
        try:
            self.invoke("RecoverRolloutFunction", batch("RolloutsQueue", "{}"))
        except TaskFailed:
            return

    def _acting(self, caller: Any, asked: Asked, model: Any) -> Callable[[], Any]:
        """What a call does each time that it is sent."""
        if asked.service != "app-mesh":
            method = getattr(self._backends.get(asked.service), xform_name(asked.operation), None)
            if method is None:
                raise NotImplementedError(f"tests/cloud does not know {asked.service}:{asked.operation} yet")
            return lambda: method(**asked.parameters)
        theirs = caller.meta.endpoint_url == API
        if asked.operation.startswith(("Describe", "List")) and not theirs:
            return lambda: parsed(model, self._read(caller, asked, model))
        request = serialized(caller, model, asked.parameters)
        return lambda: parsed(model, self.neighbour.answer(self._sent(request)) if theirs else self._mesh(request))

    def _read(self, caller: Any, asked: Asked, model: Any) -> Document:
        """Let mesh_api answer what it has not answered since the mesh was last changed."""
        if self._read_at != self.tables.writes["MeshTable"]:
            self._read_at, self._known = self.tables.writes["MeshTable"], {}
        key = asked.operation, marshal.dumps(asked.parameters)
        if key not in self._known:
            self._known[key] = self._mesh(serialized(caller, model, asked.parameters))
        return self._known[key]

    def _mesh(self, request: Document) -> Document:
        """Let mesh_api answer."""
        event = event_of(self._sent(request), OWNER, None, None)  # type: ignore[arg-type]
        return mesh_api.serve(event, _SETTINGS, self.store, OWNER)

    def _sent(self, request: Document) -> SimpleNamespace:
        """Write a request as it goes over the wire; in App Mesh's own mode nobody knows If-Match."""
        headers = {key: value for key, value in request["headers"].items() if self.hosted or key != "If-Match"}
        url = f"https://mesh.example{request['url_path']}?{urlencode(request['query_string'])}"
        return SimpleNamespace(method=request["method"], url=url, headers=headers, body=request["body"])

    @property
    def hosted(self) -> bool:
        return self.stack.holds("IsHosted")

    # -- time

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until all is quiet, no execution at work, nothing expected; or until something is so."""
        self.clock.run(lambda: until() or self.quiet())

    def quiet(self) -> bool:
        return not self.clock.expected and not self.states.running

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(lambda: False, seconds)

    def executions(self, status: str = "") -> list[Execution]:
        """Executions of the rollouts' state machine."""
        found = [each for each in self.states.executions.values() if each.machine.endswith(":RolloutStateMachine")]
        return [each for each in found if status in ("", each.status)]

    # -- a look at what is there

    def routes(self) -> dict[str, dict[str, int]]:
        """The weights of all routes of all meshes, by path."""
        found = {}
        for (pk, sk), item in (*self.tables.tables["MeshTable"].items(), *self.tables.tables[NEIGHBOURS].items()):
            if pk.startswith("mesh/") and sk.startswith("mesh/") and "/route/" in sk:
                spec = json.loads(item["document"]["S"])["spec"]
                action = next(each["action"] for key, each in spec.items() if key.endswith("Route"))
                weights = {each["virtualNode"]: each["weight"] for each in action["weightedTargets"]}
                found[sk.removeprefix("mesh/")] = weights
        return found

    def answers(self, node: str) -> int:
        """How many tasks answer behind a node; it has the name of its service, if no tag says otherwise."""
        nodes = {arn: self._node(each) for arn, each in self.ecs.services.items()}
        return sum(self.ecs.answering(arn) for arn in nodes if nodes[arn] == node)

    def _node(self, service: Document) -> str:
        tags = {each["key"]: each["value"] for each in service["tags"]}
        return str(tags.get("meshift:virtual-node", service["serviceName"]))

    def claims(self) -> list[Document]:
        return [item for (pk, _), item in self.tables.tables["RolloutTable"].items() if pk == "claims"]

    def history(self, what: str = "") -> list[Document]:
        """The history's lines of a kind, oldest first: `{"execution", "document", "what"}`."""
        lines = []
        for (_, sk), item in sorted(self.tables.tables["RolloutTable"].items(), key=lambda each: each[0][1]):
            if sk.startswith("history#") and sk.endswith(what):
                document = json.loads(item["document"]["S"])
                lines.append({"what": sk.rpartition("#")[2], "execution": item["execution"]["S"], "document": document})
        return lines


@contextmanager
def in_force(cloud: Cloud) -> Iterator[Cloud]:
    """Let all clients of this process talk to a cloud, and the clock be its own."""

    def call(caller: Any, operation_name: str, api_params: Document) -> Any:
        model = caller.meta.service_model.operation_model(operation_name)
        return cloud.answer(caller, model, api_params)

    disabled = logging.root.manager.disable
    cloud.environment = {**os.environ, **_VARIABLES}
    with (
        mock.patch("os.environ", cloud.environment),
        mock.patch("time.time", cloud.clock.time),
        mock.patch("botocore.client.BaseClient._make_api_call", call),
        mock.patch("botocore.client.BaseClient.get_paginator", _paginator),
        redirect_stdout(io.StringIO()),  # metrics are printed
    ):
        logging.disable(logging.CRITICAL)
        try:
            yield cloud
        finally:
            logging.disable(disabled)


@cache
def _handler(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def batch(queue: str, *bodies: str) -> Document:
    """A batch of messages as Lambda hands it over."""
    records = [
        {
            "messageId": str(number),
            "receiptHandle": str(number),
            "body": body,
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{OWNER}:{queue}",
            "awsRegion": REGION,
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}
