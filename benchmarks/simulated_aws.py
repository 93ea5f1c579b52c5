"""AWS in virtual time, as far as a deployment asks it: what it knows, how fast it answers, and when it throttles.

What it answers is not copied: handlers and domain never change what they were given.

ECS's buckets are those of https://docs.aws.amazon.com/AmazonECS/latest/developerguide/request-throttling.html
(capacity, refill a second). Clients try again as the functions' own do: botocore's standard mode.
"""

# ruff: noqa: N803 - the names of arguments are AWS's
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from benchmarks.virtual_time import Clock
from gateways.clients import CONFIG

Document = dict[str, Any]
SERVICE_READ, SERVICE_MODIFY = "Service read actions", "Service modify actions"
DEFINITION_READ, DEFINITION_MODIFY = "Task definition read actions", "Task definition modify actions"
RATES = {SERVICE_READ: (100, 20), SERVICE_MODIFY: (50, 5), DEFINITION_READ: (50, 20), DEFINITION_MODIFY: (20, 1)}
BUCKETS = {
    "describe_services": SERVICE_READ,
    "update_service": SERVICE_MODIFY,
    "describe_task_definition": DEFINITION_READ,
    "register_task_definition": DEFINITION_MODIFY,
}
LATENCY = 0.03
"""Seconds that a call takes, throttled or not."""
ACCOUNT = "arn:aws:ecs:us-east-1:111111111111"


class Bucket:
    """Tokens that come back at a rate, up to a capacity."""

    def __init__(self, capacity: int, refill: int, clock: Clock) -> None:
        self.capacity, self.refill, self._clock = capacity, refill, clock
        self._tokens, self._at = float(capacity), 0.0

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock.now
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.refill)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class SimulatedAws:
    """One account's ECS, tables and mesh, and the clients that ask them."""

    def __init__(self, clock: Clock, chance: random.Random, throttles: bool = True) -> None:
        self.clock, self.chance = clock, chance
        self.buckets = {name: Bucket(*rate, clock) for name, rate in RATES.items()} if throttles else {}
        self.calls: Counter[str] = Counter()
        """Calls that were answered, by bucket."""
        self.throttled: Counter[str] = Counter()
        self.ecs, self.table, self.mesh = Ecs(), Table(), Mesh()
        self.start_execution: Callable[..., Any] = lambda **_: {}

    def client(self, service: str, **_: Any) -> "Client":
        """Stand in for `boto3.client`."""
        return Client(self, service)

    def call(self, service: str, operation: str, /, **arguments: Any) -> Any:
        """Answer one call, after its tries."""
        bucket = BUCKETS.get(operation, "")
        tries: int = CONFIG.retries["total_max_attempts"]  # type: ignore[attr-defined]
        for attempt in range(1, tries + 1):
            self.clock.sleep(LATENCY)
            if bucket not in self.buckets or self.buckets[bucket].take():
                break
            self.throttled[bucket] += 1
            if attempt == tries:
                raise refused("ThrottlingException", operation)
            self.clock.sleep(self.chance.random() * min(2 ** (attempt - 1), 20))
        if bucket:
            self.calls[bucket] += 1
        if operation == "start_execution":
            return self.start_execution(**arguments)
        known = {"ecs": self.ecs, "dynamodb": self.table, "appmesh": self.mesh, "ssm": Parameters()}[service]
        return getattr(known, operation)(**arguments)


class Client:
    """A client of one service."""

    def __init__(self, aws: SimulatedAws, service: str) -> None:
        self._aws, self._service = aws, service
        model = botocore.session.get_session().get_service_model(service) if service == "ecs" else None
        self.meta = SimpleNamespace(service_model=model, events=SimpleNamespace(register=lambda *_: None))

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return partial(self._aws.call, self._service, operation)

    def get_paginator(self, operation: str) -> Any:
        """Answer in one page."""
        return SimpleNamespace(paginate=lambda **arguments: [getattr(self, operation)(**arguments)])


def refused(code: str, operation: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, operation)


