"""finish_rollout: every execution ends here; its claim is given back, its outcome recorded and announced."""

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.enrolment import mesh_id
from domain.outcome import needs_people, summarise
from domain.weights import read_weights
from gateways import announcements
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_execution, tell_weights
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
    result = summarise(event, _weights(event, settings))
    subject = event.get("subject") or {}
    if subject.get("virtualService"):
        _close(event, result, settings)
    announcements.announce_outcome(settings.topic_arn, result, event, needs_people(result["outcome"]))
    metrics.add_metric(result["outcome"].replace(" ", ""), MetricUnit.Count, 1)
    logger.info(result["outcome"], result=result)
    return result


def _close(event: dict[str, Any], result: dict[str, Any], settings: Settings) -> None:
    """Record the outcome, and give the claim back, also one that a task took before it failed."""
    table, remembered = RolloutTable(settings.rollout_table), Remembered(settings.rollout_table)
    subject, plan, outcome = event["subject"], event.get("plan"), result["outcome"]
    claim = mesh_id(subject), subject["virtualService"], event["execution"]
    if plan:
        table.record(*claim, "outcome", result)
        tell_weights(*claim[:2], result["weights"] or {}, settled=True)
        if outcome in ("Promoted", "Rolled Back") and "application" in event:
            remembered.remember_finished(event, outcome)
            remembered.forget_moved_away(event["service"])
        if "away" in plan and outcome != "Redeployed":
            remembered.forget_moved_away(event["service"])
    if outcome != "Roll Back Failed":  # what that left behind is recovery's business
        table.release_virtual_service(*claim)


def _weights(event: dict[str, Any], settings: Settings) -> dict[str, int] | None:
    """Read the first route's weights as they are now, whatever Meshift thinks it wrote."""
    plan, subject = event.get("plan"), event.get("subject")
    if not plan or not subject:
        return None
    try:
        return read_weights(Mesh.of(subject, settings).describe_route(plan["virtualRouter"], plan["routes"][0])["spec"])
    except Exception:  # noqa: BLE001 - logged; an outcome must be told, above all when the mesh is out of reach
        logger.exception("The weights cannot be read")
        return None
