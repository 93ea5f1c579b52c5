"""GetMetricData on local AWS: the emulator knows neither metric math nor counts of values within bounds.

Metric math: + - * / with parentheses over ids and numbers, and FILL(id, number); CloudWatch's other functions are
refused. Statistics: TC(a:b), how many values are above a and at most b.
"""

import ast
import json
import operator
import re
from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch

from local.patching import expect, replace

Points = dict[float, float]
"""When a period begins → value."""
_TRIMMED = re.compile(r"TC\(([\d.]*):([\d.]*)\)")
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def install() -> None:
    """Let GetMetricData know both."""
    expect(cloudwatch, "_point_stats", "pt")
    expect(cloudwatch, "_json_ok", "data")
    expect(cloudwatch, "_cbor_ok", "data")
    expect(cloudwatch, "_cbor_metric_data_result", "result")

    def stat_value(stats: dict[str, float], stat_name: str, points: Any = None) -> float | None:
        trimmed = _TRIMMED.fullmatch(stat_name)
        return count_within(points or [], trimmed) if trimmed else plain_value(stats, stat_name, points)

    def get_metric_data(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        queries = cbor_data.get("MetricDataQueries", [])
        plain = [{**query, "ReturnData": True} for query in queries if "MetricStat" in query]
        status, headers, body = plain_data(params, {**cbor_data, "MetricDataQueries": plain}, False, True)
        if status != 200:
            return status, headers, body
        read = json.loads(body)["MetricDataResults"]
        found = {each["Id"]: dict(zip(each["Timestamps"], each["Values"], strict=True)) for each in read}
        try:
            for query in (each for each in queries if "Expression" in each):
                found[query["Id"]] = evaluate(query["Expression"], found)
        except (ValueError, SyntaxError) as error:
            said = f"Error in expression: {error}"
            return cloudwatch._error("ValidationError", said, 400, use_json=is_json, use_cbor=is_cbor)
        results = [_result(query["Id"], found[query["Id"]]) for query in queries if query.get("ReturnData", True)]
        if is_cbor:
            return cloudwatch._cbor_ok({"MetricDataResults": list(map(cloudwatch._cbor_metric_data_result, results))})
        return cloudwatch._json_ok({"MetricDataResults": results})

    plain_value = replace(cloudwatch, "_stat_value", stat_value, "stats", "stat_name", "points")
    plain_data = replace(cloudwatch, "_get_metric_data", get_metric_data, "params", "cbor_data", "is_cbor", "is_json")


def count_within(points: list[Any], bounds: re.Match[str]) -> float:
    """Count the values above the one bound and at most the other; without a bound there is none."""
    low, high = float(bounds[1] or "-inf"), float(bounds[2] or "inf")
    stats = [cloudwatch._point_stats(point) for point in points]
    return float(sum(count for count, _, value, _ in stats if low < value <= high))


def evaluate(expression: str, known: dict[str, Points]) -> Points:
    """Evaluate metric math, an id's expression being known before it is used.

    >>> evaluate("100 * bad / FILL(all, 1)", {"bad": {60: 1.0, 120: 2.0}, "all": {60: 4.0}})
    {60: 25.0, 120: 200.0}

    Raises ValueError, or SyntaxError.
    """
    value = _evaluate(ast.parse(expression, mode="eval").body, known)
    if isinstance(value, float):
        raise ValueError(f"{expression} is a number, not a series")
    return value


def _evaluate(node: ast.expr, known: dict[str, Points]) -> Points | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _evaluate(node.left, known), _evaluate(node.right, known)
        return _each(_OPERATORS[type(node.op)], left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "FILL":
        series, filling = (_evaluate(each, known) for each in node.args)
        if isinstance(series, dict) and isinstance(filling, float):
            return {time: series.get(time, filling) for time in sorted({at for each in known.values() for at in each})}
    raise ValueError(f"local AWS does not know {ast.unparse(node)}")


def _each(apply: Callable[[float, float], float], left: Points | float, right: Points | float) -> Points | float:
    if isinstance(left, float) and isinstance(right, float):
        return apply(left, right)
    times = [each.keys() for each in (left, right) if isinstance(each, dict)]
    values = {
        time: (left if isinstance(left, float) else left[time], right if isinstance(right, float) else right[time])
        for time in sorted(set.intersection(*map(set, times)))
    }
    divides = apply is operator.truediv
    return {time: apply(*pair) for time, pair in values.items() if not (divides and pair[1] == 0)}


def _result(id_: str, points: Points) -> dict[str, Any]:
    times = [cloudwatch._ts_iso(time) for time in points]
    return {"Id": id_, "Label": id_, "Timestamps": times, "Values": [*points.values()], "StatusCode": "Complete"}
