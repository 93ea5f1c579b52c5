"""CloudWatch alarms."""

from collections.abc import Sequence

from gateways.clients import client, or_busy

_AT_ONCE = 100


@or_busy
def read_states(names: Sequence[str]) -> dict[str, str]:
    """Return the state of each alarm (metric or composite) that exists: OK, ALARM or INSUFFICIENT_DATA."""
    states: dict[str, str] = {}
    for start in range(0, len(names), _AT_ONCE):
        pages = client("cloudwatch").get_paginator("describe_alarms").paginate(
            AlarmNames=list(names[start : start + _AT_ONCE]), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )  # fmt: skip
        for page in pages:
            for alarm in [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]:
                states[alarm["AlarmName"]] = alarm["StateValue"]
    return states
