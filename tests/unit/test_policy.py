import json
import re

import pytest

from domain.errors import InvalidPolicy
from domain.policy import Step, parse_policy
from tests.template import state_machine


def parse(**fields):
    return parse_policy(json.dumps(fields))


def test_a_last_step_at_100_is_implied():
    assert parse(steps=[{"weight": 25, "bakeSeconds": 5}], finalBakeSeconds=9).steps == (Step(25, 5), Step(100, 9))


def test_no_steps_mean_all_at_once():
    assert parse().steps == (Step(100, 0),)


def test_a_written_last_step_bakes_as_long_as_the_longer_of_both():
    assert parse(steps=[{"weight": 100, "bakeSeconds": 5}], finalBakeSeconds=9).steps == (Step(100, 9),)


def test_defaults_are_careful():
    policy = parse()
    assert (policy.on_no_data, policy.on_failure, policy.failure_limit, policy.check_every_seconds) == (
        "hold",
        "rollback",
        1,
        30,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "the policy is not JSON"),
        ("[]", "policy: [] is not an object"),
        ('{"step": []}', "policy.step: not known here"),
        ('{"steps": 5}', "steps: 5 is not a list"),
        ('{"steps": [5]}', "steps[0]: 5 is not an object"),
        ('{"steps": [{}]}', "steps[0].weight: None is not a whole number from 1 to 100"),
        ('{"steps": [{"weight": 0}]}', "steps[0].weight: 0 is not"),
        ('{"steps": [{"weight": 150}]}', "steps[0].weight: 150 is not"),
        ('{"steps": [{"weight": true}]}', "steps[0].weight: True is not"),
        ('{"steps": [{"weight": 10}, {"weight": 10}]}', "steps[1].weight: 10 does not rise above 10"),
        ('{"steps": [{"weight": 10, "bakeSeconds": -1}]}', "steps[0].bakeSeconds: -1"),
        ('{"steps": [{"weight": 10, "gate": {}}]}', "steps[0].gate.timeoutSeconds: missing"),
        ('{"steps": [{"weight": 10, "gate": {"timeoutSeconds": 0}}]}', "steps[0].gate.timeoutSeconds: 0 is not"),
        (
            '{"steps": [{"weight": 10, "gate": {"timeoutSeconds": 9, "onTimeout": "wait"}}]}',
            "steps[0].gate.onTimeout: ",
        ),
        ('{"steps": [{"weight": 10, "gate": true}]}', "steps[0].gate: True is not an object"),
        (
            '{"steps": [{"weight": 10, "gate": {"timeoutSeconds": 604800}}, '
            '{"weight": 20, "gate": {"timeoutSeconds": 604800}}]}',
            "steps: the gates' time-outs, 1209600 seconds, and twice deadlineSeconds",
        ),
        ('{"checkEverySeconds": 0}', "checkEverySeconds: 0 is not"),
        ('{"failureLimit": 0}', "failureLimit: 0 is not"),
        ('{"onNoData": "ignore"}', "onNoData: 'ignore' is not one of pass, hold, fail"),
        ('{"onFailure": "panic"}', "onFailure: 'panic' is not one of"),
        ('{"cleanUp": "delete"}', "cleanUp: 'delete' is not one of retain, scale-to-zero"),
        ('{"checks": [{"alarm": ""}]}', "checks[0].alarm: '' is not the name"),
        ('{"finalBakeSeconds": 9000}', "deadlineSeconds: 7200 is less than the 9300 seconds"),
        ('{"checkEverySeconds": 1, "deadlineSeconds": 86400}', "checkEverySeconds: a check every 1 seconds"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_its_field(text, says):
    with pytest.raises(InvalidPolicy, match=re.escape(says)):
        parse_policy(text)


def test_a_rollout_that_waits_looks_as_often_as_an_executions_history_can_hold():
    assert parse_policy("{}").wait_seconds == 30
    slow = parse_policy('{"deadlineSeconds": 604800, "checkEverySeconds": 700}')
    assert slow.wait_seconds == 2016
    assert slow.deadline_seconds / slow.wait_seconds <= 300


def test_the_state_machine_lives_longer_than_the_longest_policy_and_a_pause_of_a_week():
    longest = 14 * 24 * 3600
    assert state_machine()["TimeoutSeconds"] >= longest + 7 * 24 * 3600
    assert state_machine()["States"]["Pause"]["TimeoutSeconds"] == 7 * 24 * 3600
