"""The state machine's definition, walked: what Step Functions does with it, in the time that the caller keeps.

`walk` is a generator that yields what an execution waits for, so that many of them can go on side by side:

    Sleep(seconds)          a Wait, or the pause before a Retry; send None
    Call(resource, arguments, state, seconds)
                            a Task; send its result, or throw TaskFailed
    Wave(definition, items, state)
                            a distributed Map; send the outputs of its children's executions, None for one that failed
It returns how the execution ended. Only what Meshift's definitions use is known: JSONata; Task, Choice, Wait, Pass,
Map, Succeed, Fail; Assign, Retry, Catch. Source: https://states-language.net and the Step Functions developer guide.
"""

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import jsonata

Definition = Mapping[str, Any]
MOST_EVENTS, LARGEST_DOCUMENT = 25_000, 262_144
"""Step Functions' quotas: events of one execution's history, bytes of a state's output."""
_EVENTS = {"Task": 5, "Choice": 2, "Wait": 2, "Pass": 2, "Map": 4, "Succeed": 2, "Fail": 1}
_UNCATCHABLE = ("States.DataLimitExceeded", "States.Runtime")


class TaskFailed(Exception):
    """An error as Step Functions names it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Call:
    resource: str
    arguments: Any
    state: str
    seconds: float | None
    """The Task's own bound, TimeoutSeconds; None for none."""
    token: str = ""
    """By which a task that waits for it goes on."""


@dataclass(frozen=True)
class Wave:
    definition: Definition
    items: list[Any]
    state: str


@dataclass(frozen=True)
class Ending:
    status: str
    """SUCCEEDED or FAILED."""
    state: str
    output: Any
    events: int
    """How long its history is by then, as Step Functions counts."""
    error: str = ""


@dataclass
class _Walk:
    definition: Definition
    context: dict[str, Any]
    variables: dict[str, Any]
    events: int = 1
    token: int = 0


Step = Sleep | Call | Wave
Steps = Generator[Step, Any, Ending]


def walk(
    definition: Definition,
    document: Any,
    execution: str,
    path: list[str] | None = None,
    inputs: list[Any] | None = None,
) -> Steps:
    """Walk a definition with an input; `path` and `inputs` collect the states that were entered, and with what."""
    name = execution.rpartition(":")[2]
    walking = _Walk(definition, {"Execution": {"Id": execution, "Name": name, "Input": document}}, {})
    state, value = definition["StartAt"], document
    while True:
        if path is not None:
            path.append(state)
        if inputs is not None:
            inputs.append(value)
        known = definition["States"][state]
        walking.context["State"] = {"Name": state, "RetryCount": 0}
        walking.events += _EVENTS[known["Type"]]
        if walking.events > MOST_EVENTS:
            return Ending("FAILED", state, value, walking.events, "States.Runtime: the history is full")
        if known["Type"] == "Fail":
            cause = _evaluated(known.get("Cause", ""), walking, value)
            return Ending("FAILED", state, value, walking.events, f"{known.get('Error', '')}: {cause}")
        try:
            entered = value
            following, value = yield from _KINDS[known["Type"]](walking, state, known, value)
            if value is not entered and len(json.dumps(value)) > LARGEST_DOCUMENT:
                raise TaskFailed("States.DataLimitExceeded", f"the output of {state} is too large")
        except TaskFailed as failed:
            return Ending("FAILED", state, value, walking.events, str(failed))
        if following is None:
            return Ending("SUCCEEDED", state, value, walking.events)
        state = following


_Step = Generator[Step, Any, tuple[str | None, Any]]


def _pass(walking: _Walk, name: str, state: Definition, value: Any) -> _Step:
    yield from ()
    return _left(state, walking, value)


def _wait(walking: _Walk, name: str, state: Definition, value: Any) -> _Step:
    seconds = _evaluated(state["Seconds"], walking, value)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= 99_999_999:
        raise TaskFailed("States.QueryEvaluationError", f"{name} would wait for {seconds!r} seconds")
    yield Sleep(seconds)
    return _left(state, walking, value)


