"""AWS Lambda: who may call a function by its URL, in its resource policy."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from gateways.clients import client, error_code


def read_policy(function: str) -> dict[str, Any]:
    """Return a function's resource policy, parsed; empty when it has none."""
    try:
        policy: dict[str, Any] = json.loads(client("lambda").get_policy(FunctionName=function)["Policy"])
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return {}
    return policy


def add(function: str, permission: Mapping[str, Any]) -> None:
    """Add a permission, in the words of AddPermission."""
    client("lambda").add_permission(FunctionName=function, **permission)


def remove(function: str, statement: str) -> None:
    """Remove a permission by its statement's id; one that is gone already is fine."""
    try:
        client("lambda").remove_permission(FunctionName=function, StatementId=statement)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
