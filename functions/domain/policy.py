"""Rollout policies: what an operator wrote in the SSM parameter `/meshift/policies/NAME`."""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.checks import Check, parse_checks
from domain.errors import InvalidPolicy

_FIELDS = {
    "steps", "finalBakeSeconds", "deadlineSeconds", "checkEverySeconds", "failureLimit",
    "onNoData", "onFailure", "cleanUp", "checks",
}  # fmt: skip
_LONGEST_SECONDS = 7 * 24 * 3600
_MOST_SLICES = 1000
"""An execution's history holds 25,000 events; a slice (wait, check, decide) takes 9, and may be half as long."""
_MOST_CHECKS_OF_A_GATE = 100
_MOST_TURNS = 300
"""How often a rollout looks whether its turn has come, at most: each takes another 9 events."""
_LONGEST_EXECUTION = 14 * 24 * 3600
"""Of the 30 days that the state machine gives an execution; the rest is for pauses."""


@dataclass(frozen=True)
class Gate:
    """A step that waits for an operator's approval."""

    timeout_seconds: int
    on_timeout: str
    """What becomes of the rollout when nobody answers: rollback, freeze or proceed."""

    def check_every_seconds(self, check_every_seconds: int) -> int:
        """Return how often the candidate is checked meanwhile, which is at most a hundred times."""
        return max(check_every_seconds, math.ceil(self.timeout_seconds / _MOST_CHECKS_OF_A_GATE))

    def checks(self, check_every_seconds: int) -> int:
        """Return how often the candidate is checked at most while the gate waits."""
        return math.ceil(self.timeout_seconds / self.check_every_seconds(check_every_seconds))


@dataclass(frozen=True)
class Step:
    """One weight of the candidate, how long it bakes there, and the gate before it."""

    weight: int
    bake_seconds: int
    gate: Gate | None = None


@dataclass(frozen=True)
class Policy:
    """A rollout policy, understood; the last step is at 100."""

    steps: tuple[Step, ...]
    deadline_seconds: int
    check_every_seconds: int
    failure_limit: int
    on_no_data: str
    on_failure: str
    clean_up: str
    checks: tuple[Check, ...]

    @property
    def wait_seconds(self) -> int:
        """How long a rollout waits before it looks again whether its turn has come, up to the deadline."""
        return max(self.check_every_seconds, math.ceil(self.deadline_seconds / _MOST_TURNS))


def parse_policy(text: str) -> Policy:
    """Understand a policy's JSON.

    >>> parse_policy('{"steps": [{"weight": 25, "bakeSeconds": 60}], "finalBakeSeconds": 120}').steps[-1]
    Step(weight=100, bake_seconds=120, gate=None)

    Raises InvalidPolicy, naming the field.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidPolicy(f"the policy is not JSON: {error}") from error
    fields = _object(document, "policy", _FIELDS)
    steps = [_step(step, f"steps[{index}]") for index, step in enumerate(_list(fields, "steps"))]
    for index, (earlier, later) in enumerate(itertools.pairwise(steps), start=1):
        if later.weight <= earlier.weight:
            raise InvalidPolicy(f"steps[{index}].weight: {later.weight} does not rise above {earlier.weight}")
    final_bake = _seconds(fields, "finalBakeSeconds", 0)
    if not steps or steps[-1].weight < 100:
        steps.append(Step(100, final_bake))
    elif "finalBakeSeconds" in fields:
        steps[-1] = replace(steps[-1], bake_seconds=max(final_bake, steps[-1].bake_seconds))
    policy = Policy(
        steps=tuple(steps),
        deadline_seconds=_seconds(fields, "deadlineSeconds", 7200),
        check_every_seconds=_whole(fields, "checkEverySeconds", 30, 1, 3600),
        failure_limit=_whole(fields, "failureLimit", 1, 1, 1000),
        on_no_data=_choice(fields, "onNoData", ("pass", "hold", "fail"), "hold"),
        on_failure=_choice(fields, "onFailure", ("rollback", "freeze"), "rollback"),
        clean_up=_choice(fields, "cleanUp", ("retain", "scale-to-zero"), "retain"),
        checks=parse_checks(_list(fields, "checks")),
    )
    # Every step is checked once at least, and slices are whole seconds.
    baking = sum(step.bake_seconds + max(1, step.bake_seconds // policy.check_every_seconds) for step in policy.steps)
    if baking > policy.deadline_seconds:
        raise InvalidPolicy(
            f"deadlineSeconds: {policy.deadline_seconds} is less than the {baking} seconds that the steps bake and "
            "are checked"
        )
    gates = [step.gate.checks(policy.check_every_seconds) for step in policy.steps if step.gate]
    if policy.deadline_seconds > (_MOST_SLICES - sum(gates)) * policy.check_every_seconds:
        during = f", and {sum(gates)} at gates," if gates else ""
        raise InvalidPolicy(
            f"checkEverySeconds: a check every {policy.check_every_seconds} seconds up to the deadline of "
            f"{policy.deadline_seconds} seconds{during} is more than the {_MOST_SLICES} checks that one execution can "
            "hold; check less often or lower deadlineSeconds"
        )
    waiting = sum(step.gate.timeout_seconds for step in policy.steps if step.gate)
    if 2 * policy.deadline_seconds + waiting > _LONGEST_EXECUTION:
        raise InvalidPolicy(
            f"steps: the gates' time-outs, {waiting} seconds, and twice deadlineSeconds (for its turn, and for the "
            f"steps) are more than the {_LONGEST_EXECUTION} seconds that one rollout may take; shorten them"
        )
    return policy


def _object(value: Any, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidPolicy(f"{where}: {value!r} is not an object")
    for field in value:
        if field not in known:
            raise InvalidPolicy(f"{where}.{field}: not known here; known are {', '.join(sorted(known))}")
    return value


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list):
        raise InvalidPolicy(f"{name}: {value!r} is not a list")
    return value


def _whole(fields: Mapping[str, Any], name: str, default: int | None, least: int, most: int, where: str = "") -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidPolicy(f"{where}{name}: {value!r} is not a whole number from {least} to {most}")
    return value


def _seconds(fields: Mapping[str, Any], name: str, default: int, where: str = "") -> int:
    return _whole(fields, name, default, 0, _LONGEST_SECONDS, where)


def _choice(fields: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str, where: str = "") -> str:
    value = fields.get(name, default)
    if value not in choices:
        raise InvalidPolicy(f"{where}{name}: {value!r} is not one of {', '.join(choices)}")
    return str(value)


def _step(value: Any, where: str) -> Step:
    fields = _object(value, where, {"weight", "bakeSeconds", "gate"})
    return Step(
        weight=_whole(fields, "weight", None, 1, 100, f"{where}."),
        bake_seconds=_seconds(fields, "bakeSeconds", 0, f"{where}."),
        gate=_gate(fields["gate"], f"{where}.gate") if "gate" in fields else None,
    )


def _gate(value: Any, where: str) -> Gate:
    fields = _object(value, where, {"timeoutSeconds", "onTimeout"})
    if "timeoutSeconds" not in fields:
        raise InvalidPolicy(f"{where}.timeoutSeconds: missing; a gate that nobody answers must end")
    return Gate(
        timeout_seconds=_whole(fields, "timeoutSeconds", None, 1, _LONGEST_SECONDS, f"{where}."),
        on_timeout=_choice(fields, "onTimeout", ("rollback", "freeze", "proceed"), "rollback", f"{where}."),
    )
