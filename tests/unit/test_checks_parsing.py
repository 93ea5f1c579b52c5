"""What a policy may ask for, and what is refused by its field."""

import json
import re

import pytest

from domain.checks import calls, parse_check, parse_checks
from domain.errors import InvalidPolicy
from domain.policy import parse_policy
from tests.template import template

ERRORS = {"Metric": {"Namespace": "Shop", "MetricName": "Errors"}, "Stat": "Sum"}
METRIC = {"queries": [{"Id": "e1", "MetricStat": ERRORS}]}
TWO = {"expression": "e1 / e2", "queries": [*METRIC["queries"], {"Id": "e2", "MetricStat": ERRORS}]}


def metric(**more):
    return {"metric": {**METRIC, **more}, "max": 1}


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (5, "checks[0]: 5 is no check; it must have exactly one of alarm, metric, envoy, hook"),
        ({}, "checks[0]: {} is no check"),
        ({"alarm": "a", "hook": "meshift-hook-a"}, "exactly one of"),
        ({"alarm": ""}, "checks[0].alarm: '' is not the name"),
        ({"alarm": "a", "max": 1}, "checks[0].max: not known here; known are alarm, dryRun, name, onNoData"),
        ({"alarm": "a", "dryRun": "yes"}, "checks[0].dryRun: 'yes' is neither true nor false"),
        ({"alarm": "a", "onNoData": "ignore"}, "checks[0].onNoData: 'ignore' is not one of pass, hold, fail"),
        ({"alarm": "a", "name": 7}, "checks[0].name: 7 is not a name"),
        ({"metric": [], "max": 1}, "checks[0].metric: [] is not an object"),
        ({"metric": METRIC}, "checks[0].max: neither max nor min"),
        ({"metric": METRIC, "max": "1"}, "checks[0].max: '1' is not a number"),
        ({"metric": METRIC, "max": True}, "checks[0].max: True is not a number"),
        ({"metric": METRIC, "max": float("nan")}, "checks[0].max: nan is not a number"),
        ({"metric": METRIC, "min": None}, "checks[0].min: None is not a number"),
        ({"metric": METRIC, "max": 1, "samples": -1}, "checks[0].samples: -1 is not a whole number"),
        (metric(queries=[]), "checks[0].metric.queries: [] is not a list of 1 to 10"),
        (metric(queries=["e1"]), "checks[0].metric.queries[0]: 'e1' is not an object"),
        (metric(queries=[{"Id": "E1"}]), "checks[0].metric.queries[0].Id: 'E1' is not a small letter"),
        (metric(queries=[{"Id": "e1"}]), "checks[0].metric.queries[0]: it must have exactly one of"),
        (metric(queries=[{"Id": "e1", "Period": 60}]), "checks[0].metric.queries[0].Period: not known here"),
        (metric(queries=[{"Id": "e1", "Expression": ""}]), "checks[0].metric.queries[0].Expression: ''"),
        (metric(queries=METRIC["queries"] * 2, expression="e1"), "queries[1].Id: 'e1' is there twice"),
        (metric(queries=TWO["queries"]), "checks[0].metric.expression: with 2 queries it must say"),
        (metric(expression=5), "checks[0].metric.expression: 5 is not an expression"),
        (metric(periodSeconds=90), "checks[0].metric.periodSeconds: 90 is not 1, 5, 10, 20, 30 or a multiple of 60"),
        (metric(periodSeconds=0), "checks[0].metric.periodSeconds: 0"),
        (metric(queries=[{"Id": "e1", "MetricStat": {"Stat": "Sum"}}]), "queries[0].MetricStat.Metric: None is not"),
        (
            metric(queries=[{"Id": "e1", "MetricStat": {**ERRORS, "Period": 60}}]),
            "checks[0].metric.queries[0].MetricStat.Period: not known here",
        ),
        (
            metric(queries=[{"Id": "e1", "MetricStat": {**ERRORS, "Metric": {"Namespace": "Shop"}}}]),
            "checks[0].metric.queries[0].MetricStat.Metric.MetricName: None is not a metric's name",
        ),
        (
            metric(queries=[{"Id": "e1", "MetricStat": {**ERRORS, "Metric": {**ERRORS["Metric"], "Dimensions": [1]}}}]),
            "checks[0].metric.queries[0].MetricStat.Metric.Dimensions[0]: 1 is not an object",
        ),
        ({"envoy": "latency", "max": 1}, "checks[0].envoy: 'latency' is not one of errorRate, p99"),
        ({"envoy": "errorRate"}, "checks[0].max: neither max nor above"),
        ({"envoy": "errorRate", "above": 1.5}, "checks[0].above: 1.5 is not a share from 0 to 1"),
        ({"envoy": "p99", "above": 0.5}, "checks[0].above: 0.5 is not a ratio of at least 1"),
        ({"envoy": "p99", "max": 0}, "checks[0].max: 0 is not a number of milliseconds"),
        ({"envoy": "p99", "max": 1, "requests": 0.5}, "checks[0].requests: 0.5 is not a whole number"),
        ({"hook": "my-function"}, "checks[0].hook: 'my-function' is not the name or ARN of a Lambda function whose"),
        ({"hook": ["meshift-hook-a"]}, "checks[0].hook: ['meshift-hook-a'] is not"),
        ({"hook": "arn:aws:s3:::meshift-hook-a"}, "checks[0].hook: 'arn:aws:s3"),
        ({"hook": "meshift-hook-a", "details": "x"}, "checks[0].details: 'x' is not an object"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused_by_its_field(check, says):
    with pytest.raises(InvalidPolicy, match=re.escape(says)):
        parse_checks([check])


def test_the_number_of_the_check_is_told():
    with pytest.raises(InvalidPolicy, match=re.escape("checks[1].metric.queries[0].Id: ")):
        parse_policy(json.dumps({"checks": [{"alarm": "a"}, metric(queries=[{"Id": "1"}])]}))


def test_a_policy_has_no_more_checks_than_one_call_can_serve():
    with pytest.raises(InvalidPolicy, match="21 are more than the 20"):
        parse_checks([{"alarm": "a"}] * 21)


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ({"alarm": "serviceb-5xx"}, "serviceb-5xx"),
        ({"alarm": "serviceb-5xx", "name": "errors"}, "errors"),
        ({"metric": METRIC, "max": 1}, "e1"),
        ({"metric": TWO, "min": 0.5}, "e1 / e2"),
        ({"envoy": "p99", "max": 250}, "p99"),
        ({"hook": "meshift-hook-smoke:live"}, "meshift-hook-smoke"),
        ({"hook": "arn:aws:lambda:us-east-1:111122223333:function:meshift-hook-smoke"}, "meshift-hook-smoke"),
    ],
)
def test_a_check_has_a_name_and_is_parsed_again_from_what_its_author_wrote(check, name):
    parsed = parse_check(check, 0)
    assert parsed.name == name
    assert parse_check(json.loads(json.dumps(parsed.document)), 0) == parsed


def test_the_default_policys_checks_never_hold_where_no_envoy_counts():
    text = template()["Resources"]["DefaultPolicy"]["Properties"]["Value"]
    checks = parse_policy(text).checks
    assert [check.name for check in checks] == ["errorRate", "p99"]
    assert {check.on_no_data for check in checks} == {"pass"}


def test_what_a_slice_costs_is_counted():
    checks = [
        {"alarm": "a"},
        {"envoy": "errorRate", "above": 0.01},
        {"envoy": "p99", "above": 2},
        {"envoy": "errorRate", "max": 0.5, "dryRun": True},
        {"metric": TWO, "max": 1, "samples": 10},
        {"hook": "meshift-hook-a"},
    ]
    # Each side's requests and errors, requests timed and p99 or slow ones; two metrics and their samples.
    assert calls(parse_checks(checks)) == {"GetMetricData metrics": 4 + 4 + 4, "DescribeAlarms": 1, "Invoke": 1}
    assert calls(()) == {"GetMetricData metrics": 0, "DescribeAlarms": 0, "Invoke": 0}
