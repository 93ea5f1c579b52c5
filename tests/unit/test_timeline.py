"""What a policy means in time and in state transitions: the count is that of the state machine's own definition."""

import itertools
import json

import pytest

from domain.checks import calls
from domain.health import Health
from domain.operations import Signal
from domain.planning import plan_steps
from domain.policy import parse_policy
from domain.rollout import decide, start_position, weights_before
from domain.timeline import cost, seconds_to_go, states_entered, steps_of, timeline
from tests.template import ROOT, state_machine, template

STATES = state_machine()["States"]
DEFAULT = template()["Resources"]["DefaultPolicy"]["Properties"]["Value"]
POLICIES = {
    "default": DEFAULT,
    "nothing but the end": '{"steps": []}',
    "no bake": '{"steps": [{"weight": 50}]}',
    "gates": json.dumps(
        {
            "steps": [
                {"weight": 10, "gate": {"timeoutSeconds": 50, "onTimeout": "proceed"}},
                {"weight": 20, "gate": {"timeoutSeconds": 9000, "onTimeout": "proceed"}},
            ]
        }
    ),
    "odd slices": '{"steps": [{"weight": 10, "bakeSeconds": 100}], "finalBakeSeconds": 31, "checkEverySeconds": 30}',
}


def following(name):
    """The states that a state can lead to when nothing fails."""
    state = STATES[name]
    return {state[key] for key in ("Next", "Default") if key in state} | {e["Next"] for e in state.get("Choices", [])}


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("clean_up", [True, False])
@pytest.mark.parametrize("gates_wait", [True, False])
def test_the_states_are_a_way_through_the_state_machine(text, clean_up, gates_wait):
    path = states_entered(steps_of(parse_policy(text)), clean_up, gates_wait)
    assert path[0] == state_machine()["StartAt"]
    for earlier, later in itertools.pairwise(path):
        assert later in following(earlier), f"{earlier} does not lead to {later}"
    assert not following(path[-1])


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_the_checks_are_as_many_as_the_rollout_asks_for(text, approved):
    """The rollout's own decisions, check after check, lead through the same states."""
    policy = parse_policy(text)
    before = {"r": {"v1": 100, "v2": 0}}
    plan = {
        "steps": plan_steps(before, "v2", policy, 0),
        "before": before,
        "candidate": "v2",
        "routes": ["r"],
        "checkEverySeconds": policy.check_every_seconds,
        "deadlineSeconds": policy.deadline_seconds,
        "failureLimit": policy.failure_limit,
        "onNoData": policy.on_no_data,
        "onFailure": policy.on_failure,
        "cleanUp": policy.clean_up,
    }
    position, path = start_position(plan), []
    what = "Gate" if "gate" in position else "Shift"
    while what in ("Shift", "Bake", "Gate"):
        path += {"Shift": ["Shift Traffic", "Was Traffic Shifted?", "Bake"]}.get(what, [what])
        path += ["Check Health", "What Now?"]
        weights = weights_before(plan, position)[0 if "gate" in position else 1]
        signal = Signal(str(len(path)), "approve", "ann") if what == "Gate" and approved else None
        decision = decide(plan, position, Health(healthy=9), weights, signal)
        what, position = decision.what, decision.position
    assert what == "Promote"
    assert states_entered(steps_of(policy), gates_wait=not approved)[6:-4] == path


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_an_invocation_is_a_task_of_the_state_machine(text):
    path = states_entered(steps_of(parse_policy(text)))
    assert cost(path, {}).invocations == sum(STATES[name]["Type"] == "Task" for name in path)


def test_the_default_policy_takes_and_costs_what_the_readme_says():
    policy = parse_policy(DEFAULT)
    found = cost(states_entered(steps_of(policy)), calls(policy.checks))
    takes = (
        f"{found.transitions} state transitions, {found.invocations} invocations, {found.cloudwatch_calls} CloudWatch"
    )
    assert f"{takes} calls: ${found.usd:.4f}" in (ROOT / "README.md").read_text()
    assert found.transitions == 136


def test_the_timeline_counts_bakes_as_the_state_machine_waits_for_them():
    found = timeline(steps_of(parse_policy(DEFAULT)))
    assert [(each["at"], each["weight"], each["bakeSeconds"], each["checks"]) for each in found] == [
        (0, 10, 300, 10),
        (300, 50, 300, 10),
        (600, 100, 600, 20),
    ]


def test_a_rollout_that_begins_takes_as_long_as_its_timeline():
    steps = steps_of(parse_policy(DEFAULT))
    begun, last = {"step": 0, "slice": 0}, {"step": 2, "slice": 20}
    assert (seconds_to_go(steps, begun), seconds_to_go(steps, begun, 25.5), seconds_to_go(steps, last)) == (
        1200,
        1175,
        0,
    )


def test_alarms_are_asked_for_with_the_plan_and_at_each_check():
    text = json.dumps({**json.loads(DEFAULT), "checks": [{"alarm": "a"}]})
    assert cost(states_entered(steps_of(parse_policy(text))), {"DescribeAlarms": 1}).cloudwatch_calls == 41
