"""From a check's JSON to a check."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.checks.kinds import AlarmCheck, Check
from domain.errors import InvalidPolicy

_COMMON = {"name", "dryRun", "onNoData"}
_KINDS = {"alarm": {"alarm"}}
ON_NO_DATA = ("pass", "hold", "fail")


def parse_checks(documents: Sequence[Any]) -> tuple[Check, ...]:
    """Understand a policy's checks. Raises InvalidPolicy, naming the field."""
    return tuple(parse_check(document, f"checks[{index}]") for index, document in enumerate(documents))


def parse_check(value: Any, where: str) -> Check:
    """Understand one check.

    >>> parse_check({"alarm": "serviceb-5xx"}, "checks[0]").alarm
    'serviceb-5xx'

    Raises InvalidPolicy, naming the field.
    """
    if not isinstance(value, dict):
        raise InvalidPolicy(f"{where}: {value!r} is not an object")
    kinds = [kind for kind in _KINDS if kind in value]
    if len(kinds) != 1:
        raise InvalidPolicy(f"{where}: {value!r} is not one check; it has exactly one of {', '.join(_KINDS)}")
    (kind,) = kinds
    for field in value:
        if field not in _COMMON | _KINDS[kind]:
            known = ", ".join(sorted(_COMMON | _KINDS[kind]))
            raise InvalidPolicy(f"{where}.{field}: not known here; known are {known}")
    return _alarm(value, where)


def _common(value: Mapping[str, Any], where: str, name: str) -> dict[str, Any]:
    named, dry_run, on_no_data = value.get("name", name), value.get("dryRun", False), value.get("onNoData")
    if not isinstance(named, str) or not named:
        raise InvalidPolicy(f"{where}.name: {named!r} is not a name")
    if not isinstance(dry_run, bool):
        raise InvalidPolicy(f"{where}.dryRun: {dry_run!r} is neither true nor false")
    if on_no_data not in (None, *ON_NO_DATA):
        raise InvalidPolicy(f"{where}.onNoData: {on_no_data!r} is not one of {', '.join(ON_NO_DATA)}")
    return {"name": named, "dry_run": dry_run, "on_no_data": on_no_data, "document": value}


def _alarm(value: Mapping[str, Any], where: str) -> AlarmCheck:
    alarm = value["alarm"]
    if not isinstance(alarm, str) or not alarm:
        raise InvalidPolicy(f"{where}.alarm: {alarm!r} is not the name of a CloudWatch alarm")
    return AlarmCheck(**_common(value, where, alarm), alarm=alarm)
