"""The shape of the state machine: what holds for any path through it."""

import json
import re
import sys
from pathlib import Path

import jsonata
import pytest

from domain.outcome import OUTCOMES
from tests.template import state_machine, template

STATES = state_machine()["States"]
TIMEOUTS = [
    template()["Globals"]["Function"]["Timeout"],
    template()["Resources"]["CleanUpFunction"]["Properties"]["Timeout"],
]
TASKS = [name for name, state in STATES.items() if state["Type"] == "Task"]


def targets(state):
    """Every state that a state can lead to."""
    found = {state[key] for key in ("Next", "Default") if key in state}
    return found | {each["Next"] for key in ("Choices", "Catch") for each in state.get(key, [])}


def expressions(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [found for each in value for found in expressions(each)]
    match = re.fullmatch(r"\{%(.*)%\}", value, re.DOTALL) if isinstance(value, str) else None
    return [match[1]] if match else []


def test_every_target_exists_and_every_state_can_be_reached():
    reached, waiting = set(), {state_machine()["StartAt"]}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= targets(STATES[name]) - reached
    assert reached == set(STATES)


def test_the_endings_are_the_outcomes():
    assert {name for name, state in STATES.items() if not targets(state)} == set(OUTCOMES)


def test_only_a_failed_roll_back_ends_in_failure():
    assert [name for name, state in STATES.items() if state["Type"] == "Fail"] == ["Roll Back Failed"]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_an_end_a_second_try_and_a_catch_that_keeps_its_input(name):
    state = STATES[name]
    if name != "Gate":  # it waits for as long as the position says, and is entered again
        assert state["TimeoutSeconds"] > max(TIMEOUTS)
    *_, retry = state["Retry"]
    assert retry["ErrorEquals"] == ["States.ALL"]
    assert retry["JitterStrategy"] == "FULL"
    *_, catch = state["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert catch["Output"].startswith("{% $merge([$states.input, ")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_its_input_beside_what_it_learned(name):
    assert STATES[name]["Output"].startswith("{% $merge([$states.input, ")


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state["Type"] == "Choice"])
def test_choices_are_questions_with_a_default(name):
    assert name.endswith("?")
    assert STATES[name]["Default"]


def test_substitutions_of_the_template_and_of_the_definition_match():
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps(state_machine())))
    assert used == set(template()["Resources"]["RolloutStateMachine"]["Properties"]["DefinitionSubstitutions"])


@pytest.mark.parametrize("expression", expressions(STATES))
def test_every_expression_is_jsonata(expression):
    jsonata.Jsonata(expression)


def test_the_comment_tells_the_story():
    assert len(state_machine()["Comment"]) > 100


def test_the_definition_is_clean_for_cfn_lint_as_a_whole(tmp_path):
    """cfn-lint does not look inside DefinitionUri, so the definition is put where it does."""
    import subprocess

    substitutions = {
        name: f"arn:aws:lambda:us-east-1:111111111111:function:{name}:1"
        for name in re.findall(r"\$\{(\w+)\}", json.dumps(state_machine()))
    }
    # cfn-lint knows numbers only; Step Functions takes an expression (developer guide, "Task workflow state").
    text = json.dumps(state_machine()).replace(json.dumps(STATES["Gate"]["TimeoutSeconds"]), "60")
    for name, arn in substitutions.items():
        text = text.replace(f"${{{name}}}", arn)
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::111111111111:role/x", "DefinitionString": text},
    }
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"Machine": machine}}))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "us-east-1", "--", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
