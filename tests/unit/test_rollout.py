import json

import pytest

from domain.health import Health
from domain.operations import Signal
from domain.planning import plan_steps
from domain.policy import parse_policy
from domain.rollout import decide, foreign_edits, start_position, weights_before, weights_written

PRESENT = {"route": {"serviceB": 100, "serviceBv2": 0}}


def policy(**fields):
    return parse_policy(
        json.dumps({"steps": [{"weight": 25, "bakeSeconds": 60}, {"weight": 50, "bakeSeconds": 0}], **fields})
    )


def plan(**fields):
    rules = policy(**fields)
    return {
        "candidate": "serviceBv2",
        "before": PRESENT,
        "routes": ["route"],
        "steps": plan_steps(PRESENT, "serviceBv2", rules, 0.02),
        "checkEverySeconds": rules.check_every_seconds,
        "deadlineSeconds": rules.deadline_seconds,
        "failureLimit": rules.failure_limit,
        "onNoData": rules.on_no_data,
        "onFailure": rules.on_failure,
        "cleanUp": rules.clean_up,
    }


def walk(plan, *verdicts, weights=None):
    """Feed verdicts to a plan, the route having the step's weights, and list what was decided."""
    position, decided = start_position(plan), []
    for health in verdicts:
        if decided and decided[-1] not in ("Bake", "Shift"):
            break
        decision = decide(plan, position, health, weights or plan["steps"][position["step"]]["weights"])
        position = decision.position
        decided.append(decision.outcome or decision.what)
    return decided


GOOD = Health(healthy=2)
BAD, SILENT = Health(unhealthy=True, reason="in alarm"), Health(no_data=True, reason="no data", healthy=2)
PENDING = Health(pending=True, reason="1 of 2 tasks", healthy=1)


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


def at(stable, candidate):
    return {"route": {"serviceB": stable, "serviceBv2": candidate}}


def test_a_shift_starts_from_the_step_before_it_and_from_nowhere_else():
    rollout = plan()
    first = start_position(rollout)
    second = {**first, "step": 1, "from": 0}
    assert weights_before(rollout, first) == [PRESENT, at(75, 25)]
    assert weights_before(rollout, second) == [at(75, 25), at(50, 50)]


def test_the_way_back_is_open_from_whatever_the_rollout_wrote():
    rollout = plan()
    written = weights_written(rollout, {"step": 1, "from": 0})
    assert written == [PRESENT, at(75, 25), at(50, 50)]
    assert foreign_edits(at(60, 40), written) == at(60, 40)


def test_a_retry_between_two_routes_is_no_foreign_edit():
    """The first route was written, the answer for the second was lost."""
    before = {"a": {"v1": 100, "v2": 0}, "b": {"v1": 90, "v2": 10}}
    step = {"a": {"v1": 75, "v2": 25}, "b": {"v1": 75, "v2": 25}}
    assert foreign_edits({"a": step["a"], "b": before["b"]}, [before, step]) == {}
    assert foreign_edits({"a": step["a"], "b": {"v1": 1, "v2": 99}}, [before, step]) == {"b": {"v1": 1, "v2": 99}}


@pytest.mark.parametrize("weights", [PRESENT, {"route": {"serviceB": 60, "serviceBv2": 40}}])
def test_a_route_that_somebody_set_during_a_bake_is_left_as_it_is(weights):
    assert walk(plan(), GOOD, weights=weights) == ["Frozen"]


def test_a_task_on_its_way_makes_the_bake_longer():
    assert walk(plan(), PENDING, GOOD, GOOD, GOOD, GOOD) == ["Bake", "Bake", "Shift", "Shift", "Promoted"]


def test_a_step_that_is_held_waits_between_its_checks_even_if_it_bakes_for_no_time():
    rollout = plan(steps=[{"weight": 50}])
    held = decide(rollout, start_position(rollout), PENDING, rollout["steps"][0]["weights"])
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


