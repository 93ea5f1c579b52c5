"""IAM in force: what a role does not allow is denied, to functions, state machines and pollers of queues alike.

The emulator evaluates policies itself (`AUTH=true`, local/daemon.py): a function works as its role and its signature is
checked; the 12-digit key of an account is its root, who may do everything. Put right here:

- which resources and condition keys a call is checked against (local/authorization.py): ECS's calls against the
  cluster, SendTaskSuccess, roles with a path and parameters of other accounts against nothing that a policy can name,
  `events:source`, `iam:PolicyARN` and `lambda:InvokedViaFunctionUrl` never there;
- what else a call needs: TagResource and PassRole with a new task definition, InvokeFunction by a URL;
- a function's own policy, when another account calls;
- who else works in a role's name: state machines, the pollers of functions' queues, EventBridge at a queue's policy.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from ministack import app as ministack_app
from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import eventbridge, iam, lambda_svc, sqs, stepfunctions

from local import organizations
from local.authorization import NOTHING, Check, Place, checks, function_url
from local.identity import Caller
from local.patching import PatchDoesNotApply, expect, replace

log = logging.getLogger("meshift.permissions")
_needed: ContextVar[Sequence[Check]] = ContextVar("needed", default=())
_machine: ContextVar[Mapping[str, Any]] = ContextVar("machine", default=NOTHING)
"""The state machine whose execution is at work."""
_waiting: dict[str, str] = {}
"""The state machines that wait for their tokens."""
DENIED: list[dict[str, str]] = []
"""What was denied so far: principal, action, resource."""


def install() -> None:
    """Put right what the emulator checks."""
    if not ministack_app.AUTH:
        raise PatchDoesNotApply("IAM is not in force: the emulator wants AUTH=true before it is imported")
    _check_calls_for_what_aws_does()
    _look_up_functions_policies_in_their_account()
    _let_state_machines_work_as_their_role()
    _let_pollers_work_as_the_functions_role()
    _hold_events_to_the_queues_policy()


def refused(action: str, asked: dict[str, Any], caller: Caller) -> str | None:
    """Say why a call is denied that the emulator does not see, or None when it is allowed."""
    with responses.request_scope(caller.account, caller.region):
        for check in checks(action, asked, Place(caller.account, caller.region)) or []:
            denied = iam_evaluator.enforce(
                caller.access_key,
                check.action,
                action.partition(":")[0],
                caller.region,
                check.resource,
                check.conditions,
            )
            if denied:
                return f"{caller.arn} is not authorized to perform: {check.action} on resource: {check.resource}"
    return None


def allows(role_arn: str, check: Check) -> bool:
    """Whether a role's policies allow something in the name of a service."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action=check.action,
        resource_arn=check.resource,
        region=responses.get_region(),
        service_context={key.lower(): value for key, value in check.conditions.items()},
    )
    allowed = iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account)).decision == "Allow"
    if not allowed:
        _note(role_arn, check.action, check.resource)
    return allowed


def _note(principal: str, action: str, resource: str) -> None:
    DENIED.append({"principal": principal, "action": action, "resource": resource})
    log.warning("%s may not %s on %s", principal, action, resource)


