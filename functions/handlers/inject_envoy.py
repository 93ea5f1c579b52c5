"""inject_envoy: put the sidecar into the revision that a service just deployed, and redeploy the service with it."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.bootstrap import heard_seconds
from domain.deployment import primary
from domain.enrolment import mesh_id, parse_enrolment, read_tags, refuse_unfit
from domain.errors import ClaimHeld, NotFound, Refused
from domain.planning import plan_away, routes_of
from domain.sidecar import (
    INJECTED_AS,
    INJECTED_BY,
    INJECTED_FROM,
    SidecarSettings,
    inject,
    is_injected,
    revision_tags,
    sidecar_for,
)
from domain.weights import read_weights
from gateways import ecs
from gateways.mesh import Mesh, card_of
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.roles import see_to_roles
from handlers.siblings import healthy_tasks
from handlers.wake import wake_paused
from observability import logger, metrics, tell_execution
from settings import Settings

Document = dict[str, Any]
_WAIT_SECONDS, _MOST_TURNS = 15, 1500
"""Waiting for another rollout of the virtual service: six hours, which an execution's history can hold."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Inject, once.

    Takes the execution's document with `subject` and `turns`; returns `{"outcome", "reason"}`: Redeployed; Present (the
    sidecar was there), with `application`, its fingerprint; Carries Traffic, with the `plan` that takes its traffic
    off it first; Wait; Superseded; Refused.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    try:
        service = ecs.describe_service(event["service"], event["cluster"])
        refuse_unfit(service)
        answer = _inject(event, service, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _inject(event: Document, service: Document, settings: Settings) -> Document:
    arn, current, subject = service["serviceArn"], primary(service), event["subject"]
    remembered = Remembered(settings.rollout_table)
    if current is None:
        raise NotFound(f"service {service['serviceName']} has no primary deployment")
    revision, tags = ecs.describe_task_definition(current["taskDefinition"])
    if tags.get(INJECTED_BY) == event["execution"]:
        return {"outcome": "Redeployed", "reason": f"{current['taskDefinition']} was injected by an earlier try"}
    if current["id"] != event["deployment"]:
        return _superseded(event, current)
    thrown_out = remembered.rolled_back(arn) == event["deployment"] and not event.get("forced")
    if thrown_out and not remembered.moved_away(arn):
        raise Refused(
            f"ECS rolled the service back to {current['taskDefinition']}; it is left alone until you deploy again"
        )
    mesh = Mesh.of(subject, settings)
    enrolment = parse_enrolment(read_tags(service.get("tags", [])), service["serviceName"])
    node = mesh.describe_virtual_node(subject["virtualNode"])
    sidecar = sidecar_for(node, _sidecar_settings(subject, settings))
    injection = inject(revision, enrolment, sidecar)
    present = not injection.added or (is_injected(revision) and tags.get(INJECTED_AS) == injection.digest)
    if not present and thrown_out:
        raise Refused(
            f"ECS rolled the service back to {current['taskDefinition']}, which has not the wanted sidecar; it is left "
            "alone until you deploy again, and the traffic that was taken off it stays where it is"
        )
    if present and event.get("plan"):
        raise Refused(f"{current['taskDefinition']} has got the wanted sidecar while its traffic was taken off it")
    if present:
        reason = f"{current['taskDefinition']} has the wanted sidecar"
        return {"outcome": "Present", "reason": reason, "application": injection.application}
    if subject["virtualRouter"] is not None and not event.get("plan"):
        answer = _take_traffic_off(event, service, mesh, settings)
        if answer is not None:
            return answer
    roles = see_to_roles(revision, sidecar, settings)
    source = tags.get(INJECTED_FROM, current["taskDefinition"])
    marks = {INJECTED_FROM: source, INJECTED_BY: event["execution"], INJECTED_AS: injection.digest}
    registered = ecs.register_task_definition(injection.task_definition, revision_tags(tags, marks))
    newest = primary(ecs.describe_service(arn, event["cluster"]))
    if newest is None or newest["id"] != event["deployment"]:
        return _superseded(event, newest or current)
    if event.get("plan"):
        remembered.remember_moved_away(arn, registered, event["plan"]["before"])
    ecs.update_service(arn, event["cluster"], registered)
    metrics.add_metric("EnvoyInjected", MetricUnit.Count, 1)
    reason = "; ".join([f"{registered} has Envoy beside {injection.container}", *injection.notes, *roles])
    return {"outcome": "Redeployed", "reason": reason}


def _sidecar_settings(subject: Document, settings: Settings) -> SidecarSettings:
    """Say where Envoy gets its configuration: from whoever hosts the mesh."""
    if not settings.hosted or subject["meshOwner"] is None:
        return settings.sidecar
    discovery = card_of(subject, settings).discovery
    return replace(settings.sidecar, discovery_endpoint=discovery.url, signing_name=discovery.signing_name)


def _take_traffic_off(event: Document, service: Document, mesh: Mesh, settings: Settings) -> Document | None:
    """Plan to move the node's weight to its healthy siblings; None when it has none, or they could not carry it."""
    subject = event["subject"]
    table, name, candidate = RolloutTable(settings.rollout_table), subject["virtualService"], subject["virtualNode"]
    claim = mesh_id(subject), name, event["execution"]
    if not any(weights[candidate] for weights in _weights(mesh, subject).values()):
        return None
    try:
        table.claim_virtual_service(*claim)
    except ClaimHeld as error:
        wake_paused(table.claim(*claim[:2]), event)
        if event["turns"] >= _MOST_TURNS:
            raise Refused(f"waited six hours, but {error}") from error
        return {"outcome": "Wait", "reason": str(error), "waitSeconds": _WAIT_SECONDS}
    before = _weights(mesh, subject)
    away = plan_away(
        before, candidate, healthy_tasks(subject, before, settings, idle_proven=True), service["desiredCount"]
    )
    if away is None or away == before:
        table.release_virtual_service(*claim)
        return None
    plan = {
        "virtualRouter": subject["virtualRouter"],
        "routes": list(before),
        "candidate": candidate,
        "before": before,
        "steps": [{"weights": away}],
        "away": True,
    }
    table.record(*claim, "plan", plan)
    kept = {key: event[key] for key in ("service", "cluster", "deployment", "execution", "subject")}
    table.keep_plan(*claim, {**kept, "plan": plan})
    seconds = heard_seconds(settings.discovery_poll_seconds)
    return {
        "outcome": "Carries Traffic",
        "reason": f"{candidate} carries traffic that its siblings take over while it is redeployed",
        "plan": plan,
        "position": {"step": 0, "from": -1},
        "waitSeconds": seconds,
    }


def _weights(mesh: Mesh, subject: Document) -> dict[str, dict[str, int]]:
    moving = routes_of(
        mesh.describe_routes(subject["virtualRouter"]), subject["virtualNode"], subject["virtualService"]
    )
    return {route["routeName"]: read_weights(route["spec"]) for route in moving}


def _superseded(event: Document, current: Mapping[str, Any]) -> Document:
    return {
        "outcome": "Superseded",
        "reason": f"deployment {current['id']} took the place of {event['deployment']}",
    }
