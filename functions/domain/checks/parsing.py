"""From a check's JSON to a check; each error names the field."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.checks.envoy import ERROR_RATE, P99, EnvoyCheck, ErrorRateCheck, P99Check
from domain.checks.hook import PREFIX, HookCheck
from domain.checks.kinds import AlarmCheck, Check
from domain.checks.metric import LONGEST_PERIOD, MetricCheck
from domain.errors import InvalidPolicy

MOST_CHECKS = 20
_MOST_QUERIES = 10
"""Per check, so that one GetMetricData call, which takes 500, holds those of all checks."""
_ON_NO_DATA = ("pass", "hold", "fail")
_ID = re.compile(r"[a-z][a-zA-Z0-9_]{0,60}")
_FUNCTION = re.compile(rf"(arn:[^:]+:lambda:[^:]+:\d{{12}}:function:)?({PREFIX}[a-zA-Z0-9-_]+)(:[a-zA-Z0-9$_-]+)?")
_SUBMINUTE = (1, 5, 10, 20, 30)
_ENOUGH = {ERROR_RATE: 50, P99: 100}


def parse_checks(documents: Sequence[Any]) -> tuple[Check, ...]:
    """Understand a policy's checks. Raises InvalidPolicy, naming the field."""
    if len(documents) > MOST_CHECKS:
        raise InvalidPolicy(f"checks: {len(documents)} are more than the {MOST_CHECKS} that a policy may have")
    return tuple(parse_check(document, number) for number, document in enumerate(documents))


def parse_check(value: Any, number: int) -> Check:
    """Understand one check, by its number in the policy.

    >>> parse_check({"alarm": "serviceb-5xx"}, 0).name
    'serviceb-5xx'

    Raises InvalidPolicy, naming the field.
    """
    where = f"checks[{number}]"
    fields = value if isinstance(value, dict) else {}
    kinds = [kind for kind in _KINDS if kind in fields]
    if len(kinds) != 1:
        raise InvalidPolicy(f"{where}: {value!r} is no check; it must have exactly one of {', '.join(_KINDS)}")
    known, parse = _KINDS[kinds[0]]
    _known(fields, where, {kinds[0], "name", "dryRun", "onNoData", *known})
    if not isinstance(fields.get("dryRun", False), bool):
        raise InvalidPolicy(f"{where}.dryRun: {fields['dryRun']!r} is neither true nor false")
    if fields.get("onNoData") not in (None, *_ON_NO_DATA):
        raise InvalidPolicy(f"{where}.onNoData: {fields['onNoData']!r} is not one of {', '.join(_ON_NO_DATA)}")
    if "name" in fields:
        _text(fields, "name", where, "a name")
    return parse(fields, where, number)


def _common(fields: Mapping[str, Any], number: int, name: str) -> dict[str, Any]:
    return {
        "number": number,
        "name": fields.get("name", name),
        "dry_run": fields.get("dryRun", False),
        "on_no_data": fields.get("onNoData"),
        "document": fields,
    }


def _alarm(fields: Mapping[str, Any], where: str, number: int) -> Check:
    alarm = _text(fields, "alarm", where, "the name of a CloudWatch alarm")
    return AlarmCheck(**_common(fields, number, alarm), alarm=alarm)


def _metric(fields: Mapping[str, Any], where: str, number: int) -> Check:
    inside = f"{where}.metric"
    metric = _object(fields["metric"], inside, {"expression", "queries", "periodSeconds"})
    queries = metric.get("queries")
    if not isinstance(queries, list) or not 1 <= len(queries) <= _MOST_QUERIES:
        raise InvalidPolicy(f"{inside}.queries: {queries!r} is not a list of 1 to {_MOST_QUERIES} queries")
    for place, query in enumerate(queries):
        _query(query, f"{inside}.queries[{place}]")
    ids = [query["Id"] for query in queries]
    for place, own in enumerate(ids):
        if own in ids[:place]:
            raise InvalidPolicy(f"{inside}.queries[{place}].Id: {own!r} is there twice")
    expression = _text(metric, "expression", inside, "an expression") if "expression" in metric else None
    if expression is None and len(queries) > 1:
        raise InvalidPolicy(f"{inside}.expression: with {len(queries)} queries it must say which value counts")
    period = metric.get("periodSeconds", 60)
    if not _is_whole(period) or not (period in _SUBMINUTE or (period % 60 == 0 and 60 <= period <= LONGEST_PERIOD)):
        raise InvalidPolicy(f"{inside}.periodSeconds: {period!r} is not 1, 5, 10, 20, 30 or a multiple of 60 to 3600")
    least, most = _number(fields, "min", where), _number(fields, "max", where)
    if least is None and most is None:
        raise InvalidPolicy(f"{where}.max: neither max nor min says what is allowed")
    return MetricCheck(
        **_common(fields, number, expression or f"{ids[0]}"),
        expression=expression,
        queries=tuple(queries),
        period=period,
        least=least,
        most=most,
        samples=_whole(fields, "samples", where, 0),
    )


