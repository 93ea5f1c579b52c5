"""The one DynamoDB table behind `RolloutTable` and `Remembered`: items by `pk` and `sk`, consistent reads."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from gateways.clients import client, error_code

KEEP = timedelta(days=400)


class Table:
    """A table, by its name."""

    def __init__(self, name: str) -> None:
        """Name the table."""
        self._name = name

    def _get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        item: dict[str, Any] | None = (
            client("dynamodb").get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        )
        return item

    def _put(self, item: Mapping[str, Any]) -> None:
        client("dynamodb").put_item(TableName=self._name, Item=item)

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

    def _query(self, pk: str) -> list[dict[str, Any]]:
        pages = client("dynamodb").get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
        )  # fmt: skip
        return [item for page in pages for item in page["Items"]]


def key(pk: str, sk: str) -> dict[str, Any]:
    """Return an item's key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def now() -> str:
    """Return the present time as ISO 8601, to the microsecond: it orders lines of history."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def expiry(keep: timedelta) -> dict[str, Any]:
    """Return the attribute by which DynamoDB removes an item by itself."""
    return {"expiresAt": {"N": str(int((datetime.now(UTC) + keep).timestamp()))}}