def _choice(walking: _Walk, name: str, state: Definition, value: Any) -> _Step:
    yield from ()
    for rule in state["Choices"]:
        chosen = _evaluated(rule["Condition"], walking, value)
        if not isinstance(chosen, bool):
            raise TaskFailed("States.QueryEvaluationError", f"{name}: {rule['Condition']} is {chosen!r}, no boolean")
        if chosen:
            return _left(rule, walking, value)
    if "Default" not in state:
        raise TaskFailed("States.NoChoiceMatched", name)
    return _left({**state, "Next": state["Default"]}, walking, value)


def _task(walking: _Walk, name: str, state: Definition, value: Any) -> _Step:
    tries: dict[int, int] = {}
    while True:
        walking.token += 1
        token = f"{walking.context['Execution']['Id']}#{walking.token}"
        walking.context["Task"] = {"Token": token}
        try:
            arguments = _evaluated(state.get("Arguments", {}), walking, value)
            bound = _evaluated(state["TimeoutSeconds"], walking, value) if "TimeoutSeconds" in state else None
            result = yield Call(state["Resource"], arguments, name, bound, token)
            return _left(state, walking, value, result=result, default=result)
        except TaskFailed as failed:
            pause = _retried(state, failed, tries)
            if pause is None:
                return _caught(walking, state, value, failed)
            walking.events += 3
            walking.context["State"]["RetryCount"] += 1
            yield Sleep(pause)


def _map(walking: _Walk, name: str, state: Definition, value: Any) -> _Step:
    try:
        items = _evaluated(state["Items"], walking, value)
        outputs = yield Wave(state["ItemProcessor"], items, name)
        failed = outputs.count(None)
        if failed * 100 > state.get("ToleratedFailurePercentage", 0) * len(items):
            raise TaskFailed("States.ExceedToleratedFailureThreshold", f"{failed} of {len(items)} failed")
        result = [each for each in outputs if each is not None]
        return _left(state, walking, value, result=result, default=result)
    except TaskFailed as failed_all:
        return _caught(walking, state, value, failed_all)


def _retried(state: Definition, failed: TaskFailed, tries: dict[int, int]) -> float | None:
    """How long until the next try; None when there is none. Jitter at its longest."""
    for index, rule in enumerate(state.get("Retry", ())):
        if _matches(rule, failed):
            done = tries[index] = tries.get(index, 0) + 1
            if done > rule.get("MaxAttempts", 3):
                return None
            pause: float = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2) ** (done - 1)
            return min(pause, rule.get("MaxDelaySeconds", pause))
    return None


def _caught(walking: _Walk, state: Definition, value: Any, failed: TaskFailed) -> tuple[str | None, Any]:
    output = {"Error": failed.error, "Cause": failed.cause}
    for rule in state.get("Catch", ()):
        if _matches(rule, failed):
            return _left(rule, walking, value, error=output, default=output)
    raise failed


def _matches(rule: Definition, failed: TaskFailed) -> bool:
    names = rule["ErrorEquals"]
    if failed.error in names:
        return True
    if failed.error in _UNCATCHABLE:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and failed.error != "States.Timeout")


def _succeed(walking: _Walk, name: str, state: Definition, value: Any) -> _Step:
    yield from ()
    return None, _left({**state, "Next": None}, walking, value)[1]


_KINDS = {"Task": _task, "Choice": _choice, "Wait": _wait, "Pass": _pass, "Map": _map, "Succeed": _succeed}


class _Nothing:
    """What is not there; `None` is JSON's null."""


_NOTHING = _Nothing()


def _left(
    way: Definition, walking: _Walk, value: Any, result: Any = None, error: Any = None, default: Any = _NOTHING
) -> tuple[str | None, Any]:
    """Where to and with what: Output and Assign both see the variables as they were."""
    output = value if default is _NOTHING else default
    if "Output" in way:
        output = _evaluated(way["Output"], walking, value, result, error)
    assigned = {name: _evaluated(each, walking, value, result, error) for name, each in way.get("Assign", {}).items()}
    walking.variables |= assigned
    return (None if way.get("End") else way.get("Next")), output


