"""CloudWatch metrics, read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import Refused
from gateways.clients import client, error_code, or_busy

_AT_ONCE = 500
_NOT_UNDERSTOOD = ("ValidationError", "InvalidParameter", "MissingParameter", "MissingRequiredParameter")
"""How the codes of such errors begin: protocols end them differently."""


@or_busy
def read_metrics(queries: Sequence[dict[str, Any]], start: float, end: float) -> dict[str, list[tuple[float, float]]]:
    """Read metrics between two times (seconds since the epoch) by GetMetricData.

    Returns query id → points, each the beginning of its period and its value; ids without data are missing. CloudWatch
    takes the start down to the whole minute. Raises Refused when CloudWatch does not understand a query.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for first in range(0, len(queries), _AT_ONCE):
        try:
            pages = list(
                client("cloudwatch").get_paginator("get_metric_data").paginate(
                    MetricDataQueries=list(queries[first : first + _AT_ONCE]),
                    StartTime=datetime.fromtimestamp(start, UTC),
                    EndTime=datetime.fromtimestamp(end, UTC),
                )
            )  # fmt: skip
        except ClientError as error:
            if error_code(error).startswith(_NOT_UNDERSTOOD):
                raise Refused(f"CloudWatch does not understand the queries of the policy's checks: {error}") from error
            raise
        for result in (each for page in pages for each in page["MetricDataResults"]):
            if result["Values"]:
                times = [time.timestamp() for time in result["Timestamps"]]
                found.setdefault(result["Id"], []).extend(zip(times, result["Values"], strict=True))
    return found
