"""recover_rollout: what a dead execution left behind is put back; the weights of its snapshot, then its claim.

A state machine's event and the clock both mean no more than "look": all claims are read each time, and those whose
execution has ended are recovered.
"""

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import MeshiftError
from domain.outcome import needs_people, summarise
from domain.rollout import foreign_edits, weights_ever_written
from domain.weights import own_weights, with_weights
from gateways import announcements, executions
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.sweep import sweep
from observability import logger, metrics, tell_weights
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at all claims; when one cannot be recovered, the others are first and the batch comes again."""
    settings = Settings.from_env(os.environ)
    claims = RolloutTable(settings.rollout_table).claims()
    return sweep(event, claims, lambda claim: _look(claim, settings), "execution")


def _look(claim: dict[str, Any], settings: Settings) -> None:
    status = executions.status(claim["execution"])
    if status == "RUNNING":
        return
    table, key = RolloutTable(settings.rollout_table), (claim["mesh"], claim["virtualService"], claim["execution"])
    # Read with the fence: the execution may have planned and shifted since the claims were listed.
    document = table.fence(*key)["document"]
    if document is not None and status != "SUCCEEDED":
        outcome, reason, weights = _put_back(document, status, settings)
        result = summarise({**document, "outcome": outcome, "reason": reason}, weights)
        table.record(*key, "outcome", result)
        tell_weights(*key[:2], weights or {}, settled=True)
        remembered = Remembered(settings.rollout_table)
        if "away" in document["plan"] or status == "ABORTED":
            remembered.forget_moved_away(document["service"])
        if status == "ABORTED" and outcome == "Rolled Back" and "application" in document:  # a person's decision
            remembered.remember_finished(document, "its execution was stopped")
        announcements.announce_outcome(settings.topic_arn, result, document, needs_people(outcome))
        metrics.add_metric("RolloutRecovered", MetricUnit.Count, 1)
        logger.warning(outcome, reason=reason, execution=claim["execution"])
    table.release_virtual_service(*key)


def _put_back(document: dict[str, Any], status: str, settings: Settings) -> tuple[str, str, dict[str, int] | None]:
    """Write the snapshot's weights, also over the same ones: the new version shuts out the dead one's late write."""
    plan, mesh = document["plan"], Mesh.of(document["subject"], settings)
    why, before, router = f"the execution ended as {status}", plan["before"], plan["virtualRouter"]
    try:
        routes = {name: mesh.describe_route(router, name) for name in plan["routes"]}
        present = {name: own_weights(route["spec"], before[name]) for name, route in routes.items()}
    except MeshiftError as error:
        return "Frozen", f"{why}, and its route cannot be put back: {error}", None
    foreign = foreign_edits(present, weights_ever_written(plan))
    if foreign:
        told = present[plan["routes"][0]]
        return "Frozen", f"{why}, and somebody else set {foreign}; it is left as it is", told
    for name, route in routes.items():
        mesh.update_route(router, name, with_weights(route["spec"], before[name]), route["metadata"]["version"])
        found = own_weights(mesh.describe_route(router, name)["spec"], before[name])
        if found != before[name]:
            raise RuntimeError(f"route {name} has the weights {found} after {before[name]} were written")
    return "Rolled Back", why, before[plan["routes"][0]]
