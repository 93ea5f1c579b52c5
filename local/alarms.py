"""Alarms on local AWS: the emulator evaluates an alarm on all metrics of its name, whatever their dimensions."""

import types
from typing import Any

from ministack.services import cloudwatch

from local.patching import expect, replace


def install() -> None:
    """Let an alarm see the metrics of its own dimensions only."""
    expect(cloudwatch, "_metrics")
    expect(cloudwatch, "_dims_key", "dims")
    expect(cloudwatch, "_dims_from_list", "dimensions")

    def evaluate(alarm: dict[str, Any]) -> None:
        wanted = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
        own = {key: points for key, points in list(cloudwatch._metrics.items()) if key[2] == wanted}
        # The emulator's own evaluation, with these in the place of all metrics.
        types.FunctionType(original.__code__, {**vars(cloudwatch), "_metrics": own})(alarm)

    original = replace(cloudwatch, "_evaluate_alarm", evaluate, "alarm")
