"""The door for `aws.*` events: PutEvents refuses them, as on AWS, so they come in here.

An event goes through the rules of its own account and Region, with id, time and everything else kept.
"""

import json
import logging
import queue
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from ministack.core import responses
from ministack.services import eventbridge

from local.patching import expect

NEEDED = {"id": str, "source": str, "detail-type": str, "account": str, "time": str, "region": str}

log = logging.getLogger("meshift.events")
_waiting: "queue.Queue[dict[str, Any]]" = queue.Queue()


class UnusableEvent(ValueError):
    """What was given is not a full EventBridge event."""


def install() -> None:
    """Check that the emulator's dispatcher is the expected one and start announcing."""
    expect(eventbridge, "_dispatch_event", "event")
    threading.Thread(target=_announce_waiting, daemon=True, name="meshift-events").start()


def deliver(event: dict[str, Any]) -> None:
    """Send a full EventBridge event through the rules of its account's default bus."""
    check(event)
    with responses.request_scope(event["account"], event["region"]):
        eventbridge._dispatch_event(
            {
                "EventId": event["id"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "EventBusName": "default",
                "Time": event["time"],
                "Resources": event.get("resources", []),
                "Account": event["account"],
                "Region": event["region"],
            }
        )


def announce(
    account: str, region: str, source: str, detail_type: str, resources: list[str], detail: dict[str, Any]
) -> None:
    """Queue an event of a service: delivered in order, a moment later, and never under the caller's locks."""
    _waiting.put(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": account,
            "time": now(),
            "region": region,
            "resources": resources,
            "detail": detail,
        }
    )


def check(event: Any) -> None:
    """Raise UnusableEvent with the first thing that keeps this from being an event."""
    if not isinstance(event, dict):
        raise UnusableEvent(f"an event is a JSON object, this is {type(event).__name__}")
    for field, kind in NEEDED.items():
        if field not in event:
            raise UnusableEvent(f'the event has no "{field}"')
        if not isinstance(event[field], kind) or not event[field]:
            raise UnusableEvent(f'the event\'s "{field}" must be a text that is not empty')
    if not (len(event["account"]) == 12 and event["account"].isdigit()):
        raise UnusableEvent(f'the event\'s "account" must have 12 digits, not {event["account"]!r}')
    if not isinstance(event.get("detail"), dict):
        raise UnusableEvent('the event has no "detail" object')
    if not isinstance(event.get("resources", []), list):
        raise UnusableEvent('the event\'s "resources" must be a list')


def now() -> str:
    """The present time as AWS writes it in events."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _announce_waiting() -> None:
    while True:
        event = _waiting.get()
        try:
            deliver(event)
        except Exception:  # the queue must go on; what went wrong stands in the log
            log.exception("could not deliver %s", event)
