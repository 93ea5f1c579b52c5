"""A part of what `make faults` does, the same part each time: about twenty seconds of it."""

import pytest

from tests.faults.flows import FLOWS
from tests.faults.histories import live
from tests.faults.storm import storm
from tests.faults.sweep import Case, played, sampled, singles

SINGLES, PAIRS, HISTORIES, SEED = 50, 20, 75, 7


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


def test_in_a_storm_of_events_nothing_is_lost_and_nothing_done_twice(capsys):
    assert storm(100) == 0
    assert "100 executions, 0 lost, 0 twice" in capsys.readouterr().out
