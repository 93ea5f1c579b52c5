"""IAM in force: what a role does not allow is denied, to functions, state machines and pollers of queues alike.

The emulator evaluates policies itself (`AUTH=true`, local/daemon.py): a function works as its role and its signature is
checked; the 12-digit key of an account is its root, who may do everything. Put right here:

- which resources and condition keys a call is checked against (local/authorization.py): ECS's calls against the
  cluster, SendTaskSuccess, roles with a path and parameters of other accounts against nothing that a policy can name,
  `events:source`, `iam:PolicyARN` and `lambda:InvokedViaFunctionUrl` never there;
- what else a call needs: TagResource and PassRole with a new task definition, InvokeFunction by a URL;
- a function's own policy, when another account calls.

Who works in a role's name without being a function: local/roles.py.
"""

import json
import logging
from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from ministack import app as ministack_app
from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import iam, lambda_svc, sts

from local import organizations
from local.authorization import Check, Place, checks, function_url
from local.identity import Caller
from local.patching import PatchDoesNotApply, expect, replace
from local.settings import REGION

log = logging.getLogger("meshift.permissions")
_needed: ContextVar[Sequence[Check]] = ContextVar("needed", default=())
WAITING: dict[str, str] = {}
"""The state machines that wait for their tokens."""
DENIED: list[dict[str, str]] = []
"""What was denied so far: principal, action, resource."""
_seen: set[tuple[str, str, Check]] = set()
_needed_by: dict[tuple[str, str], list[iam_evaluator.ParsedStatement]] = {}
"""By account and role: the statements without which something would have been denied."""


def install() -> None:
    """Put right what the emulator checks."""
    if not ministack_app.AUTH:
        raise PatchDoesNotApply("IAM is not in force: the emulator wants AUTH=true before it is imported")
    _read_policies_once()
    _check_calls_for_what_aws_does()
    _look_up_functions_policies_in_their_account()


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
    """Whether a role's policies allow something."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    allowed = _allowed_by(account, name, check, *iam_evaluator._gather_role_policies(name, account))
    if allowed:
        _remember(account, name, check)
    else:
        note(role_arn, check.action, check.resource)
    return allowed


def idle(account: str) -> dict[str, list[list[str]]]:
    """By role: the actions of each statement that nothing has needed so far."""
    with responses.request_scope(account, REGION):
        return {
            name: [
                each.actions for each in _statements(account, name) if each not in _needed_by.get((account, name), [])
            ]
            for name in iam._roles
        }


def note(principal: str, action: str, resource: str) -> None:
    """Keep in mind, and say in the log, what was denied."""
    DENIED.append({"principal": principal, "action": action, "resource": resource})
    log.warning("%s may not %s on %s", principal, action, resource)


def _allowed_by(account: str, role: str, check: Check, *policies: Sequence[iam_evaluator.ParsedStatement]) -> bool:
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{role}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action=check.action,
        resource_arn=check.resource,
        region=responses.get_region(),
        service_context={key.lower(): value for key, value in check.conditions.items()},
    )
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def _statements(account: str, role: str) -> list[iam_evaluator.ParsedStatement]:
    return [statement for policy in iam_evaluator._gather_role_policies(role, account) for statement in policy]


def _remember(account: str, role: str, check: Check) -> None:
    """Keep in mind which statement was needed: the only one that allows it."""
    seen = account, role, check._replace(conditions=tuple(sorted(map(str, check.conditions.items()))))
    if seen not in _seen:
        _seen.add(seen)
        allowing = [each for each in _statements(account, role) if _allowed_by(account, role, check, [each])]
        if len(allowing) == 1:
            _needed_by.setdefault((account, role), []).append(allowing[0])


def _read_policies_once() -> None:
    """Keep what was read of a policy: the emulator reads all of a role's twice for each call."""

    def read(doc: Any) -> list[iam_evaluator.ParsedStatement]:
        return kept(doc) if isinstance(doc, str) else original(doc)

    original = replace(iam_evaluator, "parse_policy_document", read, "doc")
    kept = lru_cache(1024)(original)


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
        session = sts._sessions.get(access_key_id, {}).get("Arn", "").split(":", 5)
        for check in Check(iam_action, resource_arn, service_context or {}), *more:
            denied = original(access_key_id, check.action, service, region, check.resource, dict(check.conditions))
            if isinstance(denied, iam_evaluator.EvalResult):
                note(denied.principal_arn, check.action, check.resource)
            if denied:
                return denied
            if session[-1].startswith("assumed-role/"):
                _remember(session[4], session[-1].split("/")[1], check)
        return None

    names = "service", "method", "path", "headers", "body", "query_params", "region", "account_id"
    extract = replace(iam_actions, "extract_resource_arn", resource, *names)
    tags = replace(iam_actions, "request_tag_context", conditions, "service", "iam_action", "body", "params")
    names = "access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"
    original = replace(iam_evaluator, "enforce", enforce, *names)
    expect(iam_evaluator, "_gather_role_policies", "role_name", "account_id")
    expect(iam_evaluator, "evaluate", "ctx", "policies")
    expect(sts, "_sessions")


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
    return {**asked, "stateMachineArn": WAITING[asked["taskToken"]]} if asked.get("taskToken") in WAITING else asked


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
