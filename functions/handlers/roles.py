"""Roles of a task: may they do what its Envoy needs? For inject_envoy, before it redeploys a service."""

from typing import Any

from domain.errors import NotFound, Unanswered
from domain.sidecar import Sidecar
from domain.task_role import missing, question, role_checks
from gateways import iam
from observability import logger
from settings import Settings


def see_to_roles(revision: dict[str, Any], sidecar: Sidecar, settings: Settings) -> list[str]:
    """Say what a task's roles lack, or attach the stack's policy where the operator lets it; nothing of it blocks."""
    if settings.task_role_policy == "off":
        return []
    ours = sidecar.resource_arn.split(":")[4] == revision["taskDefinitionArn"].split(":")[4]
    # The function that serves another account's mesh is not known by its ARN, only by its URL.
    discover = settings.discover_function_arn if ours and settings.sidecar.signing_name == "lambda" else ""
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
