"""Services whose node carries nothing any more: scaled to zero, and brought back when they are candidates again."""

from collections.abc import Mapping
from typing import Any

from domain.errors import NotFound
from gateways import ecs, scaling
from gateways.remembered import Remembered
from observability import logger


def scale_to_zero(arn: str, remembered: Remembered) -> bool:
    """Scale a service (ARN) to zero and remember what it had; False when it is gone."""
    cluster = arn.split("/")[1]
    try:
        service = ecs.describe_service(arn, cluster)
    except NotFound as error:
        logger.info("A service is gone", reason=str(error))
        return False
    # Remembered first; a second try must not take its own zero for what there was before.
    target = scaling.scalable_target(arn)
    if service["desiredCount"] or remembered.scaled(arn) is None:
        remembered.remember_scaled(arn, {"desiredCount": service["desiredCount"], "scalableTarget": target})
    if target:
        scaling.suspend(arn)
    scaling.set_desired_count(arn, cluster, 0)
    return True


def bring_back(service: Mapping[str, Any], cluster: str, remembered: Remembered) -> bool:
    """Undo the scaling of a service that becomes a candidate; what somebody scaled up meanwhile keeps its count."""
    arn = service["serviceArn"]
    before = remembered.scaled(arn)
    if before is None:
        return False
    if before["scalableTarget"] and scaling.scalable_target(arn):  # somebody may have taken it away since
        scaling.bring_back(arn, before["scalableTarget"])
    if service["desiredCount"] == 0:
        scaling.set_desired_count(arn, cluster, before["desiredCount"])
    remembered.forget_scaled(arn)
    return True
