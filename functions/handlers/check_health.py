"""check_health: is the candidate well, and what comes next?"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import NotFound
from domain.health import judge
from domain.rollout import decide
from gateways import alarms, ecs
from observability import logger, metrics, tell_execution


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check once.

    Takes the execution's document with `plan` and `position`; returns `{"next", "position", "outcome", "reason"}`,
    `next` being Bake, Shift, Promote, Roll Back or Freeze.
    """
    tell_execution(event)
    plan = event["plan"]
    try:
        service = ecs.describe_service(event["service"], event["cluster"])
        tasks = ecs.list_running_tasks(service["serviceName"], event["cluster"])
    except NotFound:
        service, tasks = None, []
    states = alarms.read_states(plan["alarms"])
    decision = decide(plan, event["position"], judge(service, event["deployment"], tasks, plan["alarms"], states))
    logger.info(decision.what, position=decision.position, reason=decision.reason)
    return {
        "next": decision.what,
        "position": decision.position,
        "outcome": decision.outcome,
        "reason": decision.reason,
    }
