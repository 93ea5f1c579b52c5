"""The definition, walked as Step Functions walks it: every answer and every error of every task, to an end.

What a task may answer is read off the question that follows it, so a new state or outcome is walked as soon as it is
there. The real functions walk it in `tests/integration/test_flows.py`.
"""

import itertools
import json
import re
from collections import Counter, defaultdict, deque
from functools import partial

import pytest

from domain.outcome import OUTCOMES
from tests.asl import Call, TaskFailed, walk
from tests.template import state_machine

DEFINITION = state_machine()
STATES = DEFINITION["States"]
TASKS = [name for name, state in STATES.items() if state["Type"] == "Task"]
DOCUMENT = {"service": "arn", "cluster": "apps", "deployment": "ecs-svc/1"}
ANSWER = {
    "outcome": "Something Else",
    "reason": "a reason",
    "waitSeconds": 1,
    "shifted": True,
    "subject": {"virtualService": "b"},
    "position": {"step": 0, "waitSeconds": 1, "signal": None},
}
LITERAL = re.compile(r"\$states\.input\.([\w.]+) !?= '([^']*)'")
EXISTS = re.compile(r"\$exists\(\$states\.input\.([\w.]+)\)")
BARE = re.compile(r"\{% \$states\.input\.(\w+) %\}")
ERRORS = ("States.Timeout", "Lambda.Unknown", "RuntimeError", "States.QueryEvaluationError")
MOST_CALLS = 60


def set_in(document, path, value):
    """Give back a document with one more field, by its dotted path."""
    name, _, rest = path.partition(".")
    return {**document, name: set_in(document.get(name) or {}, rest, value) if rest else value}


def answers(task):
    """Every answer that the question after a task tells from the others, and one that it does not know."""
    question = STATES[STATES[task]["Next"]]
    if question["Type"] != "Choice":
        return [ANSWER]
    text = json.dumps(question["Choices"])
    if "'result': $states.result.Payload" in STATES[task]["Output"]:
        text = text.replace("$states.input.result.", "$states.input.")
    values = {path: {"Something Else"} for path, _ in LITERAL.findall(text)}
    for path, value in LITERAL.findall(text):
        values[path].add(value)
    asked = [[(path, each) for each in sorted(found)] for path, found in values.items()]
    asked += [[(path, True), (path, False)] for path in sorted(set(BARE.findall(text)))]
    asked += [[(path, {}), (None, None)] for path in sorted(set(EXISTS.findall(text)))]
    found = []
    for chosen in itertools.product(*asked):
        document = ANSWER
        for path, value in chosen:
            document = set_in(document, path, value) if path else document
        found.append(document)
    return found


# What can become of each task: an answer, or an error.
WAYS = {task: [*answers(task), *ERRORS] for task in TASKS}


class Ways:
    """Which ways were gone, and to which task each led."""

    def __init__(self):
        self.gone, self.leads = Counter(), defaultdict(set)

    def left(self, task):
        return [way for way in range(len(WAYS[task])) if not self.gone[task, way]]

    def chosen(self, task):
        """A way that was never gone; else the first of the shortest way to a task that has one left."""
        if self.left(task):
            return self.left(task)[0]
        queue, seen = deque((way, task, way) for way in range(len(WAYS[task]))), {task}
        while queue:
            first, at, way = queue.popleft()
            for following in sorted(self.leads[at, way] - seen):
                seen.add(following)
                if self.left(following):
                    return first
                queue.extend((first, following, each) for each in range(len(WAYS[following])))
        return len(WAYS[task]) - 1  # errors lead to an end


class Walk:
    """One execution, at each task on a way that was not gone yet."""

    def __init__(self, ways):
        self.path, self.inputs, self.calls, self.slept = [], [], 0, 0.0
        self.ways, self.visit, self.way, self.before = ways, 0, 0, None
        steps = walk(
            DEFINITION, DOCUMENT, "arn:aws:states:us-east-1:111111111111:execution:rollout:x-1", self.path, self.inputs
        )
        step = next(steps)
        while True:
            try:
                step = self.answer(steps, step) if isinstance(step, Call) else self.sleep(steps, step)
            except StopIteration as stop:
                self.ending = stop.value
                return

    def answer(self, steps, call):
        assert call.seconds is not None, f"{call.state} has no bound"
        self.calls += 1
        assert self.calls < 1000, f"no end in sight: {self.path[-20:]}"
        if self.visit != len(self.path):  # else it is a retry, and goes the same way
            if self.before:
                self.ways.leads[self.before].add(call.state)
            self.visit = len(self.path)
            self.way = self.ways.chosen(call.state) if self.calls < MOST_CALLS else len(WAYS[call.state]) - 1
            self.before = call.state, self.way
            self.ways.gone[self.before] += 1
        way = WAYS[call.state][self.way]
        if isinstance(way, str):
            return steps.throw(TaskFailed(way, "a cause"))
        return steps.send({"Payload": way})

    def sleep(self, steps, step):
        self.slept += step.seconds
        return steps.send(None)


