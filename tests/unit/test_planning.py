import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.planning import plan_away, plan_steps, routes_of, seconds_to_settle, shares_of, tasks_per_percent
from domain.policy import parse_policy

PRESENT = {"route": {"serviceB": 100, "serviceBv2": 0}}


def policy(**fields):
    return parse_policy(
        json.dumps({"steps": [{"weight": 25, "bakeSeconds": 60}, {"weight": 50, "bakeSeconds": 0}], **fields})
    )


def steps_of(present, candidate="serviceBv2", density=0.0, **fields):
    return plan_steps({"route": present}, candidate, policy(**fields), density)


def candidates(steps):
    return [step["weights"]["route"]["serviceBv2"] for step in steps]


def route(name, priority=None, **weights):
    targets = [{"virtualNode": node, "weight": weight} for node, weight in weights.items()]
    order = {} if priority is None else {"priority": priority}
    return {"routeName": name, "spec": {**order, "http2Route": {"action": {"weightedTargets": targets}}}}


def test_weights_are_absolute_in_every_step():
    assert [step["weights"]["route"] for step in steps_of({"serviceB": 100, "serviceBv2": 0})] == [
        {"serviceB": 75, "serviceBv2": 25},
        {"serviceB": 50, "serviceBv2": 50},
        {"serviceB": 0, "serviceBv2": 100},
    ]


def test_a_bake_is_cut_into_slices_and_one_of_no_length_is_checked_once():
    steps = steps_of({"serviceB": 100, "serviceBv2": 0})
    assert [(step["slices"], step["waitSeconds"]) for step in steps] == [(2, 30), (1, 0), (1, 0)]


def test_steps_not_above_what_the_candidate_has_are_skipped():
    assert candidates(steps_of({"serviceB": 70, "serviceBv2": 30})) == [50, 100]


@pytest.mark.parametrize("left_over", [{"serviceB": 90, "serviceBv2": 10}, {"serviceB": 1, "serviceBv2": 0}])
def test_a_split_that_was_left_over_wedges_nothing(left_over):
    """The closest peer stops at 90/10 for ever, and a live edit gives it a total of 170."""
    steps = steps_of(left_over)
    assert candidates(steps) == [25, 50, 100]
    assert all(sum(step["weights"]["route"].values()) == 100 for step in steps)


@pytest.mark.parametrize("weights", [{"serviceB": 0, "serviceBv2": 100}, {"serviceB": 0, "serviceBv2": 1}])
def test_a_candidate_with_all_the_weight_has_no_steps(weights):
    assert steps_of(weights) == []


def test_a_share_that_comes_back_stops_where_it_was():
    steps = plan_steps(PRESENT, "serviceBv2", policy(), 0.0, {"route": 40})
    assert candidates(steps) == [25, 40]
    assert plan_steps({"route": {"serviceB": 60, "serviceBv2": 40}}, "serviceBv2", policy(), 0.0, {"route": 40}) == []


def test_each_route_gets_back_what_was_its_own():
    had = {"all": {"v1": 75, "v2": 25}, "header": {"v1": 0, "v2": 100}, "other": {"v1": 100, "v2": 0}}
    away = {route: {"v1": 100, "v2": 0} for route in had}
    steps = plan_steps(away, "v2", policy(), 0.0, shares_of(had, "v2"))
    assert steps[-1]["weights"] == had
    assert [step["weights"]["header"]["v2"] for step in steps] == [25, 50, 100]
    assert {step["weights"]["other"]["v2"] for step in steps} == {0}


def test_several_routes_move_together_from_wherever_they_are():
    before = {"all": {"v1": 100, "v2": 0}, "canary header": {"v1": 60, "v2": 40}}
    weights = [step["weights"] for step in plan_steps(before, "v2", policy(), 0.0)]
    assert weights == [
        {"all": {"v1": 75, "v2": 25}, "canary header": {"v1": 60, "v2": 40}},
        {"all": {"v1": 50, "v2": 50}, "canary header": {"v1": 50, "v2": 50}},
        {"all": {"v1": 0, "v2": 100}, "canary header": {"v1": 0, "v2": 100}},
    ]