class Ecs:
    """Services and task definitions."""

    def __init__(self) -> None:
        self.services: dict[str, Document] = {}
        self.definitions: dict[str, tuple[Document, list[Document]]] = {}
        self.updated: Callable[[str], None] = lambda _: None
        self.updates: Counter[str] = Counter()
        self.deployments = 0

    def describe_services(self, services: list[str], **_: Any) -> Document:
        found = [self.services[arn if arn.startswith("arn:") else f"{ACCOUNT}:service/apps/{arn}"] for arn in services]
        return {"services": found}

    def describe_task_definition(self, taskDefinition: str, **_: Any) -> Document:
        definition, tags = self.definitions[taskDefinition]
        return {"taskDefinition": definition, "tags": tags}

    def register_task_definition(self, tags: list[Document] | None = None, **definition: Any) -> Document:
        arn = f"{ACCOUNT}:task-definition/{definition['family']}:{len(self.definitions) + 1}"
        self.definitions[arn] = {**definition, "taskDefinitionArn": arn}, tags or []
        return {"taskDefinition": self.definitions[arn][0]}

    def update_service(self, service: str, taskDefinition: str, **_: Any) -> Document:
        self.updates[service] += 1
        self.deploy(service, taskDefinition)
        self.updated(service)
        return {}

    def deploy(self, arn: str, definition: str) -> None:
        """Begin a deployment."""
        self.deployments += 1
        deployment = {"id": f"ecs-svc/{self.deployments}", "status": "PRIMARY", "taskDefinition": definition}
        self.services[arn]["deployments"] = [{**deployment, "rolloutState": "IN_PROGRESS"}]
        self.services[arn]["taskDefinition"] = definition


class Table:
    """A DynamoDB table, as far as a deployment uses one."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Document] = {}

    def get_item(self, Key: Document, **_: Any) -> Document:
        item = self.items.get(_name(Key))
        return {"Item": item} if item else {}

    def put_item(self, Item: Document, ConditionExpression: str = "", **_: Any) -> Document:
        found = self.items.get(_name(Item))
        if found and ConditionExpression == "attribute_not_exists(pk)":
            raise refused("ConditionalCheckFailedException", "PutItem", Item=found)
        self.items[_name(Item)] = Item
        return {}

    def update_item(
        self, Key: Document, UpdateExpression: str, ExpressionAttributeValues: Document, **more: Any
    ) -> Document:
        item = self.items.setdefault(_name(Key), dict(Key))
        names = more.get("ExpressionAttributeNames", {})
        for part in UpdateExpression.partition("SET ")[2].partition(" REMOVE")[0].split(","):
            name, _, value = (word.strip() for word in part.partition("="))
            item[names.get(name, name)] = ExpressionAttributeValues[value]
        return {"Attributes": item}

    def delete_item(self, Key: Document, **_: Any) -> Document:
        self.items.pop(_name(Key), None)
        return {}

    def query(self, ExpressionAttributeValues: Document, **_: Any) -> Document:
        (wanted,) = (value["S"] for name, value in ExpressionAttributeValues.items() if name == ":pk")
        return {"Items": [item for (pk, _), item in self.items.items() if pk == wanted]}


def _name(key: Document) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


class Mesh:
    """App Mesh's resources by kind and name; what is asked for and not there is not found."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], Document] = {}

    def __getattr__(self, operation: str) -> Callable[..., Document]:
        verb, _, kind = operation.partition("_")
        return partial(getattr(self, f"_{verb}"), kind)

    def _describe(self, kind: str, **names: Any) -> Document:
        if kind == "mesh":
            return {"mesh": {}}
        found = self.found.get(self._key(kind, names))
        if found is None:
            raise refused("NotFoundException", f"describe {kind}")
        return {_camel(kind): found}

    def _create(self, kind: str, spec: Document, **names: Any) -> Document:
        key = self._key(kind, names)
        arn = f"arn:aws:appmesh:us-east-1:111111111111:mesh/apps/{_camel(kind)}/{key[-1]}"
        metadata = {"arn": arn, "resourceOwner": "111111111111", "meshOwner": "111111111111", "version": 1}
        self.found[key] = {**names, "spec": spec, "metadata": metadata}
        return {}

    def _list(self, _: str, **names: Any) -> Document:
        router = names["virtualRouterName"]
        routes = [found for key, found in self.found.items() if key[:2] == ("route", router)]
        return {"routes": [{"routeName": found["routeName"]} for found in routes]}

    def _key(self, kind: str, names: Document) -> tuple[str, ...]:
        if kind == "route":
            return kind, names["virtualRouterName"], names["routeName"]
        return kind, names[f"{_camel(kind)}Name"]


class Parameters:
    """SSM's, with the default policy."""

    def get_parameter(self, **_: Any) -> Document:
        return {"Parameter": {"Value": '{"steps": [{"weight": 10, "bakeSeconds": 300}]}'}}


def _camel(kind: str) -> str:
    first, *rest = kind.split("_")
    return first + "".join(word.title() for word in rest)