@pytest.fixture(scope="module")
def walks():
    ways, found = Ways(), []
    while any(ways.left(task) for task in TASKS):
        found.append(Walk(ways))
        assert len(found) < 500, f"never reached: {[task for task in TASKS if ways.left(task)]}"
    return found


def test_every_walk_ends_and_in_an_outcome(walks):
    for each in walks:
        assert each.ending.state in OUTCOMES, (each.ending, each.path)
        assert (each.ending.status == "FAILED") == (each.ending.state == "Roll Back Failed")


def test_every_state_is_entered_and_every_way_out_is_taken(walks):
    taken = {pair for each in walks for pair in itertools.pairwise(each.path)}
    ways = {
        (name, each)
        for name, state in STATES.items()
        for each in (
            *(state[key] for key in ("Next", "Default") if key in state),
            *(rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, ())),
        )
    }
    assert taken == ways
    assert {name for each in walks for name in each.path} == set(STATES)


def test_nothing_that_was_learned_is_lost_on_the_way_not_even_by_a_catch(walks):
    for each in walks:
        steps = zip(each.path, each.inputs, each.inputs[1:], strict=False)
        for name, before, after in steps:
            if name != "How Did It End?":
                assert before.keys() <= after.keys(), f"{name} loses {before.keys() - after.keys()}"


def test_every_ending_tells_an_outcome_and_a_reason(walks):
    for each in walks:
        assert each.ending.output["reason"], each.path
        if each.ending.status == "SUCCEEDED":
            assert each.ending.output["outcome"] == each.ending.state


@pytest.mark.parametrize(
    ("task", "lands"),
    [
        ("Join Mesh", "Refused"),
        ("Inject Envoy", "Refused"),
        ("Plan Rollout", "Refused"),
        ("Move Traffic Away", "Refused"),
        ("Shift Traffic", "Rolled Back"),
        ("Check Health", "Rolled Back"),
        ("Gate", "Rolled Back"),
        ("Pause", "Rolled Back"),
        ("Clean Up", "Promoted"),
        ("Roll Back", "Roll Back Failed"),
    ],
)
def test_the_error_of_a_task_lands_where_the_story_says(task, lands):
    """The task fails for good, everything else goes well."""

    def answer(call):
        if call.state == task:
            raise TaskFailed("RuntimeError", "a cause")
        if call.state == "Finish Rollout":
            return call.arguments["Payload"]
        return {"shifted": True, "reason": "the traffic is back"}

    ending = walked({**DOCUMENT, **ANSWER, "outcome": lands, "plan": {}, "turns": 0}, task, answer)
    assert ending.state == lands
    assert "a cause" in json.dumps(ending.output)


def test_every_error_of_every_task_is_among_those_whose_landing_is_told():
    told = {row[0] for row in test_the_error_of_a_task_lands_where_the_story_says.pytestmark[0].args[1]}
    assert told == set(TASKS) - {"Finish Rollout"}, "the error of Finish Rollout keeps the outcome, see below"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_that_cannot_be_recorded_is_the_outcome_all_the_same(outcome):
    def fail(call):
        raise TaskFailed("RuntimeError", "no table")

    ending = walked({**DOCUMENT, **ANSWER, "outcome": outcome}, "Finish Rollout", fail)
    assert ending.state == outcome
    assert "no table" in ending.output["reason"]


def walked(document, start, answer):
    """Walk from a state on; `answer` gives a call's payload or raises TaskFailed. Waits take no time."""
    steps = walk({**DEFINITION, "StartAt": start}, document, "x")
    act = lambda: next(steps)  # noqa: E731
    while True:
        try:
            step = act()
        except StopIteration as stop:
            return stop.value
        try:
            sent = {"Payload": answer(step)} if isinstance(step, Call) else None
        except TaskFailed as failed:
            act = partial(steps.throw, failed)
        else:
            act = partial(steps.send, sent)
