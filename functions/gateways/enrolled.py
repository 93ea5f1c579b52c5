"""The services that were enrolled once, in the RolloutTable, so that a sweep finds tags that changed.

| pk | sk | holds |
|---|---|---|
| `enrolled` | SERVICE | the tags that were last acted on, what it joined as, the revision without its sidecar |
"""

import json
from collections.abc import Mapping
from typing import Any

from domain.leaving import Known
from gateways.clients import client
from gateways.table import KEEP, Table, expiry, key


class Enrolled(Table):
    """What is known of those services, in the table of that name."""

    def known(self, service_arn: str) -> Known | None:
        """Return what is known of one service."""
        item = self._get(_key(service_arn))
        return _known(item) if item else None

    def all(self) -> list[Known]:
        """Return what is known of all services."""
        return [_known(item) for item in self._query("enrolled")]

    def remember(self, service_arn: str, tags: str, subject: Mapping[str, Any] | None = None) -> None:
        """Remember the tags that were acted on, and what the service joined as by them; without, what it was stays."""
        if subject is None:
            self._set(service_arn, "SET tags = :tags", {":tags": {"S": tags}})
            return
        values = {":tags": {"S": tags}, ":subject": {"S": json.dumps(subject)}}
        self._set(
            service_arn, "SET tags = :tags, subject = :subject REMOVE #left, expiresAt", values, {"#left": "left"}
        )

    def remember_removed(self, service_arn: str, revision: str, execution: str) -> None:
        """Remember the revision (ARN) without a sidecar that an execution is about to deploy."""
        values = {":revision": {"S": revision}, ":execution": {"S": execution}}
        self._set(service_arn, "SET removed = :revision, removedBy = :execution", values)

    def remember_left(self, service_arn: str) -> None:
        """Remember that a service has left; after a long time it is forgotten."""
        values = {":true": {"BOOL": True}, ":expires": expiry(KEEP)["expiresAt"]}
        self._set(service_arn, "SET #left = :true, expiresAt = :expires", values, {"#left": "left"})

    def forget(self, service_arn: str) -> None:
        """Forget a service that does not exist any more."""
        client("dynamodb").delete_item(TableName=self._name, Key=_key(service_arn))

    def _set(
        self, service_arn: str, expression: str, values: Mapping[str, Any], names: Mapping[str, str] | None = None
    ) -> None:
        client("dynamodb").update_item(
            TableName=self._name,
            Key=_key(service_arn),
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            **({"ExpressionAttributeNames": names} if names else {}),
        )


def _key(service_arn: str) -> dict[str, Any]:
    return key("enrolled", service_arn)


def _known(item: Mapping[str, Any]) -> Known:
    return Known(
        service=item["sk"]["S"],
        tags=item["tags"]["S"] if "tags" in item else "",
        subject=json.loads(item["subject"]["S"]) if "subject" in item else None,
        removed=item["removed"]["S"] if "removed" in item else None,
        removed_by=item["removedBy"]["S"] if "removedBy" in item else None,
        left="left" in item,
    )
