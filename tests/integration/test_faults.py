"""A part of what `make faults` does, the same part each time: about twenty seconds of it."""

import pytest

from tests.cloud.cloud import in_force
from tests.cloud.tutorial import NAME
from tests.faults.flows import CANDIDATE, FLOWS, STABLE, mesh_of
from tests.faults.histories import live
from tests.faults.model import Model
from tests.faults.storm import storm
from tests.faults.sweep import Case, played, sampled, singles

SINGLES, PAIRS, HISTORIES, SEED = 50, 20, 50, 7


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_without_a_fault_a_flow_ends_as_it_is_told_to(flow):
    result = played(Case(flow, ()))
    assert result.endings == flow.endings
    assert result.wrong == ()


def test_whatever_goes_wrong_with_one_call_the_end_is_a_legal_one():
    cases = list(singles())
    step = len(cases) // SINGLES
    for case in cases[SEED % step :: step]:
        result = played(case)
        assert result.wrong == (), f"{case}: {result.struck} {result.endings}"


def test_whatever_goes_wrong_with_two_calls_the_end_is_a_legal_one():
    for case in sampled(SEED, PAIRS, 2):
        result = played(case)
        assert result.wrong == (), f"{case}: {result.struck} {result.endings}"


def test_whatever_happens_nothing_is_stuck_and_nothing_is_where_it_must_not_be():
    live(SEED, HISTORIES)


@pytest.mark.parametrize(
    ("weight", "timeout", "said"),
    [
        (90, None, "are not 100 together"),
        (100, {"perRequest": {"unit": "s", "value": 5}}, "more than weights was changed"),
        (0, None, "got 100 without one task that answers"),
        (0, None, "without a claim"),
    ],
)
def test_the_model_sees_what_a_function_must_not_write(weight, timeout, said):
    cloud = FLOWS[0].fresh()
    model = Model(cloud)
    with in_force(cloud):
        mesh = mesh_of(cloud)
        targets = {STABLE: weight, **({CANDIDATE: 100} if weight == 0 else {})}
        mesh.create_virtual_node(CANDIDATE, {})
        route = mesh.describe_route(NAME, NAME)
        ((kind, spec),) = route["spec"].items()
        spec["action"]["weightedTargets"] = [{"virtualNode": node, "weight": each} for node, each in targets.items()]
        cloud.working.append("ShiftTrafficFunction")
        mesh.update_route(NAME, NAME, {kind: {**spec, **({"timeout": timeout} if timeout else {})}}, 1)
    assert any(said in each for each in model.wrong()), model.wrong()


def test_in_a_storm_of_events_nothing_is_lost_and_nothing_done_twice(capsys):
    assert storm(100) == 0
    assert "100 executions, 0 lost, 0 twice" in capsys.readouterr().out
