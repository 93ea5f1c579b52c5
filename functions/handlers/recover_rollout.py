"""recover_rollout: what a dead execution left behind is put back; the weights of its snapshot, then its claim.

A state machine's event and the clock both mean no more than "look": all claims are read each time, and those whose
execution has ended are recovered. Each is fenced first: its dead execution, whose last function may still run, can
write no more, and no second recovery works on it at the same time.
"""

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import MeshiftError, NobodyThere
from domain.outcome import summarise
from domain.rollout import foreign_edits, weights_ever_written
from domain.weights import own_weights, with_weights
from gateways import executions
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.closing import announce, present_weights, record, remember
from handlers.siblings import refuse_dead_ends
from handlers.sweep import sweep
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]
_LATE_SECONDS = 90
"""How long after the fence a write of the dead execution may still come: longer than a function lives."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at all claims; when one cannot be recovered, the others are first and the batch comes again."""
    settings = Settings.from_env(os.environ)
    claims = RolloutTable(settings.rollout_table).claims()
    return sweep(event, claims, lambda claim: _look(claim, settings), "execution")


def _look(claim: Document, settings: Settings) -> None:
    status = executions.status(claim["execution"])
    if status == "RUNNING":
        return
    table, key = RolloutTable(settings.rollout_table), (claim["mesh"], claim["virtualRouter"], claim["execution"])
    # Read with the fence: the execution may have planned and shifted since the claims were listed.
    fenced = table.fence(*key)
    if fenced is None:
        return
    document, decided = fenced["document"], fenced["decided"]
    if decided is None and status == "SUCCEEDED":
        decided = executions.ended(claim["execution"])
    if document is not None and decided is not None and decided["outcome"] != "Roll Back Failed":
        _finish(document, decided, settings)
    elif document is not None:
        outcome, reason, weights = _put_back(document, status, settings)
        # A hosted mesh refuses what was written over an older version. App Mesh does not, so it is looked at again.
        if not settings.hosted and fenced["fencedSeconds"] < _LATE_SECONDS:
            return
        _tell(document, status, summarise({**document, "outcome": outcome, "reason": reason}, weights), settings)
    table.release_virtual_router(*key)


def _finish(document: Document, decided: Document, settings: Settings) -> None:
    """Do what the execution's last task left undone; `decided` has the outcome and its reason."""
    told = {**document, "outcome": decided["outcome"], "reason": decided["reason"]}
    result = summarise(told, present_weights(document, settings))
    record(document, result, settings)
    remember(document, result["outcome"], settings)
    announce(document, result, settings)


def _tell(document: Document, status: str, result: Document, settings: Settings) -> None:
    record(document, result, settings)
    remembered = Remembered(settings.rollout_table)
    if "away" in document["plan"] or status == "ABORTED":
        remembered.forget_moved_away(document["service"])
    if "application" in document and result["outcome"] == "Frozen":
        remembered.remember_finished(document, "Frozen")
    elif (
        "application" in document and status == "ABORTED" and result["outcome"] == "Rolled Back"
    ):  # a person's decision
        remembered.remember_finished(document, "its execution was stopped")
    announce(document, result, settings)
    metrics.add_metric("RolloutRecovered", MetricUnit.Count, 1)
    logger.warning(result["outcome"], reason=result["reason"], execution=document["execution"])


def _put_back(document: Document, status: str, settings: Settings) -> tuple[str, str, dict[str, int] | None]:
    """Write the snapshot's weights, also over the same ones: the new version shuts out the dead one's late write."""
    plan, mesh = document["plan"], Mesh.of(document["subject"], settings)
    why, before, router = f"the execution ended as {status}", plan["before"], plan["virtualRouter"]
    try:
        routes = {name: mesh.describe_route(router, name) for name in plan["routes"]}
        present = {name: own_weights(route["spec"], before[name]) for name, route in routes.items()}
    except MeshiftError as error:
        return "Frozen", f"{why}, and its route cannot be put back: {error}", None
    told = present[plan["routes"][0]]
    foreign = foreign_edits(present, weights_ever_written(plan))
    if foreign:
        return "Frozen", f"{why}, and somebody else set {foreign}; it is left as it is", told
    try:
        refuse_dead_ends(document["subject"], present, before, settings)
    except NobodyThere as error:
        return "Roll Back Failed", f"{why}, but {error}", told
    for name, route in routes.items():
        mesh.update_route(router, name, with_weights(route["spec"], before[name]), route["metadata"]["version"])
        found = own_weights(mesh.describe_route(router, name)["spec"], before[name])
        if found != before[name]:
            raise RuntimeError(f"route {name} has the weights {found} after {before[name]} were written")
    return "Rolled Back", why, before[plan["routes"][0]]
