"""The account: its functions, state machines, rules and queues, as the template has them, over what AWS keeps."""

import copy
import importlib
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from gateways.mesh_store import MeshStore
from handlers import mesh_api
from settings import MeshApiSettings
from tests.asl import TaskFailed
from tests.cloud.clock import Clock
from tests.cloud.dynamodb import Tables
from tests.cloud.ecs import Ecs
from tests.cloud.faults import Asked, Fault, Killed
from tests.cloud.others import Alarms, Hooks, Invitations, Parameters, Registries, Roles, Scaling, Told
from tests.cloud.stack import Stack
from tests.cloud.states import Execution, States
from tests.hosted_mesh import OWNER, REGION, event_of

Document = dict[str, Any]
_VALIDATOR, _PARSER, _SERIALIZER = ParamValidator(), create_parser("rest-json"), create_serializer("rest-json")


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
        self.tables = Tables("RolloutTable", "MeshTable")
        self.ecs = Ecs(self.clock, self.emit)
        self.parameters, self.alarms, self.told = Parameters(), Alarms(), Told()
        self.roles, self.scaling, self.invitations = Roles(), Scaling(), Invitations()
        self.hooks, self.registries = Hooks(), Registries()
        self.states = States(self.clock, self.stack.machines, self.invoke, self.emit)
        self.store = MeshStore("MeshTable", self.tables, patience=0.0)  # type: ignore[arg-type]
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.dead: Counter[str] = Counter()
        self.chaos: Callable[[Document], list[float]] = lambda event: [1]
        """After how many seconds an event is delivered; several numbers deliver it several times."""
        self.watchers: list[Callable[[Asked], None]] = []
        self.working: list[str] = []
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
            "sfn": self.states,
        }
        self._schedule()

    def fork(self) -> "Cloud":
        """Make another cloud in which all is as it is here, now that all is quiet."""
        assert self.quiet()
        other = Cloud(self.stack)
        other.clock.now = self.clock.now
        for name in (
            "tables.tables",
            "ecs.services",
            "ecs.revisions",
            "parameters.values",
            "alarms.states",
            "alarms.metrics",
            "hooks.answers",
            "scaling.targets",
        ):
            room, _, kept = name.partition(".")
            setattr(getattr(other, room), kept, copy.deepcopy(getattr(getattr(self, room), kept)))
        other.told.events = [*self.told.events]
        other.states.executions = {**self.states.executions}
        return other

    # -- events: rule, queue, function

    def emit(self, event: Document) -> None:
        """Deliver an event by the template's rules: at least once, and again while its function fails."""
        for name, rule in self.stack.of_type("AWS::Events::Rule").items():
            pattern = self.stack.resolved(rule["Properties"].get("EventPattern"))
            if pattern and _matches(pattern, event):
                for seconds in self.chaos(event):
                    self._send(name, event, seconds)

    def _schedule(self) -> None:
        for name, rule in self.stack.of_type("AWS::Events::Rule").items():
            rate = self.stack.resolved(rule["Properties"].get("ScheduleExpression", ""))
            if rate.startswith("rate("):
                number, unit = rate[5:-1].split()
                self._every(int(number) * {"minute": 60, "hour": 3600, "day": 86400}[unit.rstrip("s")], name)

    def _every(self, seconds: float, rule: str) -> None:
        def tick() -> None:
            self._send(rule, {"source": "aws.events", "detail-type": "Scheduled Event", "id": rule}, 0)
            self._every(seconds, rule)

        self.clock.later(seconds, tick, background=True)

    def _send(self, rule: str, event: Document, seconds: float) -> None:
        for target in self.stack.template["Resources"][rule]["Properties"]["Targets"]:
            queue = target["Arn"]["Fn::GetAtt"][0]
            for function, each in self.stack.of_type("AWS::Serverless::Function").items():
                for source in each["Properties"].get("Events", {}).values():
                    if source["Properties"].get("Queue") == target["Arn"]:
                        self._receive(queue, function, json.dumps(event), seconds)

    def _receive(self, queue: str, function: str, body: str, seconds: float, times: int = 1) -> None:
        properties = self.stack.template["Resources"][queue]["Properties"]

        def take() -> None:
            try:
                failed = self.invoke(function, batch(queue, body)).get("batchItemFailures")
            except TaskFailed:
                failed = True
            if failed and times < properties["RedrivePolicy"]["maxReceiveCount"]:
                self._receive(queue, function, body, properties["VisibilityTimeout"], times + 1)
            elif failed:
                self.dead[queue] += 1

        self.clock.later(seconds, take)

    # -- functions

    def invoke(self, name: str, payload: Any) -> Any:
        """Run a function by name or ARN; its errors as Lambda tells them to Step Functions."""
        name = name.rpartition("function:")[2].split(":")[0]
        function = self.stack.functions[name]
        module = importlib.import_module(function["Handler"].rpartition(".")[0])
        variables, text = function["Environment"], json.dumps(payload)
        before = {key: os.environ.get(key) for key in self._variables}
        _replace_environment(dict.fromkeys(self._variables) | variables)
        self.working.append(name)
        try:
            return json.loads(json.dumps(module.handler(json.loads(text), Context(name))))
        except Killed as error:
            raise TaskFailed("Lambda.Unknown", "the process ended") from error
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise TaskFailed(type(error).__name__, cause) from error
        finally:
            self.working.pop()
            _replace_environment(before)

    @property
    def _variables(self) -> set[str]:
        return {key for each in self.stack.functions.values() for key in each["Environment"]}

    # -- calls to AWS

    def answer(self, caller: Any, model: Any, parameters: Document) -> Any:
        """Answer one call of a boto3 client, or let a fault strike."""
        report = _VALIDATOR.validate(parameters, model.input_shape) if model.input_shape else None
        if report and report.has_errors():
            raise ParamValidationError(report=report.generate_report())
        service = caller.meta.service_model.service_id.hyphenize()
        asked = Asked(self.working[-1] if self.working else "", service, model.name, parameters, len(self.asked))
        self.asked.append(asked)
        striking = [each for each in self.faults if each.strikes(asked, self.clock.now)] if asked.function else []
        request = _serialized(caller, model, parameters) if service == "app-mesh" else {}
        for fault in striking:
            if fault.kind in ("stopped", "overtaken") and self.states.at_work:
                self.states.stop_execution(self.states.at_work.arn)
            if fault.kind == "overtaken":
                self.recover()
            fault.before()
            if fault.kind == "repeated":
                with suppress(ClientError):
                    self._act(asked, model, request)
        try:
            return self._act(asked, model, request)
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

    def _act(self, asked: Asked, model: Any, request: Document) -> Any:
        if asked.service == "app-mesh":
            return self._mesh(model, request)
        backend = self._backends.get(asked.service)
        method = getattr(backend, xform_name(asked.operation), None)
        if method is None:
            raise NotImplementedError(f"tests/cloud does not know {asked.service}:{asked.operation} yet")
        return method(**asked.parameters)

    def _mesh(self, model: Any, request: Document) -> Any:
        """Let mesh_api answer; in App Mesh's own mode it knows no If-Match."""
        headers = {key: value for key, value in request["headers"].items() if self.hosted or key != "If-Match"}
        url = f"https://mesh.example{request['url_path']}?{urlencode(request['query_string'])}"
        sent = SimpleNamespace(method=request["method"], url=url, headers=headers, body=request["body"])
        settings = MeshApiSettings(REGION, "MeshTable", "", "https://discover.example/", "lambda")
        answer = mesh_api.serve(event_of(sent, OWNER, None, None), settings, self.store, OWNER)  # type: ignore[arg-type]
        headers = {key.lower(): value for key, value in answer["headers"].items()}
        response = {"status_code": answer["statusCode"], "headers": headers, "body": answer["body"].encode()}
        parsed = _PARSER.parse(response, model.output_shape)
        if answer["statusCode"] >= 300:
            raise ClientError(parsed, model.name)
        return parsed

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
        return [each for each in self.states.executions.values() if status in ("", each.status)]

    # -- a look at what is there

    def routes(self) -> dict[str, dict[str, int]]:
        """The weights of all routes of all meshes, by path."""
        found = {}
        for (pk, sk), item in self.tables.tables["MeshTable"].items():
            if pk.startswith("mesh/") and sk.startswith("mesh/") and "/route/" in sk:
                spec = json.loads(item["document"]["S"])["spec"]
                action = next(each["action"] for key, each in spec.items() if key.endswith("Route"))
                weights = {each["virtualNode"]: each["weight"] for each in action["weightedTargets"]}
                found[sk.removeprefix("mesh/")] = weights
        return found

    def answers(self, node: str) -> int:
        """How many tasks answer behind a node; a node has the name of its service here."""
        return sum(self.ecs.answering(arn) for arn in self.ecs.services if arn.rpartition("/")[2] == node)

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

    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    disabled = logging.root.manager.disable
    with (
        mock.patch.dict(os.environ, {**keys, "POWERTOOLS_METRICS_DISABLED": "true"}),
        mock.patch("time.time", cloud.clock.time),
        mock.patch("botocore.client.BaseClient._make_api_call", call),
        redirect_stdout(io.StringIO()),  # metrics are printed
    ):
        logging.disable(logging.CRITICAL)
        try:
            yield cloud
        finally:
            logging.disable(disabled)


def _replace_environment(variables: dict[str, str | None]) -> None:
    for key, value in variables.items():
        if value is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = value


def _matches(pattern: Any, event: Any) -> bool:
    if isinstance(pattern, list):
        return event in pattern
    return isinstance(event, dict) and all(_matches(each, event.get(key)) for key, each in pattern.items())


def _serialized(caller: Any, model: Any, parameters: Document) -> Document:
    """Make of a call of the mesh's API what botocore would send, with the headers that the gateway adds."""
    request: Document = _SERIALIZER.serialize_to_request(parameters, model)
    name = f"before-call.app-mesh.{model.name}"
    caller.meta.events.emit(name, model=model, params=request, request_signer=None, context={})
    return request


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
