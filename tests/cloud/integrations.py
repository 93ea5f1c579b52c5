"""Calls of AWS that a state machine makes by itself, without a function."""

import json
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from gateways.clients import client
from tests.asl import TaskFailed
from tests.cloud.faults import Killed


def integrated(resource: str, arguments: dict[str, Any]) -> Any:
    """Make the call of a resource such as `arn:aws:states:::sns:publish`; errors are told as Step Functions does."""
    service, operation = resource.split(":")[-2:]
    try:
        return getattr(client(service), xform_name(operation))(**_texts(arguments))
    except ClientError as error:
        raise TaskFailed(f"{service}.{error.response['Error']['Code']}", str(error)) from error
    except (BotoCoreError, Killed) as error:
        raise TaskFailed("States.TaskFailed", str(error)) from error


def _texts(arguments: dict[str, Any]) -> dict[str, Any]:
    """Write the details of events as the texts that EventBridge takes."""
    entries = [{**each, "Detail": json.dumps(each["Detail"])} for each in arguments.get("Entries", ())]
    return {**arguments, "Entries": entries} if entries else arguments
