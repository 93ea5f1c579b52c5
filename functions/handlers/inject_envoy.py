"""inject_envoy: put the sidecar into the revision that a service just deployed, and redeploy the service with it.

A service that is not enrolled any more has it taken out, in the same way.
"""

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import primary
from domain.enrolment import enrolment_of, is_enrolled, read_tags, refuse_unfit
from domain.errors import NotFound, Refused
from domain.leaving import acted_on
from domain.sidecar import (
    INJECTED_AS,
    INJECTED_BY,
    INJECTED_FROM,
    has_wanted_sidecar,
    inject,
    revision_tags,
    sidecar_for,
)
from gateways import ecs
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from handlers.away import take_traffic_off
from handlers.looking import look, look_away
from handlers.removal import remove_envoy
from handlers.roles import see_to_roles
from handlers.wanted_sidecar import discover_function, sidecar_settings
from observability import logger, metrics, tell_execution
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Inject, once.

    Takes the execution's document with `subject` and `turns`; returns `{"outcome", "reason"}`: Redeployed; Present (the
    sidecar was there), with `application`, its fingerprint; Carries Traffic, with the `plan` that takes its traffic
    off it first; Wait; Superseded; Refused. With `leave` the sidecar is taken out: Redeployed, or Nothing To Do.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    try:
        answer = remove_envoy(event, settings) if event.get("leave") else _inject(event, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _inject(event: Document, settings: Settings) -> Document:
    service, revision, tags = look(event, settings)
    arn, current, subject = service["serviceArn"], primary(service) or {}, event["subject"]
    remembered, service_tags = Remembered(settings.rollout_table), read_tags(service.get("tags", []))
    if tags.get(INJECTED_BY) == event["execution"]:
        return _by_earlier_try(current["taskDefinition"])
    if current["id"] != event["deployment"]:
        return _superseded(event, current["id"])
    if not is_enrolled(service_tags):
        return {"outcome": "Superseded", "reason": "the service is not enrolled any more"}
    refuse_unfit(service)
    asked = event.get("forced") or event.get("retagged")
    thrown_out = remembered.rolled_back(arn) == event["deployment"] and not asked
    if thrown_out and not remembered.moved_away(arn):
        raise Refused(
            f"ECS rolled the service back to {current['taskDefinition']}; it is left alone until you deploy again"
        )
    mesh = Mesh.of(subject, settings)
    node = mesh.describe_virtual_node(subject["virtualNode"])
    sidecar = sidecar_for(node, sidecar_settings(subject, settings))
    injection = inject(revision, enrolment_of(service), sidecar)
    present = has_wanted_sidecar(revision, tags, injection)
    if not present and thrown_out:
        raise Refused(
            f"ECS rolled the service back to {current['taskDefinition']}, which has not the wanted sidecar; it is left "
            "alone until you deploy again, and the traffic that was taken off it stays where it is"
        )
    if present and event.get("plan"):
        raise Refused(f"{current['taskDefinition']} has got the wanted sidecar while its traffic was taken off it")
    if present:
        look_away(event, settings)
        reason = f"{current['taskDefinition']} has the wanted sidecar"
        return {"outcome": "Present", "reason": reason, "application": injection.application}
    if subject["virtualRouter"] is not None and not event.get("plan"):
        answer = take_traffic_off(event, service, mesh, settings)
        if answer is not None:
            return answer
    roles = see_to_roles(revision, sidecar, discover_function(subject, settings), settings)
    source = tags.get(INJECTED_FROM, current["taskDefinition"])
    marks = {INJECTED_FROM: source, INJECTED_BY: event["execution"], INJECTED_AS: injection.digest}
    registered = ecs.register_task_definition(injection.task_definition, revision_tags(tags, marks))
    overtaken = _overtaken(event, service_tags)
    if overtaken:
        return overtaken
    if event.get("plan"):
        remembered.remember_moved_away(arn, event["plan"]["before"])
    look_away(event, settings)
    ecs.update_service(arn, event["cluster"], registered)
    metrics.add_metric("EnvoyInjected", MetricUnit.Count, 1)
    reason = "; ".join([f"{registered} has Envoy beside {injection.container}", *injection.notes, *roles])
    return {"outcome": "Redeployed", "reason": reason}


def _overtaken(event: Document, tags: Mapping[str, str]) -> Document | None:
    """Look once more, right before the service is changed: is it still the deployment, are they still the tags?"""
    service = ecs.describe_service(event["service"], event["cluster"])
    newest = primary(service)
    if newest is None:
        return _superseded(event, "none")
    if newest["id"] != event["deployment"]:
        _, marks = ecs.describe_task_definition(newest["taskDefinition"])
        own = marks.get(INJECTED_BY) == event["execution"]
        return _by_earlier_try(newest["taskDefinition"]) if own else _superseded(event, newest["id"])
    if acted_on(read_tags(service.get("tags", []))) != acted_on(tags):
        return {
            "outcome": "Superseded",
            "reason": "the service's tags were changed meanwhile; a sweep will see to them",
        }
    return None


def _by_earlier_try(revision_arn: str) -> Document:
    return {"outcome": "Redeployed", "reason": f"{revision_arn} was injected by an earlier try"}


def _superseded(event: Document, newer: str) -> Document:
    return {"outcome": "Superseded", "reason": f"deployment {newer} took the place of {event['deployment']}"}
