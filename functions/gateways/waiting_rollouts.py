"""Rollouts that wait: for the virtual service that another one holds, or for a candidate that is not fit yet.

| pk | sk | holds |
|---|---|---|
| `waiting-rollouts` | `MESH#NAME#EXECUTION` | what waits and why, and the last signal for it |

A line that is not renewed in time is none: its execution has ended some other way.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import NotFound
from domain.operations import ABORT, Signal
from gateways.clients import client, error_code
from gateways.table import Table, key

_PARTITION = "waiting-rollouts"
_LATE_SECONDS = 300


class WaitingRollouts(Table):
    """What waits, in the table of that name."""

    def wait(
        self, mesh: str, virtual_service: str, execution: str, document: Mapping[str, Any], wait_seconds: int
    ) -> None:
        """Note that an execution waits; `document` is `{"service", "cluster", "deployment", "reason"}`."""
        client("dynamodb").update_item(
            TableName=self._name,
            Key=_key(mesh, virtual_service, execution),
            UpdateExpression="SET document = :document, expiresAt = :expires",
            ExpressionAttributeValues={
                ":document": {"S": json.dumps(document)},
                ":expires": {"N": str(int(time.time()) + wait_seconds + _LATE_SECONDS)},
            },
        )

    def signal(self, mesh: str, virtual_service: str, execution: str) -> Signal | None:
        """Return the last signal for an execution that waits."""
        item = self._get(_key(mesh, virtual_service, execution))
        return _signal(item) if item else None

    def leave(self, mesh: str, virtual_service: str, execution: str) -> Signal | None:
        """Note that an execution waits no more; returns the last signal for it."""
        answer = client("dynamodb").delete_item(
            TableName=self._name, Key=_key(mesh, virtual_service, execution), ReturnValues="ALL_OLD"
        )
        return _signal(answer["Attributes"]) if "Attributes" in answer else None

    def waiting(self) -> list[dict[str, Any]]:
        """Return all that wait: `{"mesh", "virtualService", "execution", "document"}` each."""
        found = []
        for item in self._query(_PARTITION):
            mesh, virtual_service, execution = item["sk"]["S"].split("#", 2)
            if int(item["expiresAt"]["N"]) > time.time():
                document = json.loads(item["document"]["S"])
                found.append(
                    {"mesh": mesh, "virtualService": virtual_service, "execution": execution, "document": document}
                )
        return found

    def give_signal(self, mesh: str, virtual_service: str, execution: str, signal: Signal) -> None:
        """Leave a signal for an execution that waits; nothing takes the place of an abort.

        Raises NotFound when it waits no more, or is being aborted.
        """
        text = json.dumps({"id": signal.id, "name": signal.name, "by": signal.by})
        try:
            client("dynamodb").update_item(
                TableName=self._name,
                Key=_key(mesh, virtual_service, execution),
                UpdateExpression="SET #name = :signal",
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(aborted)",
                ExpressionAttributeNames={"#name": "aborted" if signal.name == ABORT else "signal"},
                ExpressionAttributeValues={":signal": {"S": text}},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            raise NotFound(f"the rollout of {virtual_service} waits no more, or is being aborted") from error


def _key(mesh: str, virtual_service: str, execution: str) -> dict[str, Any]:
    return key(_PARTITION, f"{mesh}#{virtual_service}#{execution}")


def _signal(item: Mapping[str, Any]) -> Signal | None:
    signal = item.get("aborted") or item.get("signal")
    return Signal(**json.loads(signal["S"])) if signal else None
