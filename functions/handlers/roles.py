"""Roles of a task: may they do what its Envoy needs? For inject_envoy, before it redeploys a service."""

from typing import Any

from domain.errors import NotFound, Unanswered
from domain.sidecar import Sidecar
from domain.task_role import missing, question, role_checks
from gateways import iam
from observability import logger
from settings import Settings


def see_to_roles(revision: dict[str, Any], sidecar: Sidecar, discover: str, settings: Settings) -> list[str]:
    """Say what a task's roles lack, or attach the stack's policy where the operator lets it; nothing of it blocks.

    `discover`: ARN of the function that serves the sidecar's discovery, empty when it is not known.
    """
    if settings.task_role_policy == "off":
        return []
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
