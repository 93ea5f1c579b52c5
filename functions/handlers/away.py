"""Traffic that goes off a node before its service is redeployed, with Envoy or without: a small rollout of its own."""

from typing import Any

from domain.bootstrap import heard_seconds
from domain.enrolment import mesh_id, router_id
from domain.errors import ClaimHeld, Refused
from domain.operations import ABORT
from domain.planning import plan_away, routes_of
from domain.weights import read_weights
from gateways.mesh import Mesh
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers.siblings import healthy_tasks
from handlers.wake import wake_paused
from settings import Settings

Document = dict[str, Any]
_WAIT_SECONDS, _MOST_TURNS = 15, 1500
"""Waiting for another rollout of the virtual service: six hours, which an execution's history can hold."""


def take_traffic_off(
    event: Document, service: Document, mesh: Mesh, settings: Settings, *, for_good: bool = False
) -> Document | None:
    """Plan to move the node's weight to its healthy siblings; None when it has none, or they could not carry it.

    Answers Carries Traffic, with the `plan`; Wait, while another execution moves these weights. Taken off `for_good`, a
    node without weight waits, too, for a rollout that would give it some back.
    """
    subject = event["subject"]
    table, name, candidate = RolloutTable(settings.rollout_table), subject["virtualService"], subject["virtualNode"]
    line, waiting = (mesh_id(subject), name, event["execution"]), WaitingRollouts(settings.rollout_table)
    claim = *router_id(subject), event["execution"]
    asked = waiting.signal(*line) if event["turns"] else None
    if asked and asked.name == ABORT:
        waiting.leave(*line)
        raise Refused(f"aborted by {asked.by}: the service is left as it is")
    carries = any(weights[candidate] for weights in weights_of(mesh, subject).values())
    if not carries and not (for_good and goes_back_to(candidate, table.claim(*claim[:2]))):
        return None
    try:
        table.claim_virtual_router(*claim, name)
    except ClaimHeld as error:
        wake_paused(table.claim(*router_id(subject)), event)
        if event["turns"] >= _MOST_TURNS:
            raise Refused(f"waited six hours, but {error}") from error
        about = {key: event[key] for key in ("service", "cluster", "deployment")}
        waiting.wait(*line, {**about, "reason": str(error)}, _WAIT_SECONDS)
        return {"outcome": "Wait", "reason": str(error), "waitSeconds": _WAIT_SECONDS}
    late = waiting.leave(*line) if event["turns"] else None
    if late and late.name == ABORT:
        table.release_virtual_router(*claim)
        raise Refused(f"aborted by {late.by}: the service is left as it is")
    before = weights_of(mesh, subject)
    away = plan_away(before, candidate, healthy_tasks(subject, before, settings), service["desiredCount"])
    if away is None or away == before:
        table.release_virtual_router(*claim)
        return None
    plan = {
        "virtualRouter": subject["virtualRouter"],
        "routes": list(before),
        "candidate": candidate,
        "before": before,
        "steps": [{"weights": away}],
        "away": True,
    }
    kept = {key: event[key] for key in ("service", "cluster", "deployment", "execution", "subject")}
    table.keep_plan(*claim, {**kept, "plan": plan})
    table.record(*line, "plan", plan)
    seconds = heard_seconds(settings.discovery_poll_seconds)
    return {
        "outcome": "Carries Traffic",
        "reason": f"{candidate} carries traffic that its siblings take over while it is redeployed",
        "plan": plan,
        "position": {"step": 0, "from": -1},
        "waitSeconds": seconds,
    }


def goes_back_to(node: str, claim: Document | None) -> bool:
    """Say whether a rollout is at work that would give a node traffic if it were rolled back."""
    plan = ((claim or {}).get("document") or {}).get("plan") or {}
    return any(weights.get(node) for weights in plan.get("before", {}).values())


def weights_of(mesh: Mesh, subject: Document) -> dict[str, dict[str, int]]:
    """Read the weights, by route, of the routes that name the subject's node."""
    moving = routes_of(
        mesh.describe_routes(subject["virtualRouter"]), subject["virtualNode"], subject["virtualService"]
    )
    return {route["routeName"]: read_weights(route["spec"]) for route in moving}
