"""accept_shares: answer the invitations of AWS RAM that can be trusted, announce the others, use what is shared.

An event of RAM and the clock both mean no more than "look": whatever they say, all invitations and all shares are read
each time.
"""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import NotFound
from domain.sharing import invitation_ends, is_late, judge_invitation
from gateways import announcements, ecs, organizations, ram
from gateways.remembered import Remembered
from handlers.attempts import start_attempt
from handlers.sweep import sweep
from handlers.use_shares import use_shares
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]
PENDING, LATE = "PENDING", "LATE"
"""What is remembered of an invitation that waits for a person: announced, and announced once more."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Look at everything; when one thing fails, the others are seen to first and the batch comes again."""
    settings = Settings.from_env(os.environ)
    waiting: list[Document] = []
    accepted: set[str] = set()
    looks = [
        sweep(
            event,
            sorted(ram.list_invitations(), key=lambda each: not settings.trust.knows(each["senderAccountId"])),
            lambda invitation: _answer(invitation, settings, waiting, accepted),
            "resourceShareInvitationArn",
        ),
        use_shares(event, settings, accepted),
        sweep(event, Remembered(settings.rollout_table).freed(), lambda each: _start(each, settings), "service"),
    ]
    _measure(waiting)
    return next((each for each in looks if each["batchItemFailures"]), looks[0])


def _answer(invitation: Document, settings: Settings, waiting: list[Document], accepted: set[str]) -> None:
    arn, table, trust = invitation["resourceShareInvitationArn"], Remembered(settings.rollout_table), settings.trust
    known = table.invitation(arn)
    if invitation["status"] != PENDING:
        if known in (PENDING, LATE):
            _close(invitation, settings, table)
        return
    sender, organization = invitation["senderAccountId"], None
    if trust.organization is not None and not trust.knows(sender):
        organization = organizations.organization_of(sender)
    try:
        # What a stranger sends is not looked into: who sends a lot must not hold up the others.
        is_known = trust.knows(sender) or organization is not None
        resources = ram.list_pending_resources(arn) if is_known else []
    except NotFound as error:
        logger.info("An invitation was answered meanwhile", invitation=arn, reason=str(error))
        return
    verdict = judge_invitation(invitation, resources, trust, organization)
    if verdict.accept:
        decision = ram.accept(arn)
        if decision == "ACCEPTED" and "resourceShareArn" in invitation:
            accepted.add(invitation["resourceShareArn"])
    else:
        waiting.append(invitation)
        decision = LATE if is_late(invitation, datetime.now(UTC), settings.share_sweep_minutes) else PENDING
    logger.info(decision, invitation=arn, reason=verdict.reason)
    if known == decision:
        return
    if verdict.accept:
        metrics.add_metric(f"Share{decision.title()}", MetricUnit.Count, 1)
    else:
        metrics.add_metric("ShareRefused", MetricUnit.Count, 1 if known is None else 0)
        late = "soon expires" if decision == LATE else "waits for you"
        announcements.notify(settings.topic_arn, f"Meshift: a share {late}", _told(invitation, verdict.reason))
    # Remembered last: rather announced twice than never.
    table.remember_invitation(arn, decision, verdict.reason)


def _close(invitation: Document, settings: Settings, table: Remembered) -> None:
    """See what became of an invitation that waited for a person."""
    decision = invitation["status"]
    if decision == "EXPIRED":
        reason = "it was not answered in time; its owner has to share again"
        announcements.notify(settings.topic_arn, "Meshift: a share has expired", _told(invitation, reason))
    metrics.add_metric(f"Share{decision.title()}", MetricUnit.Count, 1)
    table.remember_invitation(
        invitation["resourceShareInvitationArn"], decision, "somebody else answered, or nobody did"
    )


def _told(invitation: Document, reason: str) -> Document:
    arn, ends = invitation["resourceShareInvitationArn"], invitation_ends(invitation)
    return {
        "share": invitation.get("resourceShareName"),
        "sender": invitation["senderAccountId"],
        "invitation": arn,
        "expires": ends.isoformat() if ends else None,
        "reason": reason,
        "toAccept": {"signal": "accept-share", "invitation": arn},
    }


def _measure(waiting: list[Document]) -> None:
    """Count what waits for a person, and how long the oldest has."""
    now = datetime.now(UTC)
    ages = [(now - each["invitationTimestamp"]).total_seconds() for each in waiting if "invitationTimestamp" in each]
    metrics.add_metric("SharesWaiting", MetricUnit.Count, len(waiting))
    metrics.add_metric("OldestShareWaiting", MetricUnit.Seconds, max(ages, default=0))


def _start(waiting: dict[str, str], settings: Settings) -> None:
    """Start an execution for a service that waited for a mesh; rather twice than never."""
    try:
        start_attempt(ecs.describe_service(waiting["service"], waiting["cluster"]), waiting["cluster"], settings)
    except NotFound as error:
        logger.info("A service that waited is gone", reason=str(error))
    Remembered(settings.rollout_table).forget_waiting(waiting["mesh"], waiting["service"], waiting["at"])
