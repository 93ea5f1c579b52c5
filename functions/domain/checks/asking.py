"""What all checks of a policy ask for together, and what a slice of them asks of AWS."""

from collections.abc import Iterable, Sequence

from domain.checks.hook import HookCheck
from domain.checks.kinds import AlarmCheck, Check, Query, Series, Watch

_ANY = Watch("", "", "", ("",), {}, 0, False, 0, 0, 0, "", "", "")
"""One stable node, as where one version takes the place of another."""


def hour_queries(checks: Sequence[Check], watch: Watch) -> list[Query]:
    """List what to read of the last hour, each metric once."""
    return _once(query for check in checks for query in check.hour_queries(watch))


def step_queries(checks: Sequence[Check], watch: Watch, hour: Series) -> list[Query]:
    """List what to read of the time since the step began, each metric once."""
    return _once(query for check in checks for query in check.step_queries(watch, hour))


def calls(checks: Sequence[Check]) -> dict[str, int]:
    """Count what one slice of checks asks of AWS at the most, with one stable node.

    GetMetricData costs by the metric that is read, expressions are free.

    >>> from domain.checks.parsing import parse_checks
    >>> calls(parse_checks([{"alarm": "a"}, {"alarm": "b"}, {"envoy": "errorRate", "above": 0.01}]))
    {'GetMetricData metrics': 4, 'DescribeAlarms': 1, 'Invoke': 0}
    """
    hour = {"envoy_p99_0": ((0.0, 1.0),)}
    queries = hour_queries(checks, _ANY) + step_queries(checks, _ANY, hour)
    return {
        "GetMetricData metrics": sum("MetricStat" in query for query in queries),
        "DescribeAlarms": int(any(isinstance(check, AlarmCheck) for check in checks)),
        "Invoke": sum(isinstance(check, HookCheck) for check in checks),
    }


def _once(queries: Iterable[Query]) -> list[Query]:
    return list({query["Id"]: query for query in queries}.values())
