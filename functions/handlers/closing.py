"""What is to be done when a rollout is over, by whoever sees that: its own last task, or recovery."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from domain.enrolment import mesh_id
from domain.outcome import needs_people
from domain.weights import read_weights
from gateways import announcements
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_weights
from settings import Settings


def present_weights(document: Mapping[str, Any], settings: Settings) -> dict[str, int] | None:
    """Read the first route's weights as they are now, whatever Meshift thinks it wrote."""
    plan, subject = document.get("plan"), document.get("subject")
    if not plan or not subject:
        return None
    try:
        return read_weights(Mesh.of(subject, settings).describe_route(plan["virtualRouter"], plan["routes"][0])["spec"])
    except Exception:  # noqa: BLE001 - logged; an outcome must be told, above all when the mesh is out of reach
        logger.exception("The weights cannot be read")
        return None


def record(document: Mapping[str, Any], result: Mapping[str, Any], settings: Settings) -> None:
    """Add the outcome to the history of the virtual service, and tell the weights that stay."""
    subject = document["subject"]
    claim = mesh_id(subject), subject["virtualService"]
    RolloutTable(settings.rollout_table).record(*claim, document["execution"], "outcome", result)
    tell_weights(*claim, result["weights"] or {}, settled=True)


def remember(document: Mapping[str, Any], outcome: str, settings: Settings) -> None:
    """Remember of the service what its rollout ended with; a plan that only moved traffic away is forgotten."""
    remembered = Remembered(settings.rollout_table)
    if outcome in ("Promoted", "Rolled Back", "Frozen") and "application" in document:
        remembered.remember_finished(document, outcome)
        remembered.forget_moved_away(document["service"])
    if "away" in document["plan"] and outcome != "Redeployed":
        remembered.forget_moved_away(document["service"])


def announce(document: Mapping[str, Any], result: Mapping[str, Any], settings: Settings) -> None:
    """Tell the world, and people where one is needed."""
    announcements.announce_outcome(settings.topic_arn, result, document, needs_people(result["outcome"]))
    metrics.add_metric(result["outcome"].replace(" ", ""), MetricUnit.Count, 1)
    logger.info(result["outcome"], result=result)
