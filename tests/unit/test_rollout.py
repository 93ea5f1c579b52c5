import json

import pytest

from domain.errors import Refused
from domain.health import Health
from domain.policy import parse_policy
from domain.rollout import decide, plan_steps, start_position, weights_before, weights_written

PRESENT = {"serviceB": 100, "serviceBv2": 0}


def policy(**fields):
    return parse_policy(
        json.dumps({"steps": [{"weight": 25, "bakeSeconds": 60}, {"weight": 50, "bakeSeconds": 0}], **fields})
    )


def plan(**fields):
    rules = policy(**fields)
    return {
        "candidate": "serviceBv2",
        "before": PRESENT,
        "steps": plan_steps(PRESENT, "serviceBv2", rules),
        "checkEverySeconds": rules.check_every_seconds,
        "deadlineSeconds": rules.deadline_seconds,
        "failureLimit": rules.failure_limit,
        "onNoData": rules.on_no_data,
        "onFailure": rules.on_failure,
    }


def walk(plan, *verdicts, weights=None):
    """Feed verdicts to a plan, the route having the step's weights, and list what was decided."""
    position, decided = start_position(plan, 0), []
    for health in verdicts:
        if decided and decided[-1] not in ("Bake", "Shift"):
            break
        decision = decide(plan, position, health, weights or plan["steps"][position["step"]]["weights"])
        position = decision.position
        decided.append(decision.outcome or decision.what)
    return decided


GOOD, BAD, SILENT = Health(), Health(unhealthy=True, reason="in alarm"), Health(no_data=True, reason="no data")
PENDING = Health(pending=True, reason="1 of 2 tasks")


def test_weights_are_absolute_in_every_step():
    assert [step["weights"] for step in plan()["steps"]] == [
        {"serviceB": 75, "serviceBv2": 25},
        {"serviceB": 50, "serviceBv2": 50},
        {"serviceB": 0, "serviceBv2": 100},
    ]


def test_a_bake_is_cut_into_slices_and_one_of_no_length_is_checked_once():
    assert [(step["slices"], step["waitSeconds"]) for step in plan()["steps"]] == [(2, 30), (1, 0), (1, 0)]


def test_steps_not_above_what_the_candidate_has_are_skipped():
    steps = plan_steps({"serviceB": 70, "serviceBv2": 30}, "serviceBv2", policy())
    assert [step["weights"]["serviceBv2"] for step in steps] == [50, 100]


def test_a_candidate_with_all_the_weight_has_no_steps():
    assert plan_steps({"serviceB": 0, "serviceBv2": 100}, "serviceBv2", policy()) == []


def test_a_candidate_that_is_no_target_is_refused():
    with pytest.raises(Refused, match="its targets are serviceB, serviceBv2"):
        plan_steps(PRESENT, "serviceC", policy())


def test_good_checks_lead_to_promotion():
    assert walk(plan(), *[GOOD] * 4) == ["Bake", "Shift", "Shift", "Promoted"]


def test_one_bad_check_rolls_back_by_default():
    assert walk(plan(), GOOD, BAD) == ["Bake", "Rolled Back"]


def test_the_failure_limit_counts_bad_checks():
    assert walk(plan(failureLimit=3), BAD, BAD, BAD) == ["Bake", "Bake", "Rolled Back"]


def test_on_failure_freeze_leaves_the_weights():
    assert walk(plan(onFailure="freeze"), BAD) == ["Frozen"]


def test_no_data_holds_until_the_deadline():
    assert walk(plan(deadlineSeconds=90), SILENT, SILENT, SILENT, SILENT) == ["Bake", "Bake", "Bake", "Rolled Back"]


def test_no_data_passes_or_fails_only_if_the_policy_says_so():
    assert walk(plan(onNoData="pass"), *[SILENT] * 4)[-1] == "Promoted"
    assert walk(plan(onNoData="fail"), SILENT) == ["Rolled Back"]


def test_a_newer_deployment_supersedes():
    assert walk(plan(), GOOD, Health(superseded=True, reason="newer")) == ["Bake", "Superseded"]


def test_a_shift_starts_from_the_step_before_it_and_from_nowhere_else():
    rollout = plan()
    assert {"serviceB": 75, "serviceBv2": 25} in weights_before(rollout, 1)
    assert {"serviceB": 50, "serviceBv2": 50} in weights_before(rollout, 1)
    assert PRESENT not in weights_before(rollout, 1)
    assert PRESENT in weights_before(rollout, 0)


def test_the_way_back_is_open_from_whatever_the_rollout_wrote():
    rollout = plan()
    for written in (PRESENT, {"serviceB": 75, "serviceBv2": 25}, {"serviceB": 50, "serviceBv2": 50}):
        assert written in weights_written(rollout, 1)
    assert {"serviceB": 60, "serviceBv2": 40} not in weights_written(rollout, 1)


@pytest.mark.parametrize("weights", [PRESENT, {"serviceB": 60, "serviceBv2": 40}])
def test_a_route_that_somebody_set_during_a_bake_is_left_as_it_is(weights):
    assert walk(plan(), GOOD, weights=weights) == ["Frozen"]


def test_a_task_on_its_way_makes_the_bake_longer():
    assert walk(plan(), PENDING, GOOD, GOOD, GOOD, GOOD) == ["Bake", "Bake", "Shift", "Shift", "Promoted"]


def test_a_step_that_is_held_waits_between_its_checks_even_if_it_bakes_for_no_time():
    rollout = plan(steps=[{"weight": 50}])
    held = decide(rollout, start_position(rollout, 0), PENDING, rollout["steps"][0]["weights"])
    assert held.position["waitSeconds"] == 30


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": [{"weight": weight} for weight in range(5, 100, 5)], "deadlineSeconds": 300},
        {"steps": [{"weight": weight, "bakeSeconds": 40} for weight in (10, 20, 30)], "deadlineSeconds": 125},
    ],
)
def test_every_policy_that_is_accepted_can_promote(fields):
    assert walk(plan(**fields), *[GOOD] * 60)[-1] == "Promoted"


def test_time_spent_waiting_for_its_turn_counts():
    rollout = plan(deadlineSeconds=100)
    late = decide(rollout, start_position(rollout, 100), PENDING, rollout["steps"][0]["weights"])
    assert late.outcome == "Rolled Back"


def test_a_node_that_carries_all_of_an_unusual_total_has_no_steps():
    assert plan_steps({"serviceB": 0, "serviceBv2": 1}, "serviceBv2", policy()) == []
    steps = plan_steps({"serviceB": 1, "serviceBv2": 0}, "serviceBv2", policy())
    assert [step["weights"]["serviceBv2"] for step in steps] == [25, 50, 100]
