"""What is shared with this account and was seen before, in the RolloutTable; two kinds of it.

| pk | sk | holds |
|---|---|---|
| `meshes` | `NAME@OWNER` | a mesh's card (gateways/remembered.py) |
| `networks` | ARN | a service network of VPC Lattice: by VPC, what became of its association, and its id |

Both hold `missedAt` when the last look found them in no share: since when.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from gateways.clients import client, error_code
from gateways.table import Table, key, now

MESHES, NETWORKS = "meshes", "networks"
Vpcs = dict[str, dict[str, str]]
"""By VPC: `{"outcome", "association"}`."""


class Shared(Table):
    """What was seen, in the table of that name."""

    def known(self, kind: str) -> dict[str, datetime | None]:
        """Name what is known of a kind, with the time since when no look has found it shared."""
        items = {item["sk"]["S"]: item.get("missedAt") for item in self._query(kind)}
        return {name: datetime.fromisoformat(missed["S"]) if missed else None for name, missed in items.items()}

    def miss(self, kind: str, name: str) -> None:
        """Note that a look did not find it shared."""
        self._update(kind, name, "SET missedAt = :now", {":now": {"S": now()}})

    def find_again(self, kind: str, name: str) -> None:
        """Note that it is shared after all."""
        self._update(kind, name, "REMOVE missedAt")

    def forget(self, kind: str, name: str) -> None:
        """Forget what is not shared any more."""
        client("dynamodb").delete_item(TableName=self._name, Key=key(kind, name))

    def network(self, arn: str) -> Vpcs | None:
        """Return what became of a network's associations; None when it was never seen."""
        item = self._get(key(NETWORKS, arn))
        found: Vpcs | None = json.loads(item["value"]["S"]) if item else None
        return found

    def remember_network(self, arn: str, vpcs: Vpcs) -> None:
        """Remember a network, with what became of its associations."""
        self._put({**key(NETWORKS, arn), "value": {"S": json.dumps(vpcs)}, "at": {"S": now()}})

    def _update(self, kind: str, name: str, change: str, values: Mapping[str, Any] | None = None) -> None:
        more = {"ExpressionAttributeValues": values} if values else {}
        try:
            client("dynamodb").update_item(
                TableName=self._name,
                Key=key(kind, name),
                UpdateExpression=change,
                ConditionExpression="attribute_exists(pk)",
                **more,
            )
        except ClientError as error:  # forgotten meanwhile
            if error_code(error) != "ConditionalCheckFailedException":
                raise
