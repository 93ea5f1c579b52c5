"""accept_shares: answer the invitations of AWS RAM that can be trusted, announce the others once.

An event of RAM and the clock both mean no more than "look": all pending invitations are read each time.
"""

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.sharing import judge
from gateways import announcements, ram
from gateways.rollout_table import RolloutTable
from handlers.sweep import sweep
from observability import logger, metrics
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at all pending invitations; when one fails, the others are answered first and the batch comes again."""
    settings = Settings.from_env(os.environ)
    pending = ram.list_pending_invitations()
    return sweep(event, pending, lambda invitation: _answer(invitation, settings), "resourceShareInvitationArn")


def _answer(invitation: dict[str, Any], settings: Settings) -> None:
    arn = invitation["resourceShareInvitationArn"]
    verdict = judge(invitation, ram.list_resources(arn), settings.trusted_accounts, settings.share_resource_types)
    decision = ram.accept(arn, client_token=arn.rpartition("/")[2]) if verdict.accept else "PENDING"
    logger.info(decision, invitation=arn, reason=verdict.reason)
    table = RolloutTable(settings.rollout_table)
    if table.invitation(arn) == decision:
        return
    metrics.add_metric(f"Share{decision.title()}", MetricUnit.Count, 1)
    if not verdict.accept:
        what = {
            "share": invitation.get("resourceShareName"),
            "sender": invitation["senderAccountId"],
            "invitation": arn,
        }
        announcements.notify(settings.topic_arn, "Meshift: a share waits for you", {**what, "reason": verdict.reason})
    # Remembered last: rather announced twice than never.
    table.remember_invitation(arn, decision, verdict.reason)
