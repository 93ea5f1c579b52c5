"""Executions of the state machine."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import client, error_code


def start(state_machine_arn: str, name: str, document: Mapping[str, Any]) -> bool:
    """Start an execution; False when one of that name exists, running or closed."""
    try:
        client("stepfunctions").start_execution(
            stateMachineArn=state_machine_arn, name=name, input=json.dumps(document)
        )
    except ClientError as error:
        if error_code(error) == "ExecutionAlreadyExists":
            return False
        raise
    return True


def status(execution_arn: str) -> str:
    """Return an execution's status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, or GONE."""
    try:
        return str(describe(execution_arn)["status"])
    except NotFound:
        return "GONE"


def describe(execution_arn: str) -> dict[str, Any]:
    """Return an execution as DescribeExecution gives it. Raises NotFound."""
    try:
        return dict(client("stepfunctions").describe_execution(executionArn=execution_arn))
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            raise NotFound(f"there is no execution {execution_arn} (any more)") from error
        raise


def last_state(execution_arn: str) -> tuple[str, datetime, dict[str, Any]] | None:
    """Return the state that an execution entered last, when, and the document that it got."""
    pages = client("stepfunctions").get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, reverseOrder=True, PaginationConfig={"PageSize": 20}
    )  # fmt: skip
    for page in pages:
        for event in page["events"]:
            entered = event.get("stateEnteredEventDetails")
            if entered:
                return entered["name"], event["timestamp"], json.loads(entered.get("input") or "{}")
    return None


def ended(execution_arn: str) -> dict[str, str]:
    """Return an execution's status, and what it put out, as far as it did: `{"status", "outcome", "reason"}`.

    Raises NotFound.
    """
    found = describe(execution_arn)
    output = json.loads(found.get("output") or "{}")
    reason = output.get("reason") or found.get("cause") or "it put out nothing"
    return {"status": str(found["status"]), "outcome": output.get("outcome", ""), "reason": reason}


def wake(token: str) -> None:
    """Let a task that waits for this token go on; one that does so already is left alone."""
    try:
        client("stepfunctions").send_task_success(taskToken=token, output="{}")
    except ClientError as error:
        if error_code(error) not in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
            raise
