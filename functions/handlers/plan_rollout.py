"""plan_rollout: from the routes as they are and the policy to the weights of every step."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import primary
from domain.enrolment import mesh_id, router_id
from domain.errors import ClaimHeld, NotFound, Refused
from domain.health import judge
from domain.operations import ABORT, PAUSE, Signal
from domain.planning import plan_steps, routes_of, seconds_to_settle, shares_of, tasks_per_percent
from domain.policy import Policy, parse_policy
from domain.rollout import start_position
from domain.weights import read_weights
from gateways import ecs
from gateways.mesh import Mesh
from gateways.parameters import read_policy
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers.checks import refuse_missing
from handlers.idle_services import bring_back
from handlers.phases import tell_phase
from handlers.siblings import answering_tasks
from handlers.wake import is_older, wake_paused
from observability import logger, metrics, tell_execution
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Claim the virtual router, and plan.

    Takes the execution's document with `subject`, `application` and `turns` (how often it waited); returns
    `{"outcome", "reason"}`: Planned, with `plan` and `position`; Wait, with `waitSeconds`; Nothing To Do; Superseded;
    Refused.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    subject = event["subject"]
    if subject["virtualService"] is None:
        return {"outcome": "Nothing To Do", "reason": "the service provides no virtual service"}
    if subject["virtualRouter"] is None:
        reason = f"{subject['virtualNode']} itself provides {subject['virtualService']}: no canary took place"
        return {"outcome": "Nothing To Do", "reason": reason}
    table, waiting = RolloutTable(settings.rollout_table), WaitingRollouts(settings.rollout_table)
    line = mesh_id(subject), subject["virtualService"], event["execution"]
    answer = _claim_and_plan(event, waiting.signal(*line) if event["turns"] else None, table, settings)
    if answer["outcome"] == "Planned":
        if event["turns"]:
            _take_along(event, table, waiting)
        tell_phase({**event, **answer}, "Planned", answer["reason"], next(iter(answer["plan"]["before"].values())))
    else:
        table.release_virtual_router(*router_id(subject), event["execution"])
    if answer["outcome"] == "Wait":
        about = {key: event[key] for key in ("service", "cluster", "deployment")}
        waiting.wait(*line, {**about, "reason": answer["reason"]}, answer["waitSeconds"])
    elif answer["outcome"] != "Planned" and event["turns"]:
        waiting.leave(*line)
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _claim_and_plan(event: Document, asked: Signal | None, table: RolloutTable, settings: Settings) -> Document:
    """Plan, unless the router is another's or an operator asked something else while the rollout waited."""
    subject = event["subject"]
    try:
        policy = parse_policy(read_policy(subject["policy"]))
        if asked and asked.name == ABORT:
            return _aborted(event, asked, settings)
        if asked and asked.name == PAUSE:
            return _wait(event, policy, f"paused by {asked.by}")
        try:
            table.claim_virtual_router(*router_id(subject), event["execution"], subject["virtualService"])
        except ClaimHeld as error:
            held = table.claim(*router_id(subject))
            superseded = _superseded(event) if is_older(held, event) else None
            if superseded is None:
                wake_paused(held, event)
            return superseded or _wait(event, policy, str(error))
        return _plan(event, policy, table, settings)
    except (Refused, NotFound) as error:
        return {"outcome": "Refused", "reason": str(error)}


def _superseded(event: Document, service: Document | None = None) -> Document | None:
    """Say so if a service has a newer deployment; without a `service`, ECS is asked."""
    newest = (primary(service or ecs.describe_service(event["service"], event["cluster"])) or {}).get("id")
    if newest in (None, event["deployment"]):
        return None
    return {"outcome": "Superseded", "reason": f"deployment {newest} took the place of {event['deployment']}"}


