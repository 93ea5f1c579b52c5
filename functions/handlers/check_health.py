"""check_health: is the candidate well, and what comes next?"""

import os
import time
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.checks import HOUR, Result, Watch, dry_runs, parse_checks
from domain.deployment import primary
from domain.enrolment import router_id
from domain.errors import Busy, MeshiftError, NotFound
from domain.health import Health, judge
from domain.rollout import decide
from domain.weights import own_weights
from gateways import ecs
from gateways.mesh import Mesh
from gateways.rollout_table import RolloutTable
from handlers.checks import alarm_results, run_checks, tell_results
from observability import logger, metrics, tell_execution
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Check once.

    Takes the execution's document with `plan` and `position`; returns `{"next", "position", "outcome", "reason",
    "checked"}`, `next` being Bake, Shift, Gate, Pause, Clean Up, Promote, Roll Back or Freeze; `checked` is what the
    checks found, and what is remembered of hooks.
    """
    tell_execution(event)
    settings, plan, subject = Settings.from_env(os.environ), event["plan"], event["subject"]
    (routes, unread), table = _routes(subject, plan, settings), RolloutTable(settings.rollout_table)
    checked, said = event.get("checked", {}), ""
    try:
        health, results, memories = _examine(event, routes, settings)
        checked, said = {"hooks": memories, "results": tell_results(results, event, table)}, dry_runs(results)
    except Busy as error:  # no verdict: the bake gets longer, up to the deadline
        health = Health(unknown=True, reason=str(error))
    claim = table.claim(*router_id(subject))
    mine = claim if claim and claim["execution"] == event["execution"] else None
    signal = mine["signal"] if mine else None
    decision = decide(plan, event["position"], health, _weights(plan, routes), signal)
    if mine and mine["token"] and decision.what not in ("Gate", "Pause"):
        table.keep_token(*router_id(subject), event["execution"], None)
    reason = "; ".join(part for part in (decision.reason, unread, said) if part)
    logger.info(decision.what, position=decision.position, reason=reason)
    return {
        "next": decision.what,
        "position": decision.position,
        "outcome": decision.outcome,
        "reason": reason,
        "checked": checked,
    }


def _examine(
    event: Document, routes: dict[str, Document] | None, settings: Settings
) -> tuple[Health, Sequence[Result], Document]:
    """Ask ECS and the checks; returns the verdict, what the checks found, and what is remembered of hooks."""
    try:
        service = ecs.describe_service(event["service"], event["cluster"])
        tasks = ecs.list_running_tasks(service["serviceName"], event["cluster"])
    except NotFound:
        return judge(None, event["deployment"], [], []), [], {}
    results, checks, memories = [], parse_checks(event["plan"]["checks"]), event.get("checked", {}).get("hooks", {})
    if routes and not _has_begun(event):
        results = alarm_results(checks)
    elif routes:
        results, memories = run_checks(checks, _watch(event, service, routes, settings), memories)
    return judge(service, event["deployment"], tasks, results), results, memories


def _has_begun(event: Document) -> bool:
    """Say whether a step's weights are in the routes: at a gate before the first, only alarms can tell anything."""
    return "gate" not in event["position"] or event["position"]["from"] >= 0


def _routes(subject: Document, plan: Document, settings: Settings) -> tuple[dict[str, Document] | None, str]:
    """Read the routes; None, and why, when one of them is gone or not this account's to see any more."""
    mesh = Mesh.of(subject, settings)
    try:
        return {name: mesh.describe_route(plan["virtualRouter"], name) for name in plan["routes"]}, ""
    except MeshiftError as error:
        logger.warning("The weights cannot be read", reason=str(error))
        return None, str(error)


def _weights(plan: Document, routes: dict[str, Document] | None) -> dict[str, dict[str, int]] | None:
    try:
        return {
            name: own_weights(route["spec"], plan["before"][name]) for name, route in (routes or {}).items()
        } or None
    except MeshiftError as error:
        logger.warning("The weights cannot be read", reason=str(error))
        return None


def _watch(event: Document, service: Document, routes: dict[str, Document], settings: Settings) -> Watch:
    plan, subject, position, now = event["plan"], event["subject"], event["position"], time.time()
    step = position["from"] if "gate" in position else position["step"]
    current = primary(service)
    written = max(route["metadata"]["lastUpdatedAt"].timestamp() for route in routes.values())
    before = [node for weights in plan["before"].values() for node, weight in weights.items() if weight]
    return Watch(
        mesh=subject["mesh"],
        virtual_service=subject["virtualService"],
        candidate=plan["candidate"],
        stable=tuple(sorted({*before} - {plan["candidate"]})),
        weights=plan["steps"][step]["weights"][plan["routes"][0]],
        step=step,
        last=step + 1 == len(plan["steps"]),
        written=written,
        began=max(written, now - HOUR),
        now=now,
        service=event["service"],
        task_definition=current["taskDefinition"] if current else "",
        execution=event["execution"],
        envoys_tell=settings.hosted,
    )
