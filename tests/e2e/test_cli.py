"""The installed command against local AWS: a rollout is shown, paused, resumed, taken back, and remembered."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.timeline import states_entered
from local.tutorial import Tutorial
from tests.e2e.conftest import wait_for

MESH, SERVICE = "commanded", "orders.commanded.local"
TAGS = {
    "meshift:mesh": MESH,
    "meshift:virtual-service": SERVICE,
    "meshift:hostname": SERVICE,
    "meshift:policy": "commanded",
}
COMMAND = Path(sys.executable).with_name("meshift")
SLOW = [{"weight": 25, "bakeSeconds": 120}]


@pytest.fixture(scope="module")
def tutorial(aws):
    made = Tutorial(aws.instance)
    made.mesh.create_mesh(meshName=MESH)
    made.write_policy("commanded", steps=[{"weight": 25, "bakeSeconds": 2}], finalBakeSeconds=1)
    first = made.create_service("commanded-v1", "orders:1", TAGS)
    made.outcome(first, "Nothing To Do", "Refused", known=1)
    return made


@pytest.fixture(scope="module")
def meshift(aws):
    """Run the command as a person does; its exit code and what it printed."""

    def run(*words, codes=(0,)):
        environment = {**os.environ, **aws.instance.environment()}
        ran = subprocess.run([COMMAND, *words], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode in codes, ran.stderr
        return ran.stdout

    return run


@pytest.fixture(scope="module")
def promoted(tutorial, meshift):
    """The second version, up to its promotion; what `meshift watch` said of it."""
    arn = tutorial.create_service("commanded-v2", "orders:2", TAGS)
    wait_for(lambda: json.loads(meshift("status", MESH, "--json")), seconds=60, every=0.5)
    said = meshift("watch", MESH, SERVICE)
    return arn, said


def test_watch_tells_each_change_and_ends_with_the_rollout(promoted):
    _, said = promoted
    *lines, last = said.splitlines()
    assert last == "Promoted: commanded-v2 carries all the traffic"
    assert any("step 1 of 2" in line and line.endswith("commanded-v1 75, commanded-v2 25") for line in lines)


def test_the_states_entered_are_those_that_the_policys_cost_counts(tutorial, promoted):
    """Waiting for the turn aside: how long Envoys take to know a node is no policy's business."""
    execution = tutorial.executions(promoted[0])[-1]
    pages = tutorial.states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
    events = [event for page in pages for event in page["events"]]
    entered = [each["stateEnteredEventDetails"]["name"] for each in events if "stateEnteredEventDetails" in each]
    counted = states_entered(json.loads(tutorial_plan(tutorial))["steps"])
    turns = entered.count("Wait Its Turn")
    assert entered[:4] + entered[4 + 3 * turns :] == counted


def tutorial_plan(tutorial):
    """The plan that the history has of the promoted rollout."""
    items = tutorial.dynamodb.query(
        TableName=tutorial.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"virtualService#{MESH}#{SERVICE}"}, ":sk": {"S": "history#"}},
    )["Items"]
    return next(item["document"]["S"] for item in items if item["sk"]["S"].endswith("#plan"))


def test_a_rollout_is_paused_resumed_and_taken_back_and_history_knows_who(tutorial, meshift, promoted):
    tutorial.write_policy("commanded", steps=SLOW, deadlineSeconds=300)
    assert json.loads(meshift("retry", MESH, SERVICE, "--json"))["signal"] == "retry"
    tutorial.outcome(promoted[0], "Nothing To Do", "Refused", known=2)
    known = len(tutorial.executions(tutorial.service("commanded-v1")["serviceArn"]))
    meshift("start", "apps", "commanded-v1")

    def status():
        return json.loads(meshift("status", MESH, SERVICE, "--json"))

    (shown,) = wait_for(
        lambda: [each for each in status() if (each["weights"] or {}).get(SERVICE, {}).get("commanded-v1") == 25]
    )
    assert (shown["step"], shown["steps"], shown["virtualNode"]) == (1, 2, "commanded-v1")
    meshift("pause", MESH, SERVICE)
    (shown,) = wait_for(lambda: [each for each in status() if each["state"] == "Pause"])
    assert shown["secondsToGo"] is None
    meshift("resume", MESH, SERVICE)
    (shown,) = wait_for(lambda: [each for each in status() if each["state"] == "Bake"])
    assert 0 < shown["secondsToGo"] <= 123
    meshift("abort", MESH, SERVICE)
    output = tutorial.outcome(
        tutorial.service("commanded-v1")["serviceArn"], "Rolled Back", "Promoted", "Refused", known=known
    )
    assert output["reason"] == "aborted by arn:aws:iam::111111111111:root"
    rows = json.loads(meshift("history", MESH, SERVICE, "--json"))
    assert [row["why"] for row in rows if row["what"] == "signal"][-3:] == ["pause", "resume", "abort"]
    back = [row for row in rows if row["what"] == "weights"][-1]
    assert back["document"]["to"] == {"commanded-v1": 0, "commanded-v2": 100}
    assert back["why"] == "back to the weights before: aborted by arn:aws:iam::111111111111:root"
    assert back["who"] == "arn:aws:iam::111111111111:root (abort)"


def test_what_is_refused_has_no_stack_trace(meshift, aws):
    environment = {**os.environ, **aws.instance.environment()}
    ran = subprocess.run(
        [COMMAND, "pause", MESH, "nobody"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"meshift pause: refused (404): no rollout of nobody in mesh {MESH} is at work\n"


def test_doctor_finds_the_stack_whole(meshift):
    """Whatever policies and refusals other tests have left behind."""
    found = {each["what"]: each["level"] for each in json.loads(meshift("doctor", "--json", codes=(0, 1)))}
    assert found["OperateUrl takes requests with these credentials"] == found["mesh apps is there"] == "ok"
    assert not [what for what in found if what.startswith("stack meshift has no output")]
