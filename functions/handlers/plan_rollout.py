"""plan_rollout: from the route as it is and the policy to the weights of every step."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import ClaimHeld, NotFound, Refused
from domain.policy import Policy, parse_policy
from domain.rollout import START, plan_steps
from domain.weights import read_weights
from gateways import alarms
from gateways.mesh import Mesh
from gateways.parameters import read_policy
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Plan, and claim the virtual service.

    Takes the execution's document with `subject` and `turns` (how often it waited); returns `{"outcome", "reason"}`:
    Planned, with `plan` and `position`; Wait, with `waitSeconds`; Nothing To Do; Refused.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    subject = event["subject"]
    if subject["virtualService"] is None:
        return {"outcome": "Nothing To Do", "reason": "the service provides no virtual service"}
    try:
        answer = _plan(event, subject, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _plan(event: dict[str, Any], subject: dict[str, Any], settings: Settings) -> dict[str, Any]:
    virtual_service, candidate = subject["virtualService"], subject["virtualNode"]
    mesh = Mesh(subject["mesh"], subject["meshOwner"], settings.mesh_endpoint, settings.mesh_signing_name)
    before = read_weights(mesh.describe_route(virtual_service, virtual_service)["spec"])
    policy = parse_policy(read_policy(subject["policy"]))
    steps = plan_steps(before, candidate, policy)
    if not steps:
        return {
            "outcome": "Nothing To Do",
            "reason": f"{candidate} carries all the traffic of {virtual_service} already",
        }
    _refuse_unknown_alarms(policy)
    try:
        RolloutTable(settings.rollout_table).claim_virtual_service(
            subject["mesh"], virtual_service, event["execution"], before
        )
    except ClaimHeld as error:
        if event["turns"] * policy.check_every_seconds >= policy.deadline_seconds:
            raise Refused(f"waited until the deadline, but {error}") from error
        return {"outcome": "Wait", "reason": str(error), "waitSeconds": policy.check_every_seconds}
    plan = {
        "virtualRouter": virtual_service,
        "route": virtual_service,
        "candidate": candidate,
        "before": before,
        "steps": steps,
        "checkEverySeconds": policy.check_every_seconds,
        "deadlineSeconds": policy.deadline_seconds,
        "failureLimit": policy.failure_limit,
        "onNoData": policy.on_no_data,
        "onFailure": policy.on_failure,
        "alarms": list(policy.alarms),
    }
    return {"outcome": "Planned", "reason": f"{len(steps)} steps for {candidate}", "plan": plan, "position": START}


def _refuse_unknown_alarms(policy: Policy) -> None:
    unknown = sorted(set(policy.alarms) - set(alarms.read_states(policy.alarms)))
    if unknown:
        raise Refused(f"the rollout policy names CloudWatch alarms that do not exist: {', '.join(unknown)}")
