"""A rollout's plan and its progress: which weights, in which order, and what comes after each check.

Plan and position travel through the state machine as JSON, so they are plain dicts here:
`plan = {"virtualRouter", "route", "before": {node: weight}, "steps": [{"weights", "slices", "waitSeconds"}], …}`,
`position = {"step", "slice", "checks", "failures"}`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import Refused
from domain.health import Health
from domain.policy import Policy, Step
from domain.weights import TOTAL, split

START: dict[str, int] = {"step": 0, "slice": 0, "checks": 0, "failures": 0}


@dataclass(frozen=True)
class Decision:
    """What comes next after a check: Bake, Shift, Promote, Roll Back or Freeze."""

    what: str
    position: dict[str, int]
    outcome: str = ""
    reason: str = ""


def plan_steps(present: Mapping[str, int], candidate: str, policy: Policy) -> list[dict[str, Any]]:
    """Turn a route's present weights and a policy into absolute weights for each step.

    Empty when the candidate has all the weight already; steps not above what it has are skipped.
    Raises Refused when the candidate is no target of the route.
    """
    if candidate not in present:
        raise Refused(
            f"virtual node {candidate} is no target of the route; its targets are {', '.join(sorted(present))}"
        )
    if present[candidate] == TOTAL:
        return []
    if sum(present.values()) == present[candidate]:
        return [_planned(present, candidate, policy.steps[-1], policy)]
    return [_planned(present, candidate, step, policy) for step in policy.steps if step.weight > present[candidate]]


def expected_weights(plan: Mapping[str, Any], step: int) -> list[Mapping[str, int]]:
    """List the weights that the route may have while a step is shifted or undone; others are a foreign edit.

    The step's own are among them: a write may have taken effect before its answer was lost.
    """
    return [plan["before"], *(each["weights"] for each in plan["steps"][max(step - 1, 0) : step + 1])]


def decide(plan: Mapping[str, Any], position: Mapping[str, int], health: Health) -> Decision:
    """Say what comes after a check.

    A bake is counted in slices of good checks: no data with `onNoData: hold` makes it longer, up to the deadline.
    """
    now = {**position, "checks": position["checks"] + 1}
    if health.superseded:
        return Decision("Roll Back", now, "Superseded", health.reason)
    no_data_fails = health.no_data and plan["onNoData"] == "fail"
    if health.unhealthy or no_data_fails:
        now["failures"] += 1
        if now["failures"] >= plan["failureLimit"]:
            return _failed(plan, now, health.reason)
        return _in_time(plan, Decision("Bake", now, reason=health.reason))
    if health.no_data and plan["onNoData"] == "hold":
        return _in_time(plan, Decision("Bake", now, reason=health.reason))
    now["slice"] += 1
    if now["slice"] < plan["steps"][now["step"]]["slices"]:
        return _in_time(plan, Decision("Bake", now))
    now["slice"] = 0
    if now["step"] + 1 == len(plan["steps"]):
        return Decision("Promote", now, "Promoted", f"{plan['candidate']} carries all the traffic")
    return _in_time(plan, Decision("Shift", {**now, "step": now["step"] + 1}))


def _planned(present: Mapping[str, int], candidate: str, step: Step, policy: Policy) -> dict[str, Any]:
    slices = max(1, math.ceil(step.bake_seconds / policy.check_every_seconds))
    return {
        "weights": split(present, candidate, step.weight),
        "slices": slices,
        "waitSeconds": math.ceil(step.bake_seconds / slices),
    }


def _in_time(plan: Mapping[str, Any], decision: Decision) -> Decision:
    """Every check takes a slice, so counting checks is counting time, and a clock that jumps does no harm."""
    if decision.position["checks"] * plan["checkEverySeconds"] <= plan["deadlineSeconds"]:
        return decision
    why = f"the deadline of {plan['deadlineSeconds']} seconds has passed"
    return _failed(plan, decision.position, f"{why}; {decision.reason}" if decision.reason else why)


def _failed(plan: Mapping[str, Any], position: dict[str, int], reason: str) -> Decision:
    if plan["onFailure"] == "freeze":
        return Decision("Freeze", position, "Frozen", reason)
    return Decision("Roll Back", position, "Rolled Back", reason)
