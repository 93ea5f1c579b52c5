"""What the checks of a policy need to know, gathered in as few calls as possible."""

from collections.abc import Sequence

from domain.checks import AlarmCheck, Check, Result
from domain.errors import Refused
from gateways import alarms


def run_checks(checks: Sequence[Check]) -> list[Result]:
    """Ask once for all checks of a policy."""
    return _alarms(checks, _states(checks))


def refuse_missing(checks: Sequence[Check]) -> list[Result]:
    """Refuse checks that ask for what does not exist; returns what those say that can tell before the first shift.

    Raises Refused.
    """
    states = _states(checks)
    unknown = sorted({check.alarm for check in checks if isinstance(check, AlarmCheck)} - set(states))
    if unknown:
        raise Refused(f"the rollout policy names CloudWatch alarms that do not exist: {', '.join(unknown)}")
    return _alarms(checks, states)


def _states(checks: Sequence[Check]) -> dict[str, str]:
    return alarms.read_states(sorted({check.alarm for check in checks if isinstance(check, AlarmCheck)}))


def _alarms(checks: Sequence[Check], states: dict[str, str]) -> list[Result]:
    return [check.judge(states.get(check.alarm)) for check in checks if isinstance(check, AlarmCheck)]
