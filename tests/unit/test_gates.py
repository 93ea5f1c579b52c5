"""Gates: a step that waits for an operator's approval, while the candidate is checked."""

import json

import pytest

from domain.health import Health
from domain.operations import Signal
from domain.planning import plan_steps
from domain.policy import parse_policy
from domain.rollout import decide, start_position, weights_before, weights_written

PRESENT = {"route": {"v1": 100, "v2": 0}}
GOOD, BAD = Health(healthy=2), Health(unhealthy=True, reason="in alarm", healthy=2)
NOBODY = None


def plan(*steps, **fields):
    rules = parse_policy(json.dumps({"steps": list(steps), "checkEverySeconds": 10, "deadlineSeconds": 600, **fields}))
    return {
        "candidate": "v2",
        "before": PRESENT,
        "routes": ["route"],
        "steps": plan_steps(PRESENT, "v2", rules, 0.02),
        "checkEverySeconds": rules.check_every_seconds,
        "deadlineSeconds": rules.deadline_seconds,
        "failureLimit": rules.failure_limit,
        "onNoData": rules.on_no_data,
        "onFailure": rules.on_failure,
        "cleanUp": rules.clean_up,
    }


def gated(weight=50, **gate):
    return {"weight": weight, "gate": {"timeoutSeconds": 30, **gate}}


def asked(name, number=1):
    return Signal(str(number), name, "ann")


def at_gate(rules):
    """The position at the gate of the second step."""
    decision = decide(rules, start_position(rules), GOOD, rules["steps"][0]["weights"])
    assert (decision.what, decision.position["gate"]) == ("Gate", 0)
    return decision.position


@pytest.fixture
def rules():
    return plan({"weight": 25}, gated())


def look(rules, position, signal=NOBODY, health=GOOD, weights=None):
    return decide(rules, position, health, weights or weights_before(rules, position)[0], signal)


def test_a_gate_before_the_first_step_is_there_before_anything_moves():
    rules = plan(gated())
    position = start_position(rules)
    assert position["gate"] == 0
    assert weights_before(rules, position)[0] == PRESENT
    assert look(rules, position, asked("approve")).what == "Shift"


def test_the_weights_stay_until_somebody_approves(rules):
    position = at_gate(rules)
    assert rules["steps"][0]["weights"] in weights_written(rules, position)
    first = look(rules, position)
    assert (first.what, first.position["gate"]) == ("Gate", 10)
    approved = look(rules, first.position, asked("approve"))
    assert approved.what == "Shift"
    assert "gate" not in approved.position
    assert (approved.position["step"], approved.position["from"]) == (1, 0)


@pytest.mark.parametrize(
    ("action", "what", "outcome"),
    [("rollback", "Roll Back", "Rolled Back"), ("freeze", "Freeze", "Frozen"), ("proceed", "Shift", "")],
)
def test_a_gate_that_nobody_answers_ends_as_the_policy_says(action, what, outcome):
    rules = plan({"weight": 25}, gated(onTimeout=action))
    decision = look(rules, {**at_gate(rules), "gate": 20})
    assert (decision.what, decision.outcome) == (what, outcome)
    if outcome:
        assert decision.reason == "nobody approved the gate before step 2 of 3 in 30 seconds"


@pytest.mark.parametrize(
    "health", [Health(pending=True, reason="1 of 2 tasks", healthy=2), Health(no_data=True, reason="silent", healthy=2)]
)
def test_a_gate_that_is_to_open_by_itself_does_not_while_nothing_is_known(health):
    rules = plan({"weight": 25}, gated(onTimeout="proceed"))
    waits = look(rules, {**at_gate(rules), "gate": 20}, health=health)
    assert (waits.what, waits.position["gate"]) == ("Gate", 30)
    again = look(rules, waits.position, health=health)
    assert again.position["elapsedSeconds"] == waits.position["elapsedSeconds"] + 10, "the deadline counts now"
    assert look(rules, again.position).what == "Shift"
    assert look(rules, {**again.position, "elapsedSeconds": 600}, health=health).outcome == "Rolled Back"


