"""check_health: is the candidate well, and what comes next?"""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import MeshiftError, NotFound
from domain.health import judge
from domain.rollout import decide
from domain.weights import read_weights
from gateways import alarms, ecs
from gateways.mesh import Mesh
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check once.

    Takes the execution's document with `plan` and `position`; returns `{"next", "position", "outcome", "reason"}`,
    `next` being Bake, Shift, Promote, Roll Back or Freeze.
    """
    tell_execution(event)
    settings, plan = Settings.from_env(os.environ), event["plan"]
    try:
        service = ecs.describe_service(event["service"], event["cluster"])
        tasks = ecs.list_running_tasks(service["serviceName"], event["cluster"])
    except NotFound:
        service, tasks = None, []
    states = alarms.read_states(plan["alarms"])
    health = judge(service, event["deployment"], tasks, plan["alarms"], states)
    decision = decide(plan, event["position"], health, _weights(event["subject"], plan, settings))
    logger.info(decision.what, position=decision.position, reason=decision.reason)
    return {
        "next": decision.what,
        "position": decision.position,
        "outcome": decision.outcome,
        "reason": decision.reason,
    }


def _weights(subject: dict[str, Any], plan: dict[str, Any], settings: Settings) -> dict[str, int] | None:
    mesh = Mesh(subject["mesh"], subject["meshOwner"], settings.mesh_endpoint, settings.mesh_signing_name)
    try:
        return read_weights(mesh.describe_route(plan["virtualRouter"], plan["route"])["spec"])
    except MeshiftError as error:
        logger.warning("The weights cannot be read", reason=str(error))
        return None
