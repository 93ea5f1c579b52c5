"""finish_rollout: every execution ends here; its claim is given back, its outcome recorded and announced."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.enrolment import router_id
from domain.outcome import summarise
from gateways.rollout_table import RolloutTable
from handlers.closing import announce, present_weights, record, remember
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Finish.

    Takes the execution's document with `outcome` and `reason`; returns the execution's output: `{"outcome", "mesh",
    "virtualService", "virtualNode", "weights", "stepsDone", "reason"}`.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    result = summarise(event, present_weights(event, settings))
    subject = event.get("subject") or {}
    if not subject.get("virtualService"):
        announce(event, result, settings)
        return result
    table, execution = RolloutTable(settings.rollout_table), event["execution"]
    if event.get("plan"):
        if not table.decide(*router_id(subject), execution, result):
            logger.warning("The claim is gone: recovery, or an earlier try, has ended the rollout")
            return result
        record(event, result, settings)
        remember(event, result["outcome"], settings)
    elif result["outcome"] == "Refused":
        record(event, result, settings)
    announce(event, result, settings)
    # Also a claim that a task took before it failed; what a failed roll back left behind is recovery's business.
    if result["outcome"] != "Roll Back Failed" and subject.get("virtualRouter"):
        table.release_virtual_router(*router_id(subject), execution)
    return result
