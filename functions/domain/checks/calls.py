"""What one check slice asks of AWS, for the cost of a policy."""

from collections.abc import Sequence

from domain.checks.kinds import AlarmCheck, Check


def calls(checks: Sequence[Check]) -> dict[str, int]:
    """Count what one slice of checks asks of AWS: metrics read by GetMetricData, DescribeAlarms, hooks invoked.

    >>> from domain.checks.parsing import parse_checks
    >>> calls(parse_checks([{"alarm": "a"}, {"alarm": "b"}]))
    {'GetMetricData metrics': 0, 'DescribeAlarms': 1, 'Invoke': 0}
    """
    alarms = sum(isinstance(check, AlarmCheck) for check in checks)
    return {"GetMetricData metrics": 0, "DescribeAlarms": min(1, alarms), "Invoke": 0}
