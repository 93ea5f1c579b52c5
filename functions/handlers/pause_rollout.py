"""pause_rollout: keep the task token by which an operator's next signal lets the rollout go on."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.enrolment import mesh_id
from gateways import executions
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Pause, unless the next signal is there already.

    Takes the execution's document with `position` and `token`; the state goes on when the token is sent back.
    """
    tell_execution(event)
    subject, table = event["subject"], RolloutTable(Settings.from_env(os.environ).rollout_table)
    claim = mesh_id(subject), subject["virtualService"], event["execution"]
    signal = table.keep_token(*claim, event["token"])
    if signal and signal.id != event["position"]["signal"]:
        executions.wake(event["token"])
    logger.info("Paused")
