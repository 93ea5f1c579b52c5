"""plan_rollout: from the route as it is and the policy to the weights of every step."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import ClaimHeld, NotFound, Refused
from domain.health import judge
from domain.policy import Policy, parse_policy
from domain.rollout import plan_steps, start_position
from domain.weights import read_weights
from gateways import alarms, ecs
from gateways.mesh import Mesh
from gateways.parameters import read_policy
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Claim the virtual service, and plan.

    Takes the execution's document with `subject`, `application` and `turns` (how often it waited); returns
    `{"outcome", "reason"}`: Planned, with `plan` and `position`; Wait, with `waitSeconds`; Nothing To Do; Superseded;
    Refused.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    table, subject = RolloutTable(settings.rollout_table), event["subject"]
    if subject["virtualService"] is None:
        return {"outcome": "Nothing To Do", "reason": "the service provides no virtual service"}
    claim = subject["mesh"], subject["virtualService"], event["execution"]
    try:
        policy = parse_policy(read_policy(subject["policy"]))
        table.claim_virtual_service(*claim)
        answer = _plan(event, policy, table, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    except ClaimHeld as error:
        answer = _wait(event, policy, str(error))
    if answer["outcome"] != "Planned":
        table.release_virtual_service(*claim)
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _plan(event: dict[str, Any], policy: Policy, table: RolloutTable, settings: Settings) -> dict[str, Any]:
    subject, application = event["subject"], event["application"]
    virtual_service, candidate = subject["virtualService"], subject["virtualNode"]
    mesh = Mesh(subject["mesh"], subject["meshOwner"], settings.mesh_endpoint, settings.mesh_signing_name)
    before = read_weights(mesh.describe_route(virtual_service, virtual_service)["spec"])
    steps = plan_steps(before, candidate, policy)
    if not steps:
        table.remember_finished(event["service"], application)
        return {
            "outcome": "Nothing To Do",
            "reason": f"{candidate} carries all the traffic of {virtual_service} already",
        }
    if table.finished(event["service"]) == application:
        return {"outcome": "Nothing To Do", "reason": f"{candidate} runs the application that it ran before"}
    states = alarms.read_states(policy.alarms)
    unknown = sorted(set(policy.alarms) - set(states))
    if unknown:
        raise Refused(f"the rollout policy names CloudWatch alarms that do not exist: {', '.join(unknown)}")
    service = ecs.describe_service(event["service"], event["cluster"])
    tasks = ecs.list_running_tasks(service["serviceName"], event["cluster"])
    health = judge(service, event["deployment"], tasks, policy.alarms, states)
    if health.superseded:
        return {"outcome": "Superseded", "reason": health.reason}
    if health.unhealthy or health.pending:
        return _wait(event, policy, f"{candidate} is not fit for traffic: {health.reason}")
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
    claim = subject["mesh"], virtual_service, event["execution"]
    table.record(*claim, "plan", plan)
    kept = {key: event[key] for key in ("service", "deployment", "execution", "subject")}
    table.keep_plan(*claim, {**kept, "plan": plan})
    position = start_position(plan, event["turns"] * policy.check_every_seconds)
    return {"outcome": "Planned", "reason": f"{len(steps)} steps for {candidate}", "plan": plan, "position": position}


def _wait(event: dict[str, Any], policy: Policy, reason: str) -> dict[str, Any]:
    if event["turns"] * policy.check_every_seconds >= policy.deadline_seconds:
        return {"outcome": "Refused", "reason": f"waited until the deadline, but {reason}"}
    return {"outcome": "Wait", "reason": reason, "waitSeconds": policy.check_every_seconds}