def _evaluated(template: Any, walking: _Walk, value: Any, result: Any = None, error: Any = None) -> Any:
    if isinstance(template, dict):
        return {name: _evaluated(each, walking, value, result, error) for name, each in template.items()}
    if isinstance(template, list):
        return [_evaluated(each, walking, value, result, error) for each in template]
    if not (isinstance(template, str) and template.startswith("{%") and template.endswith("%}")):
        return template
    states: dict[str, Any] = {"input": value, "context": walking.context}
    if result is not None:
        states["result"] = result
    if error is not None:
        states["errorOutput"] = error
    return evaluate(template[2:-2].strip(), {"states": states, **walking.variables})


def evaluate(expression: str, bindings: Mapping[str, Any]) -> Any:
    """Evaluate JSONata as Step Functions does: what is undefined is an error.

    Two short cuts, for a rollout evaluates the same again and again: what depends on a few plain values only is
    evaluated once for them, and what is merged over the input is evaluated without it.
    """
    states = bindings.get("states", {})
    rest = _merged(expression)
    if rest and isinstance(states.get("input"), dict):
        more = evaluate(f"$merge([{rest}])", bindings)
        return {**states["input"], **more} if isinstance(more, dict) else exactly(expression, bindings)
    paths = _paths(expression)
    found = [_at(states, path) for path in paths or ()]
    if paths is None or not all(type(each) in _PLAIN for each in found):
        return exactly(expression, bindings)
    return _once(expression, paths, tuple((type(each), each) for each in found))


def exactly(expression: str, bindings: Mapping[str, Any]) -> Any:
    """Evaluate JSONata by jsonata alone."""
    try:
        found = _run(expression, bindings)
        if found is None and not _run(f"$exists({expression})", bindings):
            raise TaskFailed("States.QueryEvaluationError", f"{expression} is undefined")
    except jsonata.JException as error:
        raise TaskFailed("States.QueryEvaluationError", f"{expression}: {error}") from error
    return found


_MERGED = re.compile(r"\$merge\(\[\$states\.input, (.*)\]\)", re.DOTALL)
_VARIABLE = re.compile(r"\$(\w*)((?:\.\w+)*)")
_FUNCTIONS = {"merge", "exists", "string"}
"""Of JSONata's, those that tell the same of the same."""
_PLAIN = {str, int, float, bool, _Nothing}


@cache
def _merged(expression: str) -> str:
    """What an expression merges over the input; empty when it does something else."""
    found, depth = _MERGED.fullmatch(expression), 0
    for each in found[1] if found else "":
        depth += (each == "[") - (each == "]")
        if depth < 0:
            return ""
    return found[1] if found else ""


@cache
def _paths(expression: str) -> tuple[str, ...] | None:
    """All that an expression depends on, as paths in `$states`; None when it is more, or cannot be said."""
    found = {(each[1], each[2].removeprefix(".")) for each in _VARIABLE.finditer(expression)}
    if any(name != "states" and (name not in _FUNCTIONS or path) for name, path in found):
        return None
    return tuple(sorted(path for name, path in found if name == "states"))


def _at(states: Any, path: str) -> Any:
    """What is at a path; no plain value when there is a list on the way, over which JSONata would go."""
    for name in path.split("."):
        if not isinstance(states, dict):
            return states if isinstance(states, list) else _NOTHING
        states = states.get(name, _NOTHING)
    return states


@lru_cache(100_000)
def _once(expression: str, paths: tuple[str, ...], values: tuple[tuple[type, Any], ...]) -> Any:
    states: dict[str, Any] = {}
    for path, (_, value) in zip(paths, values, strict=True):
        *way, name = path.split(".")
        inner = states
        if value is not _NOTHING:
            for each in way:
                inner = inner.setdefault(each, {})
            inner[name] = value
    return exactly(expression, {"states": states})


def _run(expression: str, bindings: Mapping[str, Any]) -> Any:
    return _compiled(expression).evaluate(None, bindings)


@cache
def _compiled(expression: str) -> jsonata.Jsonata:
    return jsonata.Jsonata(expression)
