"""pause_rollout: keep the task token by which an operator's next signal lets the rollout go on; announce a gate."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.enrolment import mesh_id, router_id
from domain.rollout import weights_before
from gateways import announcements, executions
from gateways.rollout_table import RolloutTable
from handlers.phases import tell_phase
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Wait for a signal, unless the next one is there already.

    Takes the execution's document with `position` and `token`; the state goes on when the token is sent back.
    """
    tell_execution(event)
    settings, position = Settings.from_env(os.environ), event["position"]
    gate = position["step"] if "gate" in position and not position.get("paused") else None
    claim = *router_id(event["subject"]), event["execution"]
    signal = RolloutTable(settings.rollout_table).keep_token(*claim, event["token"], gate)
    if gate is None:
        tell_phase(event, "Paused", event["reason"], _weights(event))
    elif position["gate"] == 0:
        _announce(event, settings.topic_arn)
    if signal and signal.id != position["signal"]:
        executions.wake(event["token"])
    logger.info("Waits for a signal", gate=gate)


def _weights(event: dict[str, Any]) -> dict[str, int]:
    """Return what the first route has; a gate stands before its step."""
    plan, position = event["plan"], event["position"]
    weights = weights_before(plan, position)[0] if "gate" in position else plan["steps"][position["step"]]["weights"]
    return dict(weights[plan["routes"][0]])


def _announce(event: dict[str, Any], topic_arn: str) -> None:
    """Tell people once that a gate waits for them, with the command that answers it."""
    subject, gate = event["subject"], event["plan"]["steps"][event["position"]["step"]]["gate"]
    reason = f"step {event['position']['step'] + 1} of {len(event['plan']['steps'])} waits for approval"
    tell_phase(event, "Waiting For Approval", reason, _weights(event))
    names = f"{mesh_id(subject)} {subject['virtualService']}"
    message = {
        "mesh": mesh_id(subject),
        "virtualService": subject["virtualService"],
        "virtualNode": subject["virtualNode"],
        "execution": event["execution"],
        "reason": reason,
        "weights": event["plan"]["steps"][event["position"]["step"]]["weights"],
        "approve": f"meshift approve {names}",
        "abort": f"meshift abort {names}",
        "withoutAnswer": f"{gate['onTimeout']} after {gate['timeoutSeconds']} seconds",
    }
    announcements.notify(topic_arn, f"Meshift: approval needed, {subject['virtualNode']}", message)
