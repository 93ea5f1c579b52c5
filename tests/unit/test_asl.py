"""The walker's short cuts through JSONata tell what jsonata itself tells."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from tests.asl import TaskFailed, evaluate, exactly
from tests.template import fleet_machine, state_machine

EXPRESSIONS = sorted(
    {
        json.loads(f'"{each}"').strip()
        for machine in (state_machine(), fleet_machine())
        for each in re.findall(r'"\{%(.*?)%\}"', json.dumps(machine))
    }
)
NAMES = sorted({name for each in EXPRESSIONS for name in re.findall(r"\.(\w+)", each)} - {"input", "context", "result"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["Joined", "Promoted", "Wait", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)


def told(evaluate, expression, states):
    try:
        return json.dumps(evaluate(expression, {"states": states}))
    except TaskFailed as error:
        return error.error


@given(st.sampled_from(EXPRESSIONS), DOCUMENTS, VALUES)
def test_what_is_evaluated_by_a_short_cut_is_what_jsonata_evaluates(expression, document, payload):
    context = {"Execution": {"Id": "arn:e", "Name": "e"}, "Task": {"Token": "t"}}
    states = {"input": document, "context": context, "result": {"Payload": payload}, "errorOutput": {"Error": "E"}}
    assert told(evaluate, expression, states) == told(exactly, expression, states)


def test_a_list_on_the_way_is_left_to_jsonata():
    states = {"input": {"a": [{"b": 1}, {"b": 2}]}}
    assert evaluate("$states.input.a.b", {"states": states}) == [1, 2]