def _query(value: Any, where: str) -> None:
    query = _object(value, where, {"Id", "MetricStat", "Expression", "Label", "AccountId"})
    if not isinstance(query.get("Id"), str) or not _ID.fullmatch(query["Id"]):
        raise InvalidPolicy(f"{where}.Id: {query.get('Id')!r} is not a small letter followed by letters, digits and _")
    if ("MetricStat" in query) == ("Expression" in query):
        raise InvalidPolicy(f"{where}: it must have exactly one of MetricStat, Expression")
    if "Expression" in query:
        _text(query, "Expression", where, "an expression")
        return
    stat = _object(query["MetricStat"], f"{where}.MetricStat", {"Metric", "Stat", "Unit"})
    _text(stat, "Stat", f"{where}.MetricStat", "a statistic")
    inside = f"{where}.MetricStat.Metric"
    metric = _object(stat.get("Metric"), inside, {"Namespace", "MetricName", "Dimensions"})
    _text(metric, "Namespace", inside, "a namespace")
    _text(metric, "MetricName", inside, "a metric's name")
    dimensions = metric.get("Dimensions", [])
    if not isinstance(dimensions, list):
        raise InvalidPolicy(f"{inside}.Dimensions: {dimensions!r} is not a list")
    for place, dimension in enumerate(dimensions):
        at = f"{inside}.Dimensions[{place}]"
        for name in ("Name", "Value"):
            _text(_object(dimension, at, {"Name", "Value"}), name, at, "a text")


def _envoy(fields: Mapping[str, Any], where: str, number: int) -> Check:
    what = fields["envoy"]
    if what not in (ERROR_RATE, P99):
        raise InvalidPolicy(f"{where}.envoy: {what!r} is not one of {ERROR_RATE}, {P99}")
    most, above = _number(fields, "max", where), _number(fields, "above", where)
    if most is None and above is None:
        raise InvalidPolicy(f"{where}.max: neither max nor above says what is allowed")
    if what == ERROR_RATE:
        for name, value in (("max", most), ("above", above)):
            if value is not None and not 0 <= value < 1:
                raise InvalidPolicy(f"{where}.{name}: {value!r} is not a share from 0 to 1")
    if what == P99 and most is not None and most <= 0:
        raise InvalidPolicy(f"{where}.max: {most!r} is not a number of milliseconds above 0")
    if what == P99 and above is not None and above < 1:
        raise InvalidPolicy(f"{where}.above: {above!r} is not a ratio of at least 1")
    kind: type[EnvoyCheck] = ErrorRateCheck if what == ERROR_RATE else P99Check
    requests = _whole(fields, "requests", where, _ENOUGH[what])
    return kind(**_common(fields, number, what), most=most, above=above, requests=requests)


def _hook(fields: Mapping[str, Any], where: str, number: int) -> Check:
    function = fields["hook"]
    named = _FUNCTION.fullmatch(function) if isinstance(function, str) else None
    if named is None:
        raise InvalidPolicy(
            f"{where}.hook: {function!r} is not the name or ARN of a Lambda function whose name begins with {PREFIX}"
        )
    details = fields.get("details", {})
    if not isinstance(details, dict):
        raise InvalidPolicy(f"{where}.details: {details!r} is not an object")
    return HookCheck(**_common(fields, number, named[2]), function=function, details=details)


_Parse = Callable[[Mapping[str, Any], str, int], Check]
_KINDS: dict[str, tuple[set[str], _Parse]] = {
    "alarm": (set(), _alarm),
    "metric": ({"max", "min", "samples"}, _metric),
    "envoy": ({"max", "above", "requests"}, _envoy),
    "hook": ({"details"}, _hook),
}


def _known(fields: Mapping[str, Any], where: str, known: set[str]) -> None:
    for field in fields:
        if field not in known:
            raise InvalidPolicy(f"{where}.{field}: not known here; known are {', '.join(sorted(known))}")


def _object(value: Any, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidPolicy(f"{where}: {value!r} is not an object")
    _known(value, where, known)
    return value


def _text(fields: Mapping[str, Any], name: str, where: str, what: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidPolicy(f"{where}.{name}: {value!r} is not {what}")
    return value


def _number(fields: Mapping[str, Any], name: str, where: str) -> float | None:
    value = fields.get(name)
    if value is None and name not in fields:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidPolicy(f"{where}.{name}: {value!r} is not a number")
    return value


def _whole(fields: Mapping[str, Any], name: str, where: str, default: int) -> int:
    value = fields.get(name, default)
    if not _is_whole(value) or value < 0:
        raise InvalidPolicy(f"{where}.{name}: {value!r} is not a whole number from 0")
    return int(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
