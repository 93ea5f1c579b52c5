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


def announce_outcome(topic_arn: str, result: Mapping[str, Any], document: Mapping[str, Any], to_people: bool) -> None:
    """Tell how an execution ended; `document` names its service, deployment and execution."""
    about = {key: document[key] for key in ("service", "deployment", "execution")}
    put_event("Rollout State Change", [document["service"]], {**result, **about})
    if to_people:
        name = result["virtualNode"] or document["service"].rpartition("/")[2]
        notify(topic_arn, f"Meshift: {result['outcome']}, {name}", {**result, **about})


def notify(topic_arn: str, subject: str, message: Mapping[str, Any]) -> None:
    """Publish a message to people; SNS takes subjects of 100 printable characters."""
    text = json.dumps(message, indent=2, sort_keys=True)
    client("sns").publish(TopicArn=topic_arn, Subject=subject[:_SUBJECT_LENGTH], Message=text)