def _check_calls_for_what_aws_does() -> None:
    """Give the emulator's check the right resource and conditions, and make the further checks after it."""

    def resource(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any],
        region: str, account_id: str,
    ) -> str:  # fmt: skip
        given: str = extract(service, method, path, headers, body, query_params, region, account_id)
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query_params) or ""
        _needed.set(())
        if service in ("ecs", "events", "iam", "organizations", "servicediscovery", "ssm", "states"):
            asked = _asked(service, body, query_params)
            if asked is not None and _complete(action, asked):
                _needed.set(checks(action, asked, Place(account_id, region)) or [])
        return _needed.get()[0].resource if _needed.get() else given

    def conditions(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        own = _needed.get()[0].conditions if _needed.get() else {}
        return {**tags(service, iam_action, body, params), **own}

    def enforce(
        access_key_id: str, iam_action: str, service: str, region: str, resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        more = _needed.get()[1:]
        _needed.set(())
        if iam_action == "lambda:InvokeFunctionUrl" and access_key_id:
            more = function_url(resource_arn)[1:]
        denied = original(access_key_id, iam_action, service, region, resource_arn, service_context)
        for check in () if denied else more:
            denied = original(access_key_id, check.action, service, region, check.resource, dict(check.conditions))
            iam_action, resource_arn = check.action, check.resource
            if denied:
                break
        if isinstance(denied, iam_evaluator.EvalResult):
            _note(denied.principal_arn, iam_action, resource_arn)
        return denied

    names = "service", "method", "path", "headers", "body", "query_params", "region", "account_id"
    extract = replace(iam_actions, "extract_resource_arn", resource, *names)
    tags = replace(iam_actions, "request_tag_context", conditions, "service", "iam_action", "body", "params")
    names = "access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"
    original = replace(iam_evaluator, "enforce", enforce, *names)
    expect(iam_evaluator, "_gather_role_policies", "role_name", "account_id")
    expect(iam_evaluator, "evaluate", "ctx", "policies")


def _asked(service: str, body: bytes, query_params: dict[str, Any]) -> dict[str, Any] | None:
    """The call's arguments; IAM's are a form's fields."""
    if service == "iam":
        asked = {key: value[0] if isinstance(value, list) else value for key, value in query_params.items()}
        role = iam._roles.get(asked.get("RoleName", ""))
        return {**asked, "RoleArn": role["Arn"]} if role else asked
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return None
    if not isinstance(asked, dict):
        return None
    if service == "organizations" and (whole := organizations.found()):
        return {**asked, "OrganizationArn": whole.arn}
    return {**asked, "stateMachineArn": _waiting[asked["taskToken"]]} if asked.get("taskToken") in _waiting else asked


_MUST_SAY = {
    "ecs:DescribeServices": "services",
    "ecs:DescribeTasks": "tasks",
    "ecs:RegisterTaskDefinition": "family",
    "ecs:UpdateService": "service",
    "servicediscovery:GetNamespace": "Id",
    "servicediscovery:GetService": "Id",
}


def _complete(action: str, asked: dict[str, Any]) -> bool:
    """Whether a call says what it is about; what does not is refused by the service itself."""
    service = action.partition(":")[0]
    if service == "iam":
        return "RoleName" in asked or "PolicySourceArn" in asked
    if service == "ssm":
        return isinstance(asked.get("Name"), str)
    return _MUST_SAY.get(action, "") in ("", *asked)


def _look_up_functions_policies_in_their_account() -> None:
    """Find the policy of a function that another account calls."""

    def policy(resource_arn: str) -> Any:
        account = resource_arn.split(":")[4] if resource_arn.count(":") > 4 else ""
        if not account.isdigit() or account == responses.get_account_id():
            return original(resource_arn)
        with responses.request_scope(account, responses.get_region()):
            return original(resource_arn)

    original = replace(lambda_svc, "function_policy_for_arn", policy, "resource_arn")


def _let_state_machines_work_as_their_role() -> None:
    """Check what a state machine's tasks do against its role: States.Permissions when that may not."""

    def execute(state_def: Any, raw_input: Any, execution: dict[str, Any], ctx: Any) -> Any:
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
        token = _machine.set(machine or {})
        try:
            return task(state_def, raw_input, execution, ctx)
        finally:
            _machine.reset(token)

    def checked(call: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(resource: str, input_data: Any, *more: Any) -> Any:
            machine = _machine.get()
            for check in _of_task(resource, input_data) if machine else ():
                if not allows(machine["roleArn"], check):
                    cause = f"{machine['roleArn']} may not {check.action} on {check.resource}"
                    raise stepfunctions._ExecutionError("States.Permissions", cause)
            if more:
                _waiting[more[0]] = machine.get("stateMachineArn", "")
            return call(resource, input_data, *more)

        return invoke

    expect(stepfunctions, "_ExecutionError")
    task = replace(stepfunctions, "_execute_task", execute, "state_def", "raw_input", "execution", "ctx")
    for name, arguments in (
        ("_invoke_resource", ("resource", "input_data")),
        ("_invoke_with_callback", ("resource", "input_data", "token", "state_def")),
    ):
        original = expect(stepfunctions, name, *arguments)
        setattr(stepfunctions, name, checked(original))


def _of_task(resource: str, asked: dict[str, Any]) -> list[Check]:
    """List what a task needs of its state machine's role."""
    integration = resource.rpartition(":::")[2].partition(".")[0]
    service, _, operation = integration.partition(":")
    if service not in ("lambda", "events", "sns"):
        return []
    action = {"lambda": "lambda:InvokeFunction"}.get(service, f"{service}:{operation[:1].upper()}{operation[1:]}")
    return checks(action, asked, Place(responses.get_account_id(), responses.get_region())) or []


def _let_pollers_work_as_the_functions_role() -> None:
    """Poll no queue for a function whose role may not read it."""
    actions = "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"

    def concurrency(esm: dict[str, Any], func_rec: Any, config: dict[str, Any], queue: Any = None) -> int:
        arn = esm["EventSourceArn"]
        may = all(allows(config["Role"], Check(action, arn)) for action in actions)
        return original(esm, func_rec, config, queue) if may else 0

    original = replace(lambda_svc, "_sqs_esm_concurrency", concurrency, "esm", "func_rec", "config", "queue")


def _hold_events_to_the_queues_policy() -> None:
    """Deliver events to no queue whose policy does not let the rule."""

    def deliver(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> None:
        arn, source = target.get("Arn", ""), rule.get("Arn", "")
        if (arn.split(":")[2:3], source.split(":")[2:3]) == (["sqs"], ["events"]) and not sqs.queue_policy_allows(
            arn, "events.amazonaws.com", source, responses.get_account_id()
        ):
            _note(source, "sqs:SendMessage", arn)
            return
        original(target, event, rule, view)

    expect(sqs, "queue_policy_allows", "queue_arn", "service", "source_arn", "source_account")
    original = replace(eventbridge, "_invoke_target", deliver, "target", "event", "rule", "view")
