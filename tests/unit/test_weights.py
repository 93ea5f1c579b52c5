import copy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.weights import read_weights, split, with_weights
from tests.shapes import route_spec

NODES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=10, unique=True)


def test_only_weights_change():
    before = route_spec()
    untouched = copy.deepcopy(before)
    after = with_weights(before, {"serviceB": 75, "serviceBv2": 25})
    assert before == untouched
    assert read_weights(after) == {"serviceB": 75, "serviceBv2": 25}
    assert with_weights(after, {"serviceB": 100, "serviceBv2": 0}) == before


@pytest.mark.parametrize("kind", ["httpRoute", "http2Route", "grpcRoute", "tcpRoute"])
def test_every_kind_of_route_keeps_its_kind(kind):
    spec = {
        kind: {"action": {"weightedTargets": [{"virtualNode": "a", "weight": 1}, {"virtualNode": "b", "weight": 1}]}}
    }
    assert list(with_weights(spec, {"a": 50, "b": 50})) == [kind]


@pytest.mark.parametrize(
    "weights",
    [
        {"serviceBv2": 100},
        {"serviceB": 50, "other": 50},
        {"serviceB": 99, "serviceBv2": 2},
        {"serviceB": 0, "serviceBv2": 0},
        {"serviceB": 150, "serviceBv2": -50},
    ],
)
def test_weights_that_do_not_fit_the_route_are_refused(weights):
    with pytest.raises(Refused):
        with_weights(route_spec(), weights)


def test_a_node_that_a_route_names_twice_is_refused():
    spec = {
        "tcpRoute": {
            "action": {
                "weightedTargets": [
                    {"virtualNode": "a", "weight": 1, "port": 1},
                    {"virtualNode": "a", "weight": 1, "port": 2},
                ]
            }
        }
    }
    with pytest.raises(Refused, match="twice"):
        read_weights(spec)


@given(NODES, st.data(), st.integers(1, 100))
def test_a_split_sums_to_100_and_gives_the_candidate_its_weight(nodes, data, weight):
    present = {node: data.draw(st.integers(0, 100)) for node in nodes}
    assume(sum(present.values()) > 0)
    candidate = nodes[0]
    result = split(present, candidate, weight)
    assert list(result) == list(present)
    assert sum(result.values()) == 100
    assert min(result.values()) >= 0
    others = sum(present.values()) - present[candidate]
    assert result[candidate] == (weight if others else 100)
    for node in nodes[1:]:
        if others:
            assert abs(result[node] - present[node] * (100 - weight) / others) < 1
        if present[node] == 0:
            assert result[node] == 0


def test_a_snapshot_that_does_not_sum_to_100_can_be_written_back():
    spec = with_weights(route_spec(), {"serviceB": 1, "serviceBv2": 0})
    assert read_weights(spec) == {"serviceB": 1, "serviceBv2": 0}


def test_a_leftover_split_is_a_legal_start():
    assert split({"v1": 90, "v2": 10}, "v2", 50) == {"v1": 50, "v2": 50}
