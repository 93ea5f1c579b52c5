"""RolloutTable: claims, history and decisions; one DynamoDB table with `pk` and `sk`.

| pk | sk | holds |
|---|---|---|
| `deployment#SERVICE#ID` | `claim` | the attempt whose execution works on this deployment |
| `claims` | `virtualService#MESH#NAME` | the one execution that may write these weights, and its plan |
| `virtualService#MESH#NAME` | `history#TIME#WHAT` | every plan with its snapshot, every weight written, every outcome |
| `service#ARN` | `rolled-back` | the deployment by which ECS went back to an earlier revision |
| `service#ARN` | `finished` | the application that carries all the traffic, or did last |
| `invitation#ARN` | `decision` | what became of an invitation |
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import ClaimHeld
from gateways.clients import client, error_code

_KEEP = timedelta(days=400)
_KEEP_CLAIM = timedelta(days=91)


class RolloutTable:
    """The table, by its name."""

    def __init__(self, name: str) -> None:
        """Name the table."""
        self._name = name

    def claim_deployment(self, service_arn: str, deployment: str) -> int:
        """Claim a deployment once and return the number of its present attempt; the first is 1."""
        key = _key(f"deployment#{service_arn}#{deployment}", "claim")
        item = {**key, "attempt": {"N": "1"}, **_expiry(_KEEP_CLAIM)}
        found = self._put_if_absent(item)
        return int((found or item)["attempt"]["N"])

    def claim_virtual_service(self, mesh: str, virtual_service: str, execution: str) -> None:
        """Claim a virtual service for an execution.

        Raises ClaimHeld when another has it, dead or alive: what a dead one left behind is recovery's business first.
        """
        item = {**_claim_key(mesh, virtual_service), "execution": {"S": execution}, "at": {"S": _now()}}
        found = self._put_if_absent(item)
        if found and found["execution"]["S"] != execution:
            holder = found["execution"]["S"].rpartition(":")[2]
            raise ClaimHeld(f"{virtual_service} is in the hands of execution {holder}")

    def keep_plan(self, mesh: str, virtual_service: str, execution: str, document: Mapping[str, Any]) -> None:
        """Keep what recovery needs with the claim, before the first weight is written."""
        self._update_claim(mesh, virtual_service, execution, "document", {"S": json.dumps(document)})

    def fence(self, mesh: str, virtual_service: str, execution: str) -> dict[str, Any]:
        """Take from a dead execution, whose last function may still run, the right to write weights.

        Returns the claim as it is then; nothing can be added to it any more.
        """
        return _claim(self._update_claim(mesh, virtual_service, execution, "fenced", {"BOOL": True}))

    def holds(self, mesh: str, virtual_service: str, execution: str) -> bool:
        """Say whether an execution may write this virtual service's weights."""
        item = self._get(_claim_key(mesh, virtual_service))
        return bool(item and item["execution"]["S"] == execution and "fenced" not in item)

    def claims(self) -> list[dict[str, Any]]:
        """Return all claims of virtual services: `{"mesh", "virtualService", "execution", "document"}` each.

        The document is None before there is a plan.
        """
        pages = client("dynamodb").get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :claims",
            ExpressionAttributeValues={":claims": {"S": "claims"}},
            ConsistentRead=True,
        )  # fmt: skip
        return [_claim(item) for page in pages for item in page["Items"]]

    def release_virtual_service(self, mesh: str, virtual_service: str, execution: str) -> None:
        """Give a claim back; one that is another's by now is left alone."""
        try:
            client("dynamodb").delete_item(
                TableName=self._name,
                Key=_claim_key(mesh, virtual_service),
                ConditionExpression="attribute_not_exists(pk) OR execution = :execution",
                ExpressionAttributeValues={":execution": {"S": execution}},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def record(self, mesh: str, virtual_service: str, execution: str, what: str, document: Mapping[str, Any]) -> None:
        """Add a line to a virtual service's history."""
        key = _key(f"virtualService#{mesh}#{virtual_service}", f"history#{_now()}#{what}")
        self._put({**key, "execution": {"S": execution}, "document": {"S": json.dumps(document)}, **_expiry(_KEEP)})

    def remember_rolled_back(self, service_arn: str, deployment: str) -> None:
        """Remember the deployment by which ECS took a service back to an earlier revision."""
        self._remember(f"service#{service_arn}", "rolled-back", deployment)

    def rolled_back(self, service_arn: str) -> str | None:
        """Return the deployment by which ECS last took a service back."""
        return self._remembered(f"service#{service_arn}", "rolled-back")

    def remember_finished(self, service_arn: str, application: str) -> None:
        """Remember the application (its fingerprint) that a service's node carries all the traffic with."""
        self._remember(f"service#{service_arn}", "finished", application)

    def finished(self, service_arn: str) -> str | None:
        """Return the application that a service's node last carried all the traffic with."""
        return self._remembered(f"service#{service_arn}", "finished")

    def invitation(self, invitation_arn: str) -> str | None:
        """Return what became of an invitation, as far as is known."""
        return self._remembered(f"invitation#{invitation_arn}", "decision")

    def remember_invitation(self, invitation_arn: str, decision: str, reason: str) -> None:
        """Remember what became of an invitation, and why."""
        self._remember(f"invitation#{invitation_arn}", "decision", decision, reason={"S": reason}, **_expiry(_KEEP))

    def _remember(self, pk: str, sk: str, value: str, **more: Any) -> None:
        self._put({**_key(pk, sk), "value": {"S": value}, "at": {"S": _now()}, **more})

    def _remembered(self, pk: str, sk: str) -> str | None:
        item = self._get(_key(pk, sk))
        return str(item["value"]["S"]) if item else None

    def _get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        item: dict[str, Any] | None = (
            client("dynamodb").get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        )
        return item

    def _put(
        self, item: Mapping[str, Any], condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> None:
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = values
        client("dynamodb").put_item(TableName=self._name, Item=item, **more)

    def _put_if_absent(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Put an item, or return the one that is there."""
        try:
            client("dynamodb").put_item(
                TableName=self._name,
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            found: dict[str, Any] = error.response["Item"]  # type: ignore[typeddict-item]
            return found
        return None

    def _update_claim(
        self, mesh: str, virtual_service: str, execution: str, name: str, value: Mapping[str, Any]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = client("dynamodb").update_item(
            TableName=self._name,
            Key=_claim_key(mesh, virtual_service),
            UpdateExpression="SET #name = :value",
            ConditionExpression="execution = :execution AND (attribute_not_exists(fenced) OR #name = :value)",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": value, ":execution": {"S": execution}},
            ReturnValues="ALL_NEW",
        )
        return dict(answer["Attributes"])


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _claim_key(mesh: str, virtual_service: str) -> dict[str, Any]:
    return _key("claims", f"virtualService#{mesh}#{virtual_service}")


def _claim(item: Mapping[str, Any]) -> dict[str, Any]:
    _, mesh, virtual_service = item["sk"]["S"].split("#", 2)
    document = json.loads(item["document"]["S"]) if "document" in item else None
    return {
        "mesh": mesh,
        "virtualService": virtual_service,
        "execution": item["execution"]["S"],
        "document": document,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _expiry(keep: timedelta) -> dict[str, Any]:
    return {"expiresAt": {"N": str(int((datetime.now(UTC) + keep).timestamp()))}}
