"""accept_shares: answer the invitations of AWS RAM that can be trusted, announce the others once.

An event of RAM and the clock both mean no more than "look": all pending invitations are read each time.
"""

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import NotFound
from domain.sharing import judge, meshes_in
from gateways import announcements, ecs, ram
from gateways.remembered import Remembered
from handlers.attempts import start_attempt
from handlers.sweep import sweep
from observability import logger, metrics
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at all pending invitations; when one fails, the others are answered first and the batch comes again."""
    settings = Settings.from_env(os.environ)
    pending = ram.list_pending_invitations()
    again = sweep(event, pending, lambda invitation: _answer(invitation, settings), "resourceShareInvitationArn")
    freed = Remembered(settings.rollout_table).freed()
    return again if again["batchItemFailures"] else sweep(event, freed, lambda each: _start(each, settings), "service")


def _answer(invitation: dict[str, Any], settings: Settings) -> None:
    arn = invitation["resourceShareInvitationArn"]
    resources, table = ram.list_resources(arn), Remembered(settings.rollout_table)
    verdict = judge(invitation, resources, settings.trusted_accounts, settings.share_resource_types)
    # Noted first: an invitation that was accepted does not come again. Who is freed too early waits again.
    for mesh in meshes_in(resources) if verdict.accept else []:
        table.free_waiting(mesh)
    decision = ram.accept(arn, client_token=arn.rpartition("/")[2]) if verdict.accept else "PENDING"
    logger.info(decision, invitation=arn, reason=verdict.reason)
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


def _start(waiting: dict[str, str], settings: Settings) -> None:
    """Start an execution for a service that waited for a mesh; forgotten first, for it may have to wait again."""
    remembered = Remembered(settings.rollout_table)
    remembered.forget_waiting(waiting["mesh"], waiting["service"])
    try:
        start_attempt(ecs.describe_service(waiting["service"], waiting["cluster"]), waiting["cluster"], settings)
    except NotFound as error:
        logger.info("A service that waited is gone", reason=str(error))
    except Exception:
        remembered.remember_waiting(waiting["mesh"], waiting["service"], waiting["cluster"])
        remembered.free_waiting(waiting["mesh"])
        raise
