import json

import pytest

from domain.errors import Refused
from domain.health import Health
from domain.policy import parse_policy
from domain.rollout import START, decide, expected_weights, plan_steps

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


def walk(plan, *verdicts):
    """Feed verdicts to a plan and list what was decided."""
    position, decided = START, []
    for health in verdicts:
        decision = decide(plan, position, health)
        position = decision.position
        decided.append(decision.outcome or decision.what)
    return decided


GOOD, BAD, SILENT = Health(), Health(unhealthy=True, reason="in alarm"), Health(no_data=True, reason="no data")


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


def test_weights_that_neither_step_nor_snapshot_has_are_foreign():
    rollout = plan()
    assert {"serviceB": 60, "serviceBv2": 40} not in expected_weights(rollout, 1)
    assert {"serviceB": 75, "serviceBv2": 25} in expected_weights(rollout, 1)
    assert {"serviceB": 50, "serviceBv2": 50} in expected_weights(rollout, 1)
    assert {"serviceB": 0, "serviceBv2": 100} not in expected_weights(rollout, 1)
