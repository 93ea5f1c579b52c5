"""A rollout's plan and its progress: which weights, in which order, and what comes after each check.

Plan and position travel through the state machine as JSON, so they are plain dicts here:
`plan = {"virtualRouter", "route", "before": {node: weight}, "steps": [{"weights", "slices", "waitSeconds"}], …}`,
`position = {"step", "slice", "failures", "elapsedSeconds", "waitSeconds"}`. Time is what was waited for, not read off a
clock.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import Refused
from domain.health import Health
from domain.policy import Policy, Step
from domain.weights import TOTAL, split


@dataclass(frozen=True)
class Decision:
    """What comes next after a check: Bake, Shift, Promote, Roll Back or Freeze."""

    what: str
    position: dict[str, int]
    outcome: str = ""
    reason: str = ""


def plan_steps(present: Mapping[str, int], candidate: str, policy: Policy) -> list[dict[str, Any]]:
    """Turn a route's present weights and a policy into absolute weights for each step.

    Empty when the candidate has all the weight already; steps not above the share that it has are skipped.
    Raises Refused when the candidate is no target of the route.
    """
    if candidate not in present:
        raise Refused(
            f"virtual node {candidate} is no target of the route; its targets are {', '.join(sorted(present))}"
        )
    total = sum(present.values())
    if present[candidate] == total:
        return []
    above = [step for step in policy.steps if step.weight * total > present[candidate] * TOTAL]
    return [_planned(present, candidate, step, policy) for step in above]


def start_position(plan: Mapping[str, Any], elapsed_seconds: int) -> dict[str, int]:
    """Return the position before the first shift; the time spent waiting for its turn counts for the deadline."""
    wait = plan["steps"][0]["waitSeconds"]
    return {"step": 0, "slice": 0, "failures": 0, "elapsedSeconds": elapsed_seconds, "waitSeconds": wait}


def weights_before(plan: Mapping[str, Any], step: int) -> list[Mapping[str, int]]:
    """List the weights from which a step may be shifted: others are a foreign edit.

    The step's own are among them: a write may have taken effect before its answer was lost.
    """
    earlier = plan["steps"][step - 1]["weights"] if step else plan["before"]
    return [earlier, plan["steps"][step]["weights"]]


def weights_written(plan: Mapping[str, Any], step: int) -> list[Mapping[str, int]]:
    """List the weights that the rollout may have left behind, from which it may go back."""
    return [plan["before"], *weights_before(plan, step)]


def weights_ever_written(plan: Mapping[str, Any]) -> list[Mapping[str, int]]:
    """List all weights that a rollout can have left in the route, wherever it died."""
    return [plan["before"], *(step["weights"] for step in plan["steps"])]


def decide(
    plan: Mapping[str, Any], position: Mapping[str, int], health: Health, weights: Mapping[str, int] | None
) -> Decision:
    """Say what comes after a check; `weights` are the route's present ones, None when the route is gone.

    A bake is counted in slices of good checks: one that says "not yet" makes it longer, up to the deadline.
    """
    elapsed = position["elapsedSeconds"] + max(1, position["waitSeconds"])
    now = {**position, "elapsedSeconds": elapsed, "waitSeconds": plan["checkEverySeconds"]}
    if weights != plan["steps"][now["step"]]["weights"]:
        return Decision("Freeze", now, "Frozen", f"somebody else set the route to {weights}; it is left as it is")
    if health.superseded:
        return Decision("Roll Back", now, "Superseded", health.reason)
    if health.unhealthy or (health.no_data and plan["onNoData"] == "fail"):
        now["failures"] += 1
        if now["failures"] >= plan["failureLimit"]:
            return _failed(plan, now, health.reason)
        return _in_time(plan, Decision("Bake", now, reason=health.reason))
    if health.pending or (health.no_data and plan["onNoData"] == "hold"):
        return _in_time(plan, Decision("Bake", now, reason=health.reason))
    now["slice"] += 1
    now["waitSeconds"] = plan["steps"][now["step"]]["waitSeconds"]
    if now["slice"] < plan["steps"][now["step"]]["slices"]:
        return _in_time(plan, Decision("Bake", now))
    if now["step"] + 1 == len(plan["steps"]):
        return Decision("Promote", now, "Promoted", f"{plan['candidate']} carries all the traffic")
    step = now["step"] + 1
    following = {**now, "step": step, "slice": 0, "waitSeconds": plan["steps"][step]["waitSeconds"]}
    return _in_time(plan, Decision("Shift", following))


def _planned(present: Mapping[str, int], candidate: str, step: Step, policy: Policy) -> dict[str, Any]:
    slices = max(1, math.ceil(step.bake_seconds / policy.check_every_seconds))
    return {
        "weights": split(present, candidate, step.weight),
        "slices": slices,
        "waitSeconds": math.ceil(step.bake_seconds / slices),
    }


def _in_time(plan: Mapping[str, Any], decision: Decision) -> Decision:
    if decision.position["elapsedSeconds"] <= plan["deadlineSeconds"]:
        return decision
    why = f"the deadline of {plan['deadlineSeconds']} seconds has passed"
    return _failed(plan, decision.position, f"{why}; {decision.reason}" if decision.reason else why)


def _failed(plan: Mapping[str, Any], position: dict[str, int], reason: str) -> Decision:
    if plan["onFailure"] == "freeze":
        return Decision("Freeze", position, "Frozen", reason)
    return Decision("Roll Back", position, "Rolled Back", reason)
