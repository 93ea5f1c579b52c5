"""Who works in a role's name and is no function: state machines, the pollers of queues; and EventBridge at a queue.

The emulator lets them do everything. What they need is checked here, against the policies of the role or of the queue.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack.core import responses
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions

from local.authorization import NOTHING, Check, Place, checks
from local.patching import expect, replace
from local.permissions import WAITING, allows, note

_machine: ContextVar[Mapping[str, Any]] = ContextVar("machine", default=NOTHING)
"""The state machine whose execution is at work."""


def install() -> None:
    """Let nobody do what his role, or the queue, does not allow."""
    _let_state_machines_work_as_their_role()
    _let_pollers_work_as_the_functions_role()
    _hold_events_to_the_queues_policy()


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
                WAITING[more[0]] = machine.get("stateMachineArn", "")
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
            note(source, "sqs:SendMessage", arn)
            return
        original(target, event, rule, view)

    expect(sqs, "queue_policy_allows", "queue_arn", "service", "source_arn", "source_account")
    original = replace(eventbridge, "_invoke_target", deliver, "target", "event", "rule", "view")
