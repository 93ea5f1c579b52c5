"""receive_deployment: an ECS Deployment State Change arrives; start an execution for it, once, or say why not.

Reads a queue that EventBridge rules fill; the clock's message means: look for services whose tags changed. An event
that cannot be understood goes to the dead-letter queue with its cause at once; what fails for another reason is
retried, alone, and ends there too.
"""

import json
import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    DeploymentEvent,
    execution_name,
    parse_event,
    primary,
    reason_to_ignore,
)
from domain.enrolment import is_enrolled, read_tags
from domain.errors import InvalidEvent, NotFound
from domain.leaving import reason_to_stay
from domain.operations import ABORT, Signal
from domain.sidecar import is_injected
from gateways import ecs, executions, queues
from gateways.enrolled import Enrolled
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from gateways.sightings import Sightings
from handlers.attempts import start_attempt
from handlers.removal import leave
from handlers.retagging import see_to_changed_tags
from handlers.wake import wake_paused
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]
Revision = tuple[Document, dict[str, str]]
CLOCK = "aws.events"
"""The source of what a schedule sends."""
_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer which messages of the batch are to be delivered again."""
    return dict(process_partial_response(event, record_handler=_receive, processor=_processor, context=context))


def _receive(record: SQSRecord) -> None:
    settings = Settings.from_env(os.environ)
    try:
        event = json.loads(record.body)
        by_clock = isinstance(event, dict) and event.get("source") == CLOCK
        deployment = None if by_clock else parse_event(event if isinstance(event, dict) else {})
    except (ValueError, InvalidEvent) as error:
        queues.bury(settings.dead_letter_queue_url, record.body, str(error))
        logger.error("Buried an event that cannot be understood", cause=str(error))
        metrics.add_metric("EventBuried", MetricUnit.Count, 1)
        return
    logger.set_correlation_id(event.get("id"))
    if deployment is None:
        see_to_changed_tags(settings)
        return
    ignored = _act(deployment, settings)
    logger.info(
        ignored or "An execution works on the deployment",
        ecs_service=deployment.service.text,
        deployment=deployment.deployment,
        event_name=deployment.name,
    )


def _act(deployment: DeploymentEvent, settings: Settings) -> str | None:
    """Start the execution, or return why there is nothing to do."""
    if deployment.service.region != settings.region:
        return f"Refused: the service is in {deployment.service.region}, this stack works in {settings.region}"
    own_account = settings.state_machine_arn.split(":")[4]
    if deployment.service.account != own_account:
        return f"Refused: the service is of account {deployment.service.account}, this stack works in {own_account}"
    if deployment.cluster is None:
        return "Not enrolled: a service with a short ARN cannot carry tags"
    try:
        service = ecs.describe_service(deployment.service.name, deployment.cluster)
    except NotFound as error:
        return f"Nothing to do: {error}"
    if not is_enrolled(read_tags(service.get("tags", []))):
        return _left_alone(deployment, service, settings) or _start(deployment, service, settings)
    current, seen = primary(service), None
    if deployment.name == IN_PROGRESS and current is not None and current["id"] == deployment.deployment:
        seen = ecs.describe_task_definition(current["taskDefinition"])
    ignored = _ignored(deployment, service, bool(seen and is_injected(seen[0])), settings)
    return ignored or _start(deployment, service, settings, seen)


def _start(event: DeploymentEvent, service: Document, settings: Settings, seen: Revision | None = None) -> str | None:
    """Start the deployment's execution, or return that it has one; what was `seen` need not be read again."""
    attempt = RolloutTable(settings.rollout_table).claim_deployment(service["serviceArn"], event.deployment)
    name = execution_name(event.deployment, attempt)
    if seen:
        Sightings(settings.rollout_table).keep(name, service, *seen)
    document = {"service": service["serviceArn"], "cluster": event.cluster, "deployment": event.deployment}
    started = executions.start(settings.state_machine_arn, name, document)
    return None if started else "Nothing to do: the deployment has its execution already"


def _ignored(event: DeploymentEvent, service: Document, has_sidecar: bool, settings: Settings) -> str | None:
    """Say why an event of an enrolled service starts nothing; rollouts that are at work are told of it."""
    remembered = Remembered(settings.rollout_table)
    went_back = _note_given_up(event, service, settings)
    if went_back and remembered.moved_away(service["serviceArn"]):
        start_attempt(service, event.cluster or "", settings)
    # Also when an execution starts: it may never come to planning, and a pause lasts a week.
    _wake_older(event, RolloutTable(settings.rollout_table))
    ignored = reason_to_ignore(event, service, has_sidecar)
    return f"Nothing to do: {ignored}" if ignored else None


def _note_given_up(event: DeploymentEvent, service: Document, settings: Settings) -> bool:
    """Note what ECS gave up, whose rollout ends at once; says whether ECS went back to this deployment."""
    current = primary(service)
    gone_back = event.rolls_back and current is not None and current["id"] == event.deployment
    if gone_back:
        Remembered(settings.rollout_table).remember_rolled_back(service["serviceArn"], event.deployment)
    if event.name == FAILED or gone_back:
        _abort_rollout(event, RolloutTable(settings.rollout_table))
    return gone_back


def _left_alone(event: DeploymentEvent, service: Document, settings: Settings) -> str | None:
    """Say why an event of a service without `meshift:mesh` starts nothing; None when a sidecar is to be taken out."""
    arn, current = service["serviceArn"], primary(service)
    known = Enrolled(settings.rollout_table).known(arn)
    if known is None or known.subject is None:
        return "Not enrolled: nothing is touched"
    _note_given_up(event, service, settings)
    stays = reason_to_stay(event, service, Remembered(settings.rollout_table).rolled_back(arn))
    if stays:
        return f"Nothing to do: {stays}"
    revision = current["taskDefinition"] if current else None
    if revision and revision != known.removed and is_injected(ecs.describe_task_definition(revision)[0]):
        return None
    if event.name == COMPLETED and not known.left:
        if revision == known.removed:
            leave(known, settings)
        else:  # its owner took Envoy out: one more attempt, for the sweep may have begun one before this was complete
            start_attempt(service, event.cluster or "", settings)
    return "Nothing to do: the service is not enrolled any more, and its revision has no Envoy"


def _wake_older(event: DeploymentEvent, table: RolloutTable) -> None:
    """Let a rollout that waits for people see that its service has a newer deployment."""
    for claim in table.claims():
        wake_paused(claim, {"service": event.service.text, "deployment": event.deployment})


def _abort_rollout(event: DeploymentEvent, table: RolloutTable) -> None:
    """Take the traffic back from a candidate that ECS itself gives up on, now rather than at the next check."""
    for claim in table.claims():
        document = claim["document"]
        if document is None or document["service"] != event.service.text or "application" not in document:
            continue
        if (document["deployment"] == event.deployment) == (event.name == FAILED):
            signal = Signal(f"{event.deployment} {event.name}", ABORT, f"Amazon ECS: {event.reason or event.name}")
            try:
                token = table.give_signal(claim["mesh"], claim["virtualRouter"], claim["execution"], signal)
            except NotFound as error:
                logger.info("Nothing to abort", reason=str(error))
                continue
            if token:
                executions.wake(token)
