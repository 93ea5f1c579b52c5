"""What Meshift tells the world: events on the default bus, mail on the topic."""

import json
from collections.abc import Mapping
from typing import Any

from gateways.clients import client

_SUBJECT_LENGTH = 100


def put_event(detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
    """Put one event of source `meshift` on the default bus.

    Raises RuntimeError when EventBridge did not take it: PutEvents answers 200 all the same.
    """
    entry = {
        "Source": "meshift",
        "DetailType": detail_type,
        "Resources": resources,
        "Detail": json.dumps(detail),
    }
    answer = client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge did not take the event: {answer['Entries'][0].get('ErrorCode')}")


def notify(topic_arn: str, subject: str, message: Mapping[str, Any]) -> None:
    """Publish a message to people; SNS takes subjects of 100 printable characters."""
    text = json.dumps(message, indent=2, sort_keys=True)
    client("sns").publish(TopicArn=topic_arn, Subject=subject[:_SUBJECT_LENGTH], Message=text)