def test_what_aws_did_not_say_makes_the_bake_longer_and_counts_for_the_deadline():
    rollout = plan(deadlineSeconds=100)
    unknown, weights = Health(unknown=True, reason="AWS throttles"), rollout["steps"][0]["weights"]
    held = decide(rollout, start_position(rollout), unknown, weights)
    assert (held.what, held.position["slice"], held.position["failures"]) == ("Bake", 0, 0)
    skipping = decide(rollout, held.position, unknown, weights, Signal("1", "skip-wait", "ann"))
    assert (skipping.what, skipping.position["skip-wait"]) == ("Bake", True), "it counts when something is known again"
    late = {**held.position, "elapsedSeconds": 100}
    assert decide(rollout, late, unknown, weights).outcome == "Rolled Back"


def after(signal, position=None, health=GOOD, rollout=None):
    rollout = rollout or plan()
    position = position or start_position(rollout)
    return decide(rollout, position, health, rollout["steps"][position["step"]]["weights"], signal)


def signal(name, number=1):
    return Signal(str(number), name, "arn:aws:iam::111111111111:user/ann")


def test_abort_takes_the_traffic_back_whatever_the_health():
    for health in (GOOD, BAD, PENDING, SILENT):
        decision = after(signal("abort"), health=health)
        assert (decision.what, decision.outcome) == ("Roll Back", "Rolled Back")
        assert decision.reason == "aborted by arn:aws:iam::111111111111:user/ann"


def test_a_pause_keeps_the_position_and_its_time_does_not_count():
    paused = after(signal("pause"))
    assert paused.what == "Pause"
    resumed = after(signal("resume", 2), paused.position)
    assert (resumed.what, resumed.position["slice"]) == ("Bake", 0)
    assert resumed.position["elapsedSeconds"] == paused.position["elapsedSeconds"]
    assert "paused" not in resumed.position


def test_a_signal_counts_once():
    paused = after(signal("pause"))
    assert after(signal("pause"), paused.position).what == "Pause", "woken by something else, it stays paused"


def test_a_paused_rollout_still_sees_a_newer_deployment_and_a_foreign_edit():
    rollout = plan()
    paused = after(signal("pause")).position
    newer = Health(superseded=True, reason="newer")
    assert decide(rollout, paused, newer, at(75, 25), signal("pause")).outcome == "Superseded"
    assert decide(rollout, paused, GOOD, at(60, 40), signal("resume", 2)).outcome == "Frozen"


def test_skip_wait_ends_the_bake_of_one_step():
    decision = after(signal("skip-wait"))
    assert (decision.what, decision.position["step"]) == ("Shift", 1)
    assert after(signal("skip-wait"), decision.position).position["step"] == 2
    following = decide(plan(), decision.position, PENDING, at(50, 50), signal("skip-wait"))
    assert following.what == "Bake"


def test_a_signal_outlives_a_bad_check():
    for name in ("promote", "skip-wait"):
        bad = after(signal(name), health=BAD, rollout=plan(failureLimit=2))
        assert bad.what == "Bake"
        assert after(signal(name), bad.position, rollout=plan(failureLimit=2)).what == "Shift"


def test_skip_wait_does_not_skip_bad_health():
    assert after(signal("skip-wait"), health=BAD).outcome == "Rolled Back"


def test_promote_goes_to_the_last_step_and_its_bake_stays():
    rollout = plan(finalBakeSeconds=60)
    decision = after(signal("promote"), rollout=rollout)
    assert (decision.what, decision.position["step"], decision.position["from"]) == ("Shift", 2, 0)
    assert weights_before(rollout, decision.position) == [at(75, 25), at(0, 100)]
    assert after(signal("promote"), decision.position, rollout=rollout).what == "Bake"


def test_a_step_waits_for_tasks_enough_for_its_weight():
    rollout = plan()
    rollout["steps"][1]["tasks"] = 5
    position = {**start_position(rollout), "slice": 1}
    held = after(None, position, Health(healthy=4), rollout)
    assert (held.what, held.reason) == ("Bake", "4 of the 5 tasks run that the next step's weight needs")
    assert held.position["waitSeconds"] == 30
    assert after(None, held.position, Health(healthy=5), rollout).what == "Shift"


def test_promote_waits_for_tasks_enough_too():
    rollout = plan()
    rollout["steps"][2]["tasks"] = 3
    held = after(signal("promote"), health=Health(healthy=2), rollout=rollout)
    assert held.what == "Bake"
    assert after(signal("promote"), held.position, Health(healthy=3), rollout).position["step"] == 2
