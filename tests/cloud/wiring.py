"""Rules, schedules, queues and functions of a stack, as the template joins them; worked out once for each stack."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.cloud.stack import Stack

Document = dict[str, Any]
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Queue:
    """A queue that a rule fills, and the function that reads it."""

    name: str
    function: str
    visibility: int
    """Seconds until a message comes again that its function did not take."""
    tries: int
    """How often it comes, before it is a dead letter."""


@dataclass(frozen=True)
class Rule:
    name: str
    pattern: Any
    every: int
    """Seconds, of a schedule; 0 for none."""
    queues: tuple[Queue, ...]

    def matches(self, event: Document) -> bool:
        return bool(self.pattern) and _matches(self.pattern, event)


@cache
def rules_of(stack: Stack) -> tuple[Rule, ...]:
    """Read the stack's rules and what they reach."""
    found = []
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        properties = rule["Properties"]
        every = _seconds(stack.resolved(properties.get("ScheduleExpression", "")))
        pattern = stack.resolved(properties.get("EventPattern"))
        found.append(Rule(name, pattern, every, tuple(_queues(stack, properties["Targets"]))))
    return tuple(found)


@cache
def environments_of(stack: Stack) -> dict[str, dict[str, str]]:
    """Each function's own environment, by its logical id."""
    return {name: each["Environment"] for name, each in stack.functions.items()}


def _queues(stack: Stack, targets: list[Document]) -> Iterator[Queue]:
    for target in targets:
        name = target["Arn"]["Fn::GetAtt"][0]
        properties = stack.template["Resources"][name]["Properties"]
        for function, each in stack.of_type("AWS::Serverless::Function").items():
            for source in each["Properties"].get("Events", {}).values():
                if source["Properties"].get("Queue") == target["Arn"]:
                    tries = properties["RedrivePolicy"]["maxReceiveCount"]
                    yield Queue(name, function, properties["VisibilityTimeout"], tries)


def _seconds(expression: str) -> int:
    if not expression.startswith("rate("):
        return 0
    number, unit = expression[5:-1].split()
    return int(number) * _SECONDS[unit.rstrip("s")]


def _matches(pattern: Any, event: Any) -> bool:
    if isinstance(pattern, list):
        return event in pattern
    return isinstance(event, dict) and all(_matches(each, event.get(key)) for key, each in pattern.items())
