"""A sweep: its message means no more than "look", so one stuck item holds up no other and all come again."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from observability import logger

Item = Mapping[str, Any]


def sweep(event: Mapping[str, Any], items: Iterable[Item], act: Callable[[Any], None], key: str) -> dict[str, Any]:
    """Act on each item; answer that the batch is to come again when one failed. `key` names an item in the log."""
    failed = False
    for item in items:
        try:
            act(item)
        except Exception:  # noqa: BLE001 - logged; the others must not wait for it, and the batch comes again
            logger.exception("An item of the sweep failed", item=item[key])
            failed = True
    again = event.get("Records", []) if failed else []
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in again]}
