"""A share that is there, and is not used: people are told once for each reason."""

from aws_lambda_powertools.metrics import MetricUnit

from domain.sharing import sender_of
from gateways import announcements
from gateways.remembered import Remembered
from observability import logger, metrics
from settings import Settings

USED, UNUSED = "USED", "UNUSED"


def refuse(arn: str, what: str, reason: str, settings: Settings) -> None:
    """Announce that a share, or (by its ARN) what is in it, is not used; `what` it is, in words."""
    remembered = Remembered(settings.rollout_table)
    if remembered.share(arn) == (UNUSED, reason):
        return
    logger.warning(UNUSED, share=arn, reason=reason)
    metrics.add_metric("ShareRefused", MetricUnit.Count, 1)
    told = {"share": arn, "sender": sender_of(arn), "reason": reason}
    announcements.notify(settings.topic_arn, f"Meshift: {what} that is shared is not used", told)
    remembered.remember_share(arn, UNUSED, reason)
