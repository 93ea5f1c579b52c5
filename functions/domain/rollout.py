"""A rollout's progress: what may be shifted from where, and what comes after each check.

Position travels through the state machine as JSON, beside the plan (see `planning`), so it is a plain dict:
`{"step", "from", "slice", "failures", "elapsedSeconds", "waitSeconds", "signal"}`; `from` is the step whose weights the
routes had before this one's, -1 for those before the rollout. `gate` is there while the step's gate is not open yet:
the seconds that it has waited. Time is what was waited for, not read off a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.health import Health
from domain.operations import ABORT, APPROVE, PAUSE, PROMOTE, SKIP_WAIT, Signal
from domain.planning import Weights
from domain.weights import TOTAL


@dataclass(frozen=True)
class Decision:
    """What comes next after a check: Bake, Shift, Gate, Pause, Clean Up, Promote, Roll Back or Freeze."""

    what: str
    position: dict[str, Any]
    outcome: str = ""
    reason: str = ""


def start_position(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the position before the first shift; the deadline counts from here on."""
    first = plan["steps"][0]
    return {
        "step": 0,
        "from": -1,
        "slice": 0,
        "failures": 0,
        "elapsedSeconds": 0,
        "waitSeconds": first["waitSeconds"],
        "signal": None,
        **({"gate": 0, "waitSeconds": first["gate"]["waitSeconds"]} if "gate" in first else {}),
    }


def weights_before(plan: Mapping[str, Any], position: Mapping[str, Any]) -> list[Weights]:
    """List the weights from which a step may be shifted: others are a foreign edit.

    The step's own are among them: a write may have taken effect before its answer was lost.
    """
    earlier = plan["steps"][position["from"]]["weights"] if position["from"] >= 0 else plan["before"]
    return [earlier, plan["steps"][position["step"]]["weights"]]


def weights_written(plan: Mapping[str, Any], position: Mapping[str, Any]) -> list[Weights]:
    """List the weights that the rollout may have left behind, from which it may go back."""
    return [plan["before"], *weights_before(plan, position)]


def weights_ever_written(plan: Mapping[str, Any]) -> list[Weights]:
    """List all weights that a rollout can have left in the routes, wherever it died."""
    return [plan["before"], *(step["weights"] for step in plan["steps"])]


def foreign_edits(present: Weights, own: Sequence[Weights]) -> dict[str, Mapping[str, int]]:
    """Return the routes, with their weights, that somebody else has set: what they have is none of `own`."""
    return {route: each for route, each in present.items() if each not in [weights[route] for weights in own]}


def decide(
    plan: Mapping[str, Any],
    position: Mapping[str, Any],
    health: Health,
    weights: Weights | None,
    signal: Signal | None = None,
) -> Decision:
    """Say what comes after a check; `weights` are the routes' present ones, None when one is gone.

    A bake is counted in slices of good checks: one that says "not yet" makes it longer, up to the deadline. An
    operator's signal counts once; the position remembers which was the last. A gate waits up to a time-out of its own,
    and the candidate is checked meanwhile; a pause is an operator's own decision, so that nothing but another signal or
    a newer deployment ends it.
    """
    fresh = signal if signal and signal.id != position["signal"] else None
    asked = fresh.name if fresh else None
    paused = position.get("paused", False)
    now = _passed(plan, position, signal)
    if fresh and asked == ABORT:
        return Decision("Roll Back", now, "Rolled Back", f"aborted by {fresh.by}")
    if weights is None:
        return Decision("Freeze", now, "Frozen", "the route's weights cannot be read any more; they stay as they are")
    if weights != (weights_before(plan, now)[0] if "gate" in now else plan["steps"][now["step"]]["weights"]):
        return Decision("Freeze", now, "Frozen", f"somebody else set the route to {weights}; it is left as it is")
    if health.superseded:
        return Decision("Roll Back", now, "Superseded", health.reason)
    if fresh and asked == PAUSE:
        return Decision("Pause", {**now, "paused": True}, reason=f"paused by {fresh.by}")
    if paused and not fresh:
        return Decision("Pause", {**now, "paused": True}, reason="still paused")
    if asked == PROMOTE or (asked == SKIP_WAIT and "gate" not in now):
        now[asked] = True
    if asked == APPROVE and "gate" in now:
        now["approved"] = True
    if health.unknown:
        return _stay(plan, now, health.reason)
    if health.unhealthy or (health.no_data and plan["onNoData"] == "fail"):
        now["failures"] += 1
        if now["failures"] >= plan["failureLimit"]:
            return _failed(plan, now, health.reason)
        return _stay(plan, now, health.reason)
    if "gate" in now:
        return _at_gate(plan, now, health, fresh)
    if now.get(PROMOTE) and now["step"] + 1 < len(plan["steps"]):
        return _next_step(plan, now, health, len(plan["steps"]) - 1)
    if paused and not now.get(SKIP_WAIT):
        now["waitSeconds"] = plan["steps"][now["step"]]["waitSeconds"]
        return _stay(plan, now, f"resumed by {fresh.by}" if fresh else "")
    if now.pop(SKIP_WAIT, False):
        now["slice"] = plan["steps"][now["step"]]["slices"]
    elif health.pending or (health.no_data and plan["onNoData"] == "hold"):
        return _stay(plan, now, health.reason)
    else:
        now["slice"] += 1
    now["waitSeconds"] = plan["steps"][now["step"]]["waitSeconds"]
    if now["slice"] < plan["steps"][now["step"]]["slices"]:
        return _stay(plan, now)
    if now["step"] + 1 == len(plan["steps"]):
        what = "Clean Up" if plan["cleanUp"] == "scale-to-zero" else "Promote"
        return Decision(what, now, "Promoted", f"{plan['candidate']} carries {_carried(plan)}")
    return _next_step(plan, now, health, now["step"] + 1)


