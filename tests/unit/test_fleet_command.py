"""What `meshift fleet` reads off an execution's history, and how it says it."""

import json
from types import SimpleNamespace

import pytest

from meshift.fleet import line, lines
from meshift.fleet_history import Follower

ARN = "arn:aws:ecs:us-east-1:111111111111:service/apps/web"
JUDGED = {"service": ARN, "action": "Inject", "reason": "web:1 gets Envoy beside app"}
SETTLED = {"service": ARN, "outcome": "Failed", "reason": "ECS rolled the service back to web:1", "turns": 3}
TALLY = {"services": 1, "failed": 1, "failures": []}


def exited(number, name, output):
    return {"id": number, "stateExitedEventDetails": {"name": name, "output": json.dumps(output)}}


HISTORY = [
    {"id": 1, "type": "ExecutionStarted"},
    exited(2, "Plan Wave", {"services": [JUDGED]}),
    exited(3, "Bring In Wave", {"results": [SETTLED], "services": [JUDGED]}),
    exited(4, "Plan Wave", {"services": []}),
]


def follower(found, pages=((HISTORY[:2], HISTORY[2:]),)):
    """Follow an execution that is described so, whose history is asked for again and again."""
    asked = iter(pages)
    paginator = SimpleNamespace(paginate=lambda **_: [{"events": events} for events in next(asked)])
    states = SimpleNamespace(describe_execution=lambda **_: found, get_paginator=lambda _: paginator)
    return Follower(states, "arn:execution")


def test_what_was_judged_and_what_settled_is_read_once():
    running = follower({"status": "RUNNING"}, [[HISTORY[:2]], [HISTORY]])
    assert running.look() is False
    assert (running.new_services, running.new_results) == ([JUDGED], [])
    assert running.look() is False
    assert running.new_services == []
    assert running.new_results == [{key: SETTLED[key] for key in ("service", "outcome", "reason")}]
    assert (len(running.services), len(running.results)) == (1, 1)


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (
            {"status": "SUCCEEDED", "output": json.dumps({"outcome": "Brought In", "reason": "all", "tally": TALLY})},
            "Brought In",
            "all",
        ),
        (
            {"status": "FAILED", "error": "Stopped", "cause": json.dumps({"outcome": "Stopped", "reason": "wave 1"})},
            "Stopped",
            "wave 1",
        ),
        ({"status": "FAILED", "error": "Refused", "cause": "wave: 0 is not …"}, "Refused", "wave: 0 is not …"),
        ({"status": "ABORTED"}, "ABORTED", ""),
    ],
)
def test_an_end_is_read_off_the_output_or_the_cause(found, outcome, reason):
    ended = follower(found)
    assert ended.look() is True
    assert (ended.end["outcome"], ended.end["reason"]) == (outcome, reason)


def test_each_service_is_a_line_with_what_and_why():
    ended = follower({"status": "ABORTED"})
    assert list(lines(ended)) == [
        "Inject         apps/web  web:1 gets Envoy beside app",
        "Failed         apps/web  ECS rolled the service back to web:1",
    ]
    assert line({"service": ARN}, "outcome").split() == ["Failed", "apps/web"]
