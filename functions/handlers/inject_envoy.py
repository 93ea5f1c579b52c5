"""inject_envoy: put the sidecar into the revision that a service just deployed, and redeploy the service with it."""

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import primary
from domain.enrolment import Enrolment, parse_enrolment, read_tags, refuse_unfit
from domain.errors import NotFound, Refused, Unanswered
from domain.sidecar import (
    INJECTED_AS,
    INJECTED_BY,
    INJECTED_FROM,
    Sidecar,
    inject,
    is_injected,
    revision_tags,
    sidecar_for,
)
from domain.task_role import missing, question, role_checks
from gateways import ecs, iam
from gateways.mesh import Mesh
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Inject, once.

    Takes `{"service", "cluster", "deployment", "execution"}`; returns `{"outcome", "reason", "subject"}`:
    Redeployed; Present (the sidecar was there), with `application`, its fingerprint; Superseded; Refused.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    try:
        service = ecs.describe_service(event["service"], event["cluster"])
        enrolment = parse_enrolment(read_tags(service.get("tags", [])), service["serviceName"])
        refuse_unfit(service)
        answer = _inject(event, service, enrolment, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _inject(event: dict[str, Any], service: dict[str, Any], enrolment: Enrolment, settings: Settings) -> dict[str, Any]:
    arn, current = service["serviceArn"], primary(service)
    if current is None:
        raise NotFound(f"service {service['serviceName']} has no primary deployment")
    revision, tags = ecs.describe_task_definition(current["taskDefinition"])
    if tags.get(INJECTED_BY) == event["execution"]:
        return _answer("Redeployed", f"{current['taskDefinition']} was injected by an earlier try", enrolment)
    if current["id"] != event["deployment"]:
        return _superseded(event, current, enrolment)
    if RolloutTable(settings.rollout_table).rolled_back(arn) == event["deployment"]:
        raise Refused(
            f"ECS rolled the service back to {current['taskDefinition']}; it is left alone until you deploy again"
        )
    if settings.hosted and enrolment.mesh_owner not in (None, arn.split(":")[4]):
        raise Refused(
            f"mesh {enrolment.mesh} is of account {enrolment.mesh_owner}; this version of Meshift reaches the hosted "
            "meshes of its own account only"
        )
    mesh = Mesh(enrolment.mesh, enrolment.mesh_owner, settings.mesh_endpoint, settings.mesh_signing_name)
    node = mesh.describe_virtual_node(enrolment.virtual_node)
    sidecar = sidecar_for(node, settings.sidecar)
    injection = inject(revision, enrolment, sidecar)
    made_of_the_same = is_injected(revision) and tags.get(INJECTED_AS) == injection.digest
    if made_of_the_same or not injection.added:
        reason = f"{current['taskDefinition']} has the wanted sidecar"
        return _answer("Present", reason, enrolment, application=injection.application)
    roles = _see_to_roles(revision, sidecar, settings)
    source = tags.get(INJECTED_FROM, current["taskDefinition"])
    marks = {INJECTED_FROM: source, INJECTED_BY: event["execution"], INJECTED_AS: injection.digest}
    registered = ecs.register_task_definition(injection.task_definition, revision_tags(tags, marks))
    newest = primary(ecs.describe_service(arn, event["cluster"]))
    if newest is None or newest["id"] != event["deployment"]:
        return _superseded(event, newest or current, enrolment)
    ecs.update_service(arn, event["cluster"], registered)
    metrics.add_metric("EnvoyInjected", MetricUnit.Count, 1)
    reason = "; ".join([f"{registered} has Envoy beside {injection.container}", *injection.notes, *roles])
    return _answer("Redeployed", reason, enrolment)


def _see_to_roles(revision: dict[str, Any], sidecar: Sidecar, settings: Settings) -> list[str]:
    """Find out whether the task's roles may do what Envoy needs, and say what is missing; nothing of it blocks."""
    if settings.task_role_policy == "off":
        return []
    discover = settings.discover_function_arn if settings.sidecar.signing_name == "lambda" else ""
    notes: list[str] = []
    for check in role_checks(revision, sidecar, discover):
        try:
            lacking = missing(check.needed, iam.simulate(check.role.arn, question(check.needed)) if check.role else [])
            if lacking and check.role and settings.envoy_policy_arn and check.may_attach(settings.task_role_path):
                iam.attach_policy(check.role.name, settings.envoy_policy_arn)
                notes.append(f"attached {settings.envoy_policy_arn} to {check.kind} {check.role.name}")
            elif lacking:
                notes.append(check.complaint(lacking))
        except (NotFound, Unanswered) as error:
            notes.append(f"the {check.kind} could not be verified: {error}")
    for note in notes:
        logger.warning("A role is not as Envoy needs it", note=note)
    return notes


def _superseded(event: dict[str, Any], current: Mapping[str, Any], enrolment: Enrolment) -> dict[str, Any]:
    reason = f"deployment {current['id']} took the place of {event['deployment']}"
    return _answer("Superseded", reason, enrolment)


def _answer(outcome: str, reason: str, enrolment: Enrolment, **more: str) -> dict[str, Any]:
    subject = {
        "mesh": enrolment.mesh,
        "meshOwner": enrolment.mesh_owner,
        "virtualService": enrolment.virtual_service,
        "virtualNode": enrolment.virtual_node,
        "policy": enrolment.policy,
    }
    return {"outcome": outcome, "reason": reason, "subject": subject, **more}