def _passed(plan: Mapping[str, Any], position: Mapping[str, Any], signal: Signal | None) -> dict[str, Any]:
    """Count the time that was waited: for the deadline, for the gate, or, in a pause, not at all."""
    woken = position.get("woken", False)  # at a gate, and not after the whole slice
    waited = 0 if position.get("paused") or woken else max(1, position["waitSeconds"])
    now = {key: value for key, value in position.items() if key not in ("paused", "woken")}
    now |= {"waitSeconds": plan["checkEverySeconds"], "signal": signal.id if signal else position["signal"]}
    if "gate" in now and not _may_pass(now) and not now.get("overdue"):
        now["gate"] += waited
        now["waitSeconds"] = plan["steps"][now["step"]]["gate"]["waitSeconds"]
    else:
        now["elapsedSeconds"] += waited
    return now


def _may_pass(now: Mapping[str, Any]) -> bool:
    return bool(now.get("approved") or now.get(PROMOTE))


def _at_gate(plan: Mapping[str, Any], now: dict[str, Any], health: Health, fresh: Signal | None) -> Decision:
    gate = plan["steps"][now["step"]]["gate"]
    if not _may_pass(now) and now["gate"] >= gate["timeoutSeconds"]:
        if gate["onTimeout"] != "proceed":
            why = f"nobody approved {_gate_of(plan, now)} in {gate['timeoutSeconds']} seconds"
            return _failed({**plan, "onFailure": gate["onTimeout"]}, now, why)
        now["overdue"] = True
        if health.pending or (health.no_data and plan["onNoData"] == "hold"):
            return _stay(plan, now, f"{_gate_of(plan, now)} would open, but {health.reason}")
        return _next_step(plan, now, health, now["step"])
    if _may_pass(now):
        return _next_step(plan, now, health, len(plan["steps"]) - 1 if now.get(PROMOTE) else now["step"])
    told = f"; {SKIP_WAIT} does not open it, {APPROVE} does" if fresh and fresh.name == SKIP_WAIT else ""
    return _stay(plan, now, f"{_gate_of(plan, now)} waits for approval{told}")


def _gate_of(plan: Mapping[str, Any], position: Mapping[str, Any]) -> str:
    return f"the gate before step {position['step'] + 1} of {len(plan['steps'])}"


def _next_step(plan: Mapping[str, Any], now: dict[str, Any], health: Health, step: int) -> Decision:
    """Go on to a step, once there are tasks enough for the weight that it gives; through its gate, if there is one."""
    following, at_gate = plan["steps"][step], "gate" in now
    if health.healthy < following["tasks"]:
        reason = f"{health.healthy} of the {following['tasks']} tasks run that the next step's weight needs"
        return _stay(plan, {**now, "waitSeconds": plan["checkEverySeconds"]}, reason)
    position = {**now, "step": step, "slice": 0, "waitSeconds": following["waitSeconds"]}
    position["from"] = now["from"] if at_gate else now["step"]
    if "gate" in following and not at_gate and not now.get(PROMOTE):
        waiting = {**position, "gate": 0, "waitSeconds": following["gate"]["waitSeconds"]}
        return _stay(plan, waiting, f"{_gate_of(plan, waiting)} waits for approval")
    through = {key: value for key, value in position.items() if key not in ("gate", "approved", "overdue")}
    return _in_time(plan, Decision("Shift", through))


def _stay(plan: Mapping[str, Any], now: dict[str, Any], reason: str = "") -> Decision:
    return _in_time(plan, Decision("Gate" if "gate" in now else "Bake", now, reason=reason))


def _carried(plan: Mapping[str, Any]) -> str:
    weight = plan["steps"][-1]["weights"][plan["routes"][0]][plan["candidate"]]
    return "all the traffic" if weight == TOTAL else f"{weight} % of the traffic, as before it was redeployed"


def _in_time(plan: Mapping[str, Any], decision: Decision) -> Decision:
    if decision.position["elapsedSeconds"] <= plan["deadlineSeconds"]:
        return decision
    why = f"the deadline of {plan['deadlineSeconds']} seconds has passed"
    return _failed(plan, decision.position, f"{why}; {decision.reason}" if decision.reason else why)


def _failed(plan: Mapping[str, Any], position: dict[str, Any], reason: str) -> Decision:
    if plan["onFailure"] == "freeze":
        return Decision("Freeze", position, "Frozen", reason)
    return Decision("Roll Back", position, "Rolled Back", reason)
