"""Step Functions, where the emulator is not yet AWS.

It announces `Step Functions Execution Status Change` itself, but never times out, takes no expression for a task's
time-out, lets the failure of a task overwrite an ABORTED execution, and takes any name. Closed executions stay
closed here, a state machine's `TimeoutSeconds` gives TIMED_OUT with its event, and names follow AWS's rules
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
"""

import contextvars
import json
import re
import threading
from typing import Any

from ministack.core.responses import error_response_json, json_response, now_iso
from ministack.services import stepfunctions

from local.patching import expect, replace

_LEGAL_NAME = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}""")


def install() -> None:
    """Close executions as AWS does and check that their changes are announced."""
    expect(stepfunctions, "_emit_execution_status_event", "execution")
    expect(stepfunctions, "_executions")
    expect(stepfunctions, "_state_machines")
    fail = replace(
        stepfunctions,
        "_fail_execution",
        lambda execution, error, cause: fail(execution, error, cause) if execution["status"] == "RUNNING" else None,
        *("execution", "error", "cause"),
    )
    run = replace(stepfunctions, "_run_execution", lambda exec_arn: _run_in_time(run, exec_arn), "exec_arn")
    start = replace(stepfunctions, "_start_execution", lambda data: _start(start, data), "data")
    expect(stepfunctions, "_resolve_state_machine_arn")
    _take_expressions_for_timeouts()


def _take_expressions_for_timeouts() -> None:
    """Let the `TimeoutSeconds` of a task that waits for its token be an expression, as on AWS."""
    expect(stepfunctions, "_apply_jsonata_template")
    seconds: contextvars.ContextVar[float] = contextvars.ContextVar("seconds")

    def apply(state_def: dict[str, Any], raw_input: Any, ctx: Any = None) -> Any:
        if isinstance(state_def.get("TimeoutSeconds"), str):
            seconds.set(stepfunctions._apply_jsonata_template(state_def["TimeoutSeconds"], raw_input, ctx))
        return arguments(state_def, raw_input, ctx)

    def call_back(resource: str, input_data: Any, token: str, state_def: dict[str, Any]) -> Any:
        timeout = {"TimeoutSeconds": seconds.get()} if isinstance(state_def.get("TimeoutSeconds"), str) else {}
        return invoke(resource, input_data, token, state_def | timeout)

    arguments = replace(stepfunctions, "_apply_jsonata_arguments", apply, "state_def", "raw_input", "ctx")
    invoke = replace(
        stepfunctions, "_invoke_with_callback", call_back, *("resource", "input_data", "token", "state_def")
    )


def _start(start: Any, data: dict[str, Any]) -> Any:
    name = data.get("name")
    if name is not None and not _LEGAL_NAME.fullmatch(name):
        return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
    machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
    if machine and name:
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        running = stepfunctions._executions.get(arn)
        if running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
            return json_response({"executionArn": arn, "startDate": running["startDate"]})
    return start(data)


def _run_in_time(run: Any, exec_arn: str) -> None:
    execution = stepfunctions._executions.get(exec_arn)
    seconds = _timeout_of(execution) if execution else None
    if seconds is None:
        return run(exec_arn)
    scope = contextvars.copy_context()
    clock = threading.Timer(seconds, scope.run, (_time_out, execution))
    clock.daemon = True
    clock.start()
    try:
        return run(exec_arn)
    finally:
        clock.cancel()


def _timeout_of(execution: dict[str, Any]) -> float | None:
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
    try:
        definition = json.loads(machine["definition"]) if machine else {}
    except ValueError:
        return None  # the execution itself fails of this
    seconds = definition.get("TimeoutSeconds")
    return seconds if isinstance(seconds, int | float) else None


def _time_out(execution: dict[str, Any]) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["stopDate"] = now_iso()
    stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    stepfunctions._emit_execution_status_event(execution)