def test_each_step_needs_tasks_in_proportion_to_the_stable_side():
    density = tasks_per_percent(PRESENT, "serviceBv2", {"serviceB": 10})
    assert [step["tasks"] for step in plan_steps(PRESENT, "serviceBv2", policy(), density)] == [3, 5, 10]


def test_the_route_whose_stable_side_is_biggest_for_its_share_counts():
    before = {"all": {"v1": 100, "v2": 0}, "header": {"v1": 50, "v2": 50}}
    assert tasks_per_percent(before, "v2", {"v1": 10}) == 0.2


def test_nothing_is_asked_of_a_stable_side_that_is_not_known():
    assert tasks_per_percent(PRESENT, "serviceBv2", {}) == 0
    assert [step["tasks"] for step in plan_steps(PRESENT, "serviceBv2", policy(), 0)] == [1, 1, 1]


def test_routes_that_name_the_candidate_move_and_the_one_told_of_comes_first():
    pinned, header, plain = route("pinned", 1, v1=100), route("header", 2, v1=100, v2=0), route("all", v1=100, v2=0)
    assert routes_of([pinned, header, plain], "v2", "b.local") == [plain, header]
    named = route("b.local", 1, v1=100, v2=0)
    assert routes_of([plain, named], "v2", "b.local") == [named, plain]


def test_a_candidate_that_is_no_target_is_refused():
    with pytest.raises(Refused, match="serviceC is no target of the route; its targets are v1, v2"):
        routes_of([route("all", v1=100, v2=0)], "serviceC", "b.local")
    with pytest.raises(Refused, match="has no route"):
        routes_of([], "v1", "b.local")


def test_a_route_settles_when_every_envoy_has_asked_twice():
    changed = {"metadata": {"lastUpdatedAt": datetime(2026, 1, 1, tzinfo=UTC)}}
    at = changed["metadata"]["lastUpdatedAt"].timestamp()
    assert seconds_to_settle([changed], 5, at) == 23
    assert seconds_to_settle([changed], 5, at + 22.5) == 1
    assert seconds_to_settle([changed], 5, at + 60) == 0


@pytest.mark.parametrize(
    ("present", "healthy", "away"),
    [
        ({"v1": 100, "v2": 0}, {"v2": 2}, {"v1": 0, "v2": 100}),
        ({"v1": 75, "v2": 25}, {"v2": 2}, {"v1": 0, "v2": 100}),
        ({"v1": 50, "v2": 30, "v3": 20}, {"v3": 2}, {"v1": 0, "v2": 30, "v3": 70}),
        ({"v1": 40, "v2": 40, "v3": 20}, {"v2": 2, "v3": 2}, {"v1": 0, "v2": 67, "v3": 33}),
        ({"v1": 100, "v2": 0}, {"v2": 0}, None),
        ({"v1": 100, "v2": 0}, {"v2": 1}, None),
        ({"v1": 100, "v2": 0}, {}, None),
        ({"v1": 100, "v2": 0, "v3": 0}, {"v2": 2, "v3": 2}, None),
        ({"v1": 100}, {}, None),
    ],
)
def test_a_node_gives_its_traffic_away_only_to_those_who_can_carry_it(present, healthy, away):
    found = plan_away({"route": present}, "v1", healthy, desired=2)
    assert found == (None if away is None else {"route": away})


@given(
    present=st.lists(st.integers(0, 100), min_size=1, max_size=4).map(
        lambda cuts: dict(zip("abcde", (high - low for low, high in pairwise([0, *sorted(cuts), 100])), strict=False))
    ),
    steps=st.lists(st.integers(1, 100), unique=True, max_size=6).map(sorted),
)
def test_from_any_split_every_step_sums_to_100_and_the_candidate_never_falls(present, steps):
    rules = parse_policy(json.dumps({"steps": [{"weight": weight} for weight in steps]}))
    had = present["a"]
    for step in plan_steps({"route": present}, "a", rules, 0.0):
        weights = step["weights"]["route"]
        assert sum(weights.values()) == 100
        assert weights["a"] > had
        assert all(weights[node] == 0 for node, weight in present.items() if weight == 0 and node != "a")
        had = weights["a"]
    assert had == 100
