"""Hooks: what they are asked, when, and what their answers mean."""

from dataclasses import replace

import pytest

from domain.checks import FAIL, INCONCLUSIVE, PASS, Answer, Found, parse_check
from tests.unit.test_checks import WATCH

HOOK = parse_check({"hook": "meshift-hook-smoke", "details": {"suite": "short"}}, 1)


def after(payload, memory=None):
    return HOOK.remember(WATCH, memory, Answer(payload))


def test_it_is_asked_with_the_event_of_ecs():
    assert HOOK.event(WATCH, None) == {
        "executionId": "ecs-svc-1-1-0-1",
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "resourceArn": WATCH.execution,
        "executionDetails": {
            "serviceArn": "arn:service",
            "targetServiceRevisionArn": "arn:task:2",
            "testTrafficWeights": {},
            "productionTrafficWeights": {"serviceB": 90, "serviceBv2": 10},
            "mesh": "apps",
            "virtualService": "serviceb.apps.local",
            "virtualNode": "serviceBv2",
        },
        "hookDetails": {"suite": "short"},
    }
    assert HOOK.event(replace(WATCH, last=True), None)["lifecycleStage"] == "POST_PRODUCTION_TRAFFIC_SHIFT"


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        (Answer({"hookStatus": "SUCCEEDED"}), PASS, "answered SUCCEEDED"),
        (Answer({"hookStatus": "FAILED"}), FAIL, "answered FAILED"),
        (Answer({"hookStatus": "IN_PROGRESS"}), INCONCLUSIVE, "answered IN_PROGRESS"),
        (Answer({"hookStatus": "IN_PROGRESS", "callBackDelay": "soon"}), FAIL, "which holds no hookStatus"),
        (Answer({"hookStatus": "OK"}), FAIL, "answered \"{'hookStatus': 'OK'}\", which holds no hookStatus"),
        (Answer("SUCCEEDED"), FAIL, "which holds no hookStatus"),
        (Answer(None), FAIL, "which holds no hookStatus"),
        (Answer(error="failed: KeyError: 'x'"), FAIL, "hook meshift-hook-smoke failed: KeyError: 'x'"),
        (Answer(error="gave no answer within 20 seconds"), FAIL, "gave no answer within 20 seconds"),
        (Answer(unreached="could not be invoked: 429"), INCONCLUSIVE, "could not be invoked: 429"),
    ],
)
def test_answers_mean_what_they_mean_to_ecs(answer, expected, says):
    result = HOOK.judge(WATCH, Found(hooks={"1": HOOK.remember(WATCH, None, answer)}))
    assert result.verdict == expected
    assert says in result.reason


def test_it_is_asked_again_when_it_said():
    memory = after({"hookStatus": "IN_PROGRESS", "callBackDelay": 60})
    assert not HOOK.is_due(replace(WATCH, now=WATCH.now + 59), memory)
    assert HOOK.is_due(replace(WATCH, now=WATCH.now + 60), memory)
    assert after({"hookStatus": "IN_PROGRESS"})["after"] == WATCH.now + 30


def test_once_it_succeeded_it_is_not_asked_before_the_next_step():
    memory = after({"hookStatus": "SUCCEEDED"})
    assert not HOOK.is_due(WATCH, memory)
    assert HOOK.is_due(replace(WATCH, step=1), memory)


def test_one_that_failed_is_asked_again_at_the_next_check():
    assert HOOK.is_due(WATCH, after({"hookStatus": "FAILED"}))


def test_what_it_leaves_is_handed_back_to_it_within_a_step():
    memory = after({"hookStatus": "IN_PROGRESS", "hookDetails": {"count": 1}})
    memory = after({"hookStatus": "IN_PROGRESS", "hookDetails": {"suite": "long"}}, memory)
    assert HOOK.event(WATCH, memory)["hookDetails"] == {"suite": "long", "count": 1}
    assert HOOK.event(replace(WATCH, step=1), memory)["hookDetails"] == {"suite": "short"}