def _plan(event: Document, policy: Policy, table: RolloutTable, settings: Settings) -> Document:
    subject, candidate = event["subject"], event["subject"]["virtualNode"]
    remembered = Remembered(settings.rollout_table)
    routes = Mesh.of(subject, settings).describe_routes(subject["virtualRouter"])
    moving = routes_of(routes, candidate, subject["virtualService"])
    before = {route["routeName"]: read_weights(route["spec"]) for route in moving}
    service = ecs.describe_service(event["service"], event["cluster"])
    superseded = _superseded(event, service)  # first: what its service finished with is the newer one's
    if superseded:
        return superseded
    finished, shares = remembered.finished(event["service"]), None
    if finished and finished.application == event["application"] and not event.get("forced"):
        shares = _shares_to_bring_back(event, remembered)
        if shares is None:
            remembered.remember_finished(event, finished.outcome)
            return {"outcome": "Nothing To Do", "reason": _unchanged(candidate, finished.outcome)}
    density = tasks_per_percent(before, candidate, answering_tasks(subject, before, settings))
    steps = plan_steps(before, candidate, policy, density, shares)
    if not steps:
        remembered.remember_finished(event, "Nothing To Do")
        remembered.forget_moved_away(event["service"])
        reason = f"{candidate} carries all the traffic of {subject['virtualService']} already: no canary took place"
        return {"outcome": "Nothing To Do", "reason": reason}
    ringing = refuse_missing(policy.checks)
    if bring_back(service, event["cluster"], remembered):
        return _wait(event, policy, f"{candidate} had been scaled to zero after a promotion, and has its tasks back")
    tasks = ecs.list_running_tasks(service["serviceName"], event["cluster"])
    health = judge(service, event["deployment"], tasks, ringing)
    if health.unhealthy or health.pending:
        return _wait(event, policy, f"{candidate} is not fit for traffic: {health.reason}")
    if health.healthy < steps[0]["tasks"]:
        need = f"{health.healthy} of the {steps[0]['tasks']} tasks run that the first step's weight needs"
        return _wait(event, policy, f"{candidate} is not fit for traffic: {need}")
    known = (table.last(mesh_id(subject), subject["virtualService"]) or {}).get("targets")
    settled = not settings.hosted or known == _targets(before)
    settling = 0 if settled else seconds_to_settle(moving, settings.discovery_poll_seconds, time.time())
    if settling:
        return {**_wait(event, policy, "not every Envoy knows the route's targets yet"), "waitSeconds": settling}
    plan = _document(subject, policy, before, steps)
    _keep(event, plan, table)
    position = start_position(plan)
    return {"outcome": "Planned", "reason": f"{len(steps)} steps for {candidate}", "plan": plan, "position": position}


def _take_along(event: Document, table: RolloutTable, waiting: WaitingRollouts) -> None:
    """Let what an operator asked while the rollout waited count from its first check on; an error loses nothing."""
    subject, execution = event["subject"], event["execution"]
    line, claim = (mesh_id(subject), subject["virtualService"], execution), (*router_id(subject), execution)
    asked = waiting.signal(*line)
    if asked:
        table.give_signal(*claim, asked)
    late = waiting.leave(*line)
    if late and late != asked:
        table.give_signal(*claim, late)


def _aborted(event: Document, signal: Signal, settings: Settings) -> Document:
    """End a rollout that has moved nothing yet; like one that was taken back, it is not tried again by itself."""
    Remembered(settings.rollout_table).remember_finished(event, "Rolled Back")
    return {"outcome": "Refused", "reason": f"aborted by {signal.by} before any traffic moved"}


def _shares_to_bring_back(event: Document, remembered: Remembered) -> dict[str, int] | None:
    """Read what was taken off the node before its service was redeployed, whatever revision came of it."""
    moved = remembered.moved_away(event["service"])
    return shares_of(moved, event["subject"]["virtualNode"]) if moved else None


def _unchanged(candidate: str, outcome: str) -> str:
    return (
        f"{candidate} runs the application that its last rollout ended with ({outcome}); "
        "the signal retry rolls it out again"
    )


def _document(subject: Document, policy: Policy, before: Document, steps: list[Document]) -> Document:
    return {
        "virtualRouter": subject["virtualRouter"],
        "routes": list(before),
        "candidate": subject["virtualNode"],
        "before": before,
        "steps": steps,
        "checkEverySeconds": policy.check_every_seconds,
        "deadlineSeconds": policy.deadline_seconds,
        "failureLimit": policy.failure_limit,
        "onNoData": policy.on_no_data,
        "onFailure": policy.on_failure,
        "cleanUp": policy.clean_up,
        "checks": [check.document for check in policy.checks],
    }


def _keep(event: Document, plan: Document, table: RolloutTable) -> None:
    subject = event["subject"]
    history = mesh_id(subject), subject["virtualService"]
    kept = {key: event[key] for key in ("service", "cluster", "deployment", "execution", "subject", "application")}
    table.keep_plan(*router_id(subject), event["execution"], {**kept, "plan": plan})
    table.record(*history, event["execution"], "plan", plan)
    about = {key: event[key] for key in ("service", "cluster", "deployment")}
    table.remember_last(*history, {**about, "targets": _targets(plan["before"])})


def _targets(before: Document) -> Document:
    return {route: sorted(weights) for route, weights in before.items()}


def _wait(event: Document, policy: Policy, reason: str) -> Document:
    if event["turns"] * policy.wait_seconds >= policy.deadline_seconds:
        return {"outcome": "Refused", "reason": f"waited until the deadline, but {reason}"}
    return {"outcome": "Wait", "reason": reason, "waitSeconds": policy.wait_seconds}