def test_a_signal_that_does_not_open_the_gate_uses_up_none_of_its_time(rules):
    assert look(rules, {**at_gate(rules), "woken": True}, asked("skip-wait")).position["gate"] == 0


def test_who_wakes_a_gate_for_nothing_uses_up_none_of_its_time(rules):
    position = {**at_gate(rules), "gate": 20}
    for _ in range(100):
        woken = look(rules, {**position, "woken": True})
        assert (woken.what, woken.position) == ("Gate", position)


def test_the_time_at_a_gate_does_not_count_for_the_deadline(rules):
    position = at_gate(rules)
    assert look(rules, position).position["elapsedSeconds"] == position["elapsedSeconds"]


def test_a_sick_candidate_is_taken_back_at_the_gate(rules):
    decision = look(rules, at_gate(rules), health=BAD)
    assert (decision.what, decision.outcome) == ("Roll Back", "Rolled Back")


def test_a_foreign_edit_freezes_at_the_gate(rules):
    decision = look(rules, at_gate(rules), weights={"route": {"v1": 1, "v2": 99}})
    assert decision.outcome == "Frozen"


def test_abort_pause_and_a_newer_deployment_count_at_the_gate(rules):
    position = at_gate(rules)
    assert look(rules, position, asked("abort")).outcome == "Rolled Back"
    assert look(rules, position, health=Health(superseded=True, reason="newer")).outcome == "Superseded"
    paused = look(rules, position, asked("pause"))
    assert paused.what == "Pause"
    assert look(rules, paused.position, asked("resume", 2)).what == "Gate"


def test_skip_wait_does_not_open_a_gate_and_skips_no_later_bake(rules):
    decision = look(rules, at_gate(rules), asked("skip-wait"))
    assert decision.what == "Gate"
    assert "approve does" in decision.reason
    assert "skip-wait" not in decision.position


def test_promote_goes_through_all_gates_to_the_last_step():
    rules = plan({"weight": 25}, gated(), gated(75))
    decision = look(rules, at_gate(rules), asked("promote"))
    assert decision.what == "Shift"
    assert (decision.position["step"], decision.position["from"]) == (3, 0)


def test_promote_before_the_gate_goes_past_it():
    rules = plan({"weight": 25, "bakeSeconds": 60}, gated())
    decision = decide(rules, start_position(rules), GOOD, rules["steps"][0]["weights"], asked("promote"))
    assert (decision.what, decision.position["step"]) == ("Shift", 2)


def test_an_approval_is_kept_until_there_are_tasks_enough_and_counts_for_the_deadline_then(rules):
    few = Health(healthy=0, pending=True, reason="0 of 2 tasks")
    waits = look(rules, at_gate(rules), asked("approve"), health=few)
    assert waits.what == "Gate"
    again = look(rules, waits.position, asked("approve"), health=few)
    assert again.position["elapsedSeconds"] == waits.position["elapsedSeconds"] + 10
    assert look(rules, again.position, asked("approve")).what == "Shift"
    assert look(rules, {**again.position, "elapsedSeconds": 600}, health=few).outcome == "Rolled Back"


def test_what_comes_back_after_a_redeployment_needs_no_approval():
    rules = parse_policy(json.dumps({"steps": [gated(10), gated(50)]}))
    (ten, thirty) = plan_steps({"route": {"v1": 100, "v2": 0}}, "v2", rules, 0, {"route": 30})
    assert "gate" not in ten
    assert "gate" not in thirty


def test_a_long_gate_is_looked_at_a_hundred_times_at_most():
    day = parse_policy(json.dumps({"steps": [{"weight": 10, "gate": {"timeoutSeconds": 86400}}]})).steps[0].gate
    assert day.check_every_seconds(30) == 864
    assert day.checks(30) == 100


def test_scale_to_zero_comes_before_the_promotion():
    rules = plan(cleanUp="scale-to-zero")
    decision = decide(rules, start_position(rules), GOOD, rules["steps"][0]["weights"])
    assert (decision.what, decision.outcome) == ("Clean Up", "Promoted")
