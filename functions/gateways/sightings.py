"""What was just read of a deployment, for the next task of the same execution, in the RolloutTable.

| pk | sk | holds |
|---|---|---|
| `service#ARN` | `seen#EXECUTION` | it, its PRIMARY deployment's revision and that one's tags, and when that was |

ECS answers all readers of an account together so many times a second; a table has no such limit. The document of an
execution is no place for it: it is kept for 90 days, and a task definition may hold what not everybody is to read.
"""

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateways.clients import client
from gateways.table import Table, expiry, key

_KEEP = timedelta(hours=1)
Sighting = tuple[dict[str, Any], dict[str, Any], dict[str, str]]


class Sightings(Table):
    """What was seen, in the table of that name."""

    def keep(
        self, execution: str, service: Mapping[str, Any], revision: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Keep a service, its revision and that one's tags for an execution (its name), read just now."""
        seen = {"service": {k: v for k, v in service.items() if k != "events"}, "revision": revision, "tags": tags}
        text, at = json.dumps(seen, default=str), str(int(time.time()))
        self._put({**_key(service["serviceArn"], execution), "seen": {"S": text}, "at": {"N": at}, **expiry(_KEEP)})

    def seen(self, service_arn: str, execution: str, not_before: float) -> Sighting | None:
        """Return what was kept, unless it was read before a time (seconds since the epoch)."""
        item = self._get(_key(service_arn, execution))
        if item is None or int(item["at"]["N"]) < not_before:
            return None
        seen = json.loads(item["seen"]["S"])
        return seen["service"], seen["revision"], seen["tags"]

    def forget(self, service_arn: str, execution: str) -> None:
        """Forget it: it is about to be true no more, or nobody needs it."""
        client("dynamodb").delete_item(TableName=self._name, Key=_key(service_arn, execution))


def _key(service_arn: str, execution: str) -> dict[str, Any]:
    return key(f"service#{service_arn}", f"seen#{execution}")
