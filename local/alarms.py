"""Alarms on the metric that they name: the emulator adds up all series of a name, whatever their dimensions."""

from types import FunctionType
from typing import Any

from ministack.services import cloudwatch

from local.patching import expect, replace


def install() -> None:
    """Let an alarm see the series of its own dimensions only, as CloudWatch does."""
    expect(cloudwatch, "_metrics")
    key_of = expect(cloudwatch, "_dims_key", "dims")
    original = expect(cloudwatch, "_evaluate_alarm", "alarm")

    def evaluate(alarm: dict[str, Any]) -> None:
        own = key_of({each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])})
        metrics = {key: points for key, points in list(cloudwatch._metrics.items()) if key[2] == own}
        # The same code, for which there is nothing but these metrics.
        seeing = FunctionType(original.__code__, {**vars(cloudwatch), "_metrics": metrics}, original.__name__)
        seeing(alarm)

    replace(cloudwatch, "_evaluate_alarm", evaluate, "alarm")
