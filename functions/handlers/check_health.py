"""check_health: is the candidate well, and what comes next?"""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.checks import parse_checks
from domain.enrolment import mesh_id
from domain.errors import MeshiftError, NotFound
from domain.health import judge
from domain.rollout import decide
from domain.weights import own_weights
from gateways import ecs
from gateways.mesh import Mesh
from gateways.rollout_table import RolloutTable
from handlers.checks import run_checks
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check once.

    Takes the execution's document with `plan` and `position`; returns `{"next", "position", "outcome", "reason"}`,
    `next` being Bake, Shift, Gate, Pause, Clean Up, Promote, Roll Back or Freeze.
    """
    tell_execution(event)
    settings, plan = Settings.from_env(os.environ), event["plan"]
    try:
        service = ecs.describe_service(event["service"], event["cluster"])
        tasks = ecs.list_running_tasks(service["serviceName"], event["cluster"])
    except NotFound:
        service, tasks = None, []
    health = judge(service, event["deployment"], tasks, run_checks(parse_checks(plan["checks"])))
    subject = event["subject"]
    table = RolloutTable(settings.rollout_table)
    claim = table.claim(mesh_id(subject), subject["virtualService"])
    mine = claim if claim and claim["execution"] == event["execution"] else None
    signal = mine["signal"] if mine else None
    decision = decide(plan, event["position"], health, _weights(subject, plan, settings), signal)
    if mine and mine["token"] and decision.what not in ("Gate", "Pause"):
        table.keep_token(mesh_id(subject), subject["virtualService"], event["execution"], None)
    logger.info(decision.what, position=decision.position, reason=decision.reason)
    return {
        "next": decision.what,
        "position": decision.position,
        "outcome": decision.outcome,
        "reason": decision.reason,
    }


def _weights(subject: dict[str, Any], plan: dict[str, Any], settings: Settings) -> dict[str, dict[str, int]] | None:
    mesh = Mesh.of(subject, settings)
    try:
        routes = {name: mesh.describe_route(plan["virtualRouter"], name) for name in plan["routes"]}
        return {name: own_weights(route["spec"], plan["before"][name]) for name, route in routes.items()}
    except MeshiftError as error:
        logger.warning("The weights cannot be read", reason=str(error))
        return None
