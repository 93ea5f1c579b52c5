"""The shape of the fleet machine, and what local AWS makes of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonata
import pytest

from domain.fleet import BROUGHT_IN, FAILED
from local.definitions import inline
from tests.template import fleet_machine, resources, statements, template
from tests.unit.test_state_machine import expressions, targets

MACHINE = fleet_machine()
MAP = MACHINE["States"]["Bring In Wave"]
CHILD = MAP["ItemProcessor"]
LEVELS = {"fleet": MACHINE, "wave": CHILD}
TASKS = [(level, name) for level, each in LEVELS.items() for name, s in each["States"].items() if s["Type"] == "Task"]


@pytest.mark.parametrize("level", LEVELS)
def test_every_target_exists_and_every_state_can_be_reached(level):
    states, reached, waiting = LEVELS[level]["States"], set(), {LEVELS[level]["StartAt"]}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= targets(states[name]) - reached
    assert reached == set(states)


def test_what_does_not_come_to_its_end_is_a_failed_execution():
    ends = {name: s["Type"] for name, s in MACHINE["States"].items() if not targets(s)}
    assert ends == {"Planned": "Succeed", BROUGHT_IN: "Succeed", "Stopped": "Fail", "Refused": "Fail"}


@pytest.mark.parametrize(("level", "name"), TASKS)
def test_every_task_has_an_end_a_second_try_and_a_catch(level, name):
    state = LEVELS[level]["States"][name]
    *_, retry = state["Retry"]
    assert (retry["ErrorEquals"], retry["JitterStrategy"]) == (["States.ALL"], "FULL")
    (catch,) = state["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    if state["Resource"].endswith("lambda:invoke"):
        assert state["TimeoutSeconds"] > template()["Globals"]["Function"]["Timeout"]


def test_a_service_that_fails_stops_nobody_in_the_middle_of_a_wave():
    assert MAP["ToleratedFailurePercentage"] == 100
    assert f"'outcome': '{FAILED}'" in CHILD["States"]["Bring In"]["Catch"][0]["Output"]
    assert MAP["Catch"][0]["Next"] == "Plan Wave"


def test_on_aws_every_service_has_an_execution_of_its_own_and_locally_the_same_child_runs_inline():
    assert CHILD["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    local = inline(MACHINE)["States"].pop("Bring In Wave")
    assert local["ItemProcessor"]["ProcessorConfig"] == {"Mode": "INLINE"}
    assert local["ItemProcessor"]["States"] == CHILD["States"]
    assert {**inline(MACHINE)["States"], "Bring In Wave": MAP} == MACHINE["States"]
    assert CHILD["ProcessorConfig"]["Mode"] == "DISTRIBUTED"


@pytest.mark.parametrize("expression", expressions(MACHINE["States"]))
def test_every_expression_is_jsonata(expression):
    jsonata.Jsonata(expression)


def test_the_execution_comes_to_no_end_of_its_history_before_ten_thousand_services():
    """Events of one turn: five of Plan Wave, two of the choice, four of the map; AWS keeps 25,000."""
    assert 25_000 // (5 + 2 + 4) * 5 > 10_000


def test_the_machine_may_do_what_its_states_do_and_start_executions_of_itself_only():
    roles, policies = resources("AWS::IAM::Role"), resources("AWS::IAM::Policy")
    granted = statements(roles["FleetStateMachineRole"]) + statements({"Properties": {"Policies": [
        policies["FleetWavesPolicy"]["Properties"]]}})  # fmt: skip
    scoped = {json.dumps(each["Action"]): each["Resource"] for each in granted if each["Resource"] != "*"}
    assert scoped['"states:StartExecution"'] == {"Ref": "FleetStateMachine"}
    invoked = {each["Fn::GetAtt"][0] for each in scoped['"lambda:InvokeFunction"']}
    properties = template()["Resources"]["FleetStateMachine"]["Properties"]
    assert set(properties["DefinitionSubstitutions"]) == set(re.findall(r"\$\{(\w+)\}", json.dumps(MACHINE)))
    assert invoked == {"PlanWaveFunction", "BringInFunction"}
    assert scoped['"sns:Publish"'] == {"Ref": "NotificationTopic"}


def test_the_definition_is_clean_for_cfn_lint_as_a_whole(tmp_path):
    arn = "arn:aws:lambda:us-east-1:111111111111:function:f:1"
    text = re.sub(r"\$\{(\w+)\}", arn, json.dumps(MACHINE))
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::111111111111:role/x", "DefinitionString": text},
    }
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"Machine": machine}}))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "us-east-1", "--", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
