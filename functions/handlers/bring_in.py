"""bring_in: let one service of the fleet have its execution, then look how far it is, until its deployment is through.

Each call looks at the present state and does what is next, so it may run twice: an execution that works on the
deployment already, started by its event or by an earlier try, is waited for and no other is started.
"""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import execution_name, primary
from domain.errors import NotFound, Refused
from domain.fleet import FAILED, SUPERSEDED, progress, wait_seconds
from domain.sidecar import is_injected
from gateways import ecs, executions
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.attempts import start_attempt
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Bring one service in.

    Takes `{"service", "cluster", "deployment", "turns"}`, later with the `execution` that works on it. Returns
    `{"execution", "waitSeconds"}` while there is something to wait for, then `{"outcome", "reason"}`: Brought In, Left
    Alone (it needed nothing), Superseded, Failed.
    """
    logger.append_keys(ecs_service=event["service"], deployment=event["deployment"])
    settings = Settings.from_env(os.environ)
    try:
        answer = _look(event, settings) if event.get("execution") else _start(event, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": FAILED, "reason": str(error)}
    logger.info(answer.get("outcome", "Wait"), reason=answer.get("reason"))
    return answer


def _start(event: Document, settings: Settings) -> Document:
    service, deployment = ecs.describe_service(event["service"], event["cluster"]), event["deployment"]
    current = primary(service)
    if current is None or current["id"] != deployment:
        return {"outcome": SUPERSEDED, "reason": f"deployment {deployment} is not the service's primary one any more"}
    machine, table = settings.state_machine_arn, RolloutTable(settings.rollout_table)
    name = execution_name(deployment, table.claim_deployment(event["service"], deployment))
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    status = executions.status(execution)
    if status == "GONE":
        document = {"service": event["service"], "cluster": event["cluster"], "deployment": deployment}
        executions.start(machine, name, document)
    elif status != "RUNNING":
        execution = start_attempt(service, event["cluster"], settings)
    return {"execution": execution, "waitSeconds": wait_seconds(event["turns"])}


def _look(event: Document, settings: Settings) -> Document:
    ended = executions.ended(event["execution"])
    service = ecs.describe_service(event["service"], event["cluster"])
    current, injected = primary(service), False
    if current is not None and ended["outcome"] == "Redeployed":
        injected = is_injected(ecs.describe_task_definition(current["taskDefinition"])[0])
    rolled_back = Remembered(settings.rollout_table).rolled_back(event["service"])
    found = progress(ended, event["deployment"], service, injected, rolled_back, event["turns"])
    if found.settled:
        return {"outcome": found.outcome, "reason": found.reason}
    return {"execution": event["execution"], "waitSeconds": wait_seconds(event["turns"])}
