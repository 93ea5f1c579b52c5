"""Verdicts, and how sure they are."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checks import FAIL, INCONCLUSIVE, NO_DATA, PASS, Found, Watch, hour_queries, parse_check, step_queries
from domain.checks.shares import interval, worse_by

WATCH = Watch(
    mesh="apps", virtual_service="serviceb.apps.local", candidate="serviceBv2", stable=("serviceB",),
    weights={"serviceB": 90, "serviceBv2": 10}, step=0, last=False, written=1000.0, began=1000.0, now=1600.0,
    service="arn:service", task_definition="arn:task:2", execution="arn:aws:states:x:y:execution:rollout:ecs-svc-1-1",
)  # fmt: skip
RANK = {PASS: 0, INCONCLUSIVE: 1, FAIL: 2}


def counted(requests=None, errors=0, before=None, before_errors=0):
    """What CloudWatch says of both sides; None where there is no such metric."""
    step = {} if requests is None else {"envoy_requests": [(960.0, requests)], "envoy_errors": [(960.0, errors)]}
    hour = {} if before is None else {"envoy_requests_0": [(0.0, before)], "envoy_errors_0": [(0.0, before_errors)]}
    return Found(step=step, hour=hour)


def error_rate(found, watch=WATCH, **more):
    return parse_check({"envoy": "errorRate", "above": 0.01, **more}, 0).judge(watch, found)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (counted(1000, 2, 9000, 20), PASS),
        (counted(1000, 100, 9000, 20), FAIL),
        (counted(1000, 15, 9000, 20), INCONCLUSIVE),  # 1.3 % more: too much, but it may be chance
        (counted(50, 0, 450), PASS),
        (counted(49, 0, 450), INCONCLUSIVE),  # too few to pass
        (counted(60, 1, 540), INCONCLUSIVE),  # one bad answer
        (counted(20, 20, 180), FAIL),  # few, and no doubt
        (counted(0, 0, 1000), INCONCLUSIVE),
        (counted(None, 0, 1000), INCONCLUSIVE),
        (counted(1000, 900), NO_DATA),  # nobody beside it for an hour, and no max
        (counted(1000, 500, 9000, 4500), PASS),  # bad, but no worse than what is there
        (counted(), NO_DATA),
    ],
)
def test_errors_of_the_candidate_are_compared_with_the_stable_sides(found, verdict):
    assert error_rate(found).verdict == verdict


def test_the_reason_has_the_numbers():
    assert error_rate(counted(200, 24, 1800, 9)).reason == (
        "errorRate: 24 of 200 requests (12.00%) to serviceBv2 failed, 9 of 1800 requests (0.50%) to serviceB; "
        "1.00% more may"
    )
    assert error_rate(counted(7, 0, 60)).reason.endswith("; 50 requests are needed")


def test_an_absolute_bound_needs_no_stable_side():
    assert error_rate(counted(1000, 900), max=0.05).verdict == FAIL
    assert error_rate(counted(1000, 20), max=0.05).verdict == PASS


def test_the_nodes_that_stood_there_before_are_one_side():
    watch = replace(WATCH, stable=("a", "b"))
    hour = {
        f"envoy_{what}_{place}": [(0.0, value)]
        for what, values in {"requests": (10, 990), "errors": (9, 1)}.items()
        for place, value in enumerate(values)
    }
    assert error_rate(Found(step=counted(1000, 10).step, hour=hour), watch).verdict == PASS


def test_envoys_that_count_under_the_caller_are_not_asked():
    watch = replace(WATCH, envoys_tell=False)
    checks = [parse_check({"envoy": what, "max": 0.5}, 0) for what in ("errorRate", "p99")]
    assert hour_queries(checks, watch) == step_queries(checks, watch, {}) == []
    assert {check.judge(watch, counted(1000, 900)).verdict for check in checks} == {NO_DATA}


# -- p99


def timed(requests, slow, p99=40.0):
    return Found(
        step={"envoy_timed": [(960.0, requests)], "envoy_slow3": [(960.0, slow)]},
        hour={"envoy_timed_0": [(0.0, 10.0), (3600.0, 900.0)], "envoy_p99_0": [(0.0, 900.0), (3600.0, p99)]},
    )


def slowness(found, **more):
    return parse_check({"envoy": "p99", "above": 2, **more}, 3).judge(WATCH, found)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (timed(1000, 5), PASS),
        (timed(1000, 50), FAIL),
        (timed(1000, 15), INCONCLUSIVE),
        (timed(99, 0), INCONCLUSIVE),
        (timed(100, 2), INCONCLUSIVE),
        (timed(30, 20), FAIL),
        (Found(), NO_DATA),
    ],
)
def test_as_many_may_be_slow_as_p99_means(found, verdict):
    assert slowness(found).verdict == verdict


@pytest.mark.parametrize(
    ("p99", "more", "bound"),
    [
        (40.0, {}, "80"),
        (1.0, {}, "11"),
        (40.0, {"max": 60}, "60"),
        (40.0, {"max": 250}, "80"),
        (1234567.8, {}, "2469135.6"),
    ],
)
def test_slow_is_what_the_stable_sides_p99_of_the_fuller_hour_says(p99, more, bound):
    check = parse_check({"envoy": "p99", "above": 2, **more}, 3)
    (_, slow) = step_queries([check], WATCH, timed(0, 0, p99).hour)
    assert slow["MetricStat"]["Stat"] == f"TC({bound}:)"
    assert f"took longer than {bound} ms, 1% may" in check.judge(WATCH, timed(1000, 50, p99)).reason


def test_without_a_stable_side_and_max_there_is_nothing_to_compare_with():
    found = replace(timed(1000, 900), hour={})
    assert slowness(found).verdict == NO_DATA
    assert "nothing to compare with" in slowness(found).reason


# -- how sure

bad_of = st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(candidate=bad_of, stable=bad_of, more=st.integers(1, 100), max_share=st.floats(0, 0.99))
def test_more_errors_never_make_a_verdict_better(candidate, stable, more, max_share):
    (errors, requests), (before_errors, before) = candidate, stable
    worse = min(requests, errors + more)
    verdicts = [
        RANK[error_rate(counted(requests, each, before, before_errors), max=max_share, requests=0).verdict]
        for each in (errors, worse)
    ]
    assert verdicts[0] <= verdicts[1]


@given(stable=bad_of, candidate=bad_of, more=st.integers(1, 100))
def test_more_errors_of_the_stable_side_never_make_it_look_better(stable, candidate, more):
    (errors, requests), (before_errors, before) = candidate, stable
    worse = min(before, before_errors + more)
    assert worse_by(errors, requests, worse, before) <= worse_by(errors, requests, before_errors, before) + 1e-9


@given(share=st.floats(0, 1), requests=st.integers(50, 100_000))
def test_equal_sides_pass(share, requests):
    errors = round(share * requests)
    assert error_rate(counted(requests, errors, requests, errors)).verdict == PASS


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("requests", [20, 50, 300, 1000])
def test_equal_sides_are_taken_for_different_less_than_once_in_a_thousand_looks(share, requests):
    """By the binomial distribution: all counts of bad answers that fail, with their probability."""
    unlucky = sum(
        math.exp(
            math.lgamma(requests + 1)
            - math.lgamma(bad + 1)
            - math.lgamma(requests - bad + 1)
            + bad * math.log(share)
            + (requests - bad) * math.log(1 - share)
        )
        for bad in range(requests + 1)
        if worse_by(bad, requests, share * requests * 9, requests * 9) > 0.01
    )
    assert unlucky < 0.001


@given(found=bad_of)
def test_the_share_that_was_seen_is_within_the_bounds(found):
    low, high = interval(*found)
    assert 0 <= low <= found[0] / found[1] + 1e-9
    assert found[0] / found[1] - 1e-9 <= high <= 1


@given(requests=st.integers(1, 99))
def test_one_bad_answer_alone_fails_nothing(requests):
    assert error_rate(counted(requests, 1, requests * 9)).verdict != FAIL


# -- metrics

STAT = {"Metric": {"Namespace": "Shop", "MetricName": "Errors"}, "Stat": "Sum"}
QUERIES = [{"Id": "e1", "MetricStat": STAT}, {"Id": "e2", "Expression": "SEARCH('e1 e2', 'Sum') * e1"}]


def metric(points, counts=(), **more):
    queries = [{"Id": "e1", "MetricStat": STAT}]
    check = parse_check({"metric": {"queries": queries}, "max": 5, **more}, 2)
    found = Found(hour={"c2_e1": points, "c2_e1_samples": counts})
    return check.judge(WATCH, found)


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        ([(1020.0, 5)], PASS),
        ([(1020.0, 5), (1080.0, 6)], FAIL),
        ([(1020.0, 9), (1080.0, 1)], PASS),  # the newest counts
        ([(1080.0, 6), (1080.0, 1)], FAIL),  # of several series the worst
        ([(1020.0, 1), (1560.0, 9)], PASS),  # the present period is not over
        ([(960.0, 9)], NO_DATA),  # before the step
        ([], NO_DATA),
    ],
)
def test_the_newest_whole_period_of_the_step_counts(points, verdict):
    assert metric(points).verdict == verdict


def test_a_least_value_is_asked_for():
    assert metric([(1020.0, 1)], min=2).verdict == FAIL
    assert metric([(1020.0, 1)], min=2).reason == "e1: 1, at least 2 is asked"


def test_with_few_samples_nothing_is_said_for_sure():
    few, enough = [(1020.0, 9)], [(1020.0, 9), (1080.0, 1)]
    assert metric([(1020.0, 100)], few, samples=10).verdict == INCONCLUSIVE
    assert metric([(1020.0, 100)], enough, samples=10).verdict == FAIL
    assert "9 samples of the 10 that are needed" in metric([(1020.0, 100)], few, samples=10).reason


def test_ids_of_several_checks_do_not_meet_and_quotes_stay_as_they_are():
    check = parse_check({"metric": {"queries": QUERIES, "expression": "e2 / FILL(e1, 1)"}, "max": 1}, 4)
    first, second, last = check.own_queries()
    assert (first["Id"], first["ReturnData"], first["MetricStat"]["Period"]) == ("c4_e1", False, 60)
    assert (second["Id"], second["Expression"]) == ("c4_e2", "SEARCH('e1 e2', 'Sum') * c4_e1")
    assert last == {"Id": "c4", "Expression": "c4_e2 / FILL(c4_e1, 1)", "Period": 60}


def test_what_two_checks_read_is_read_once():
    checks = [parse_check({"envoy": "errorRate", "above": each}, place) for place, each in enumerate((0.01, 0.02))]
    assert [query["Id"] for query in hour_queries(checks, WATCH)] == ["envoy_requests_0", "envoy_errors_0"]
