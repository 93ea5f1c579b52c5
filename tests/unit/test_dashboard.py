"""The dashboard: JSON under every condition, with nothing on it that nobody publishes, and all that runs is on it."""

import ast
import json
import re
import time
from itertools import product

import pytest

from domain.outcome import OUTCOMES
from domain.sidecar import collector
from domain.sidecar.collector import NAMESPACE as ENVOYS
from observability import NAMESPACE, metrics, tell_weights
from tests.template import ROOT, resources, template

CONDITIONS = ("IsHosted", "MakesMesh", "PublishesMetrics")
# What AWS publishes, by the documentation of each service: names, and the dimensions by which they are kept.
AWS = {
    "AWS/Lambda": (("FunctionName",), {"Invocations", "Errors", "Throttles", "Duration"}),
    "AWS/SQS": (("QueueName",), {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}),
    "AWS/States": (
        ("StateMachineArn",),
        {f"Executions{how}" for how in ("Started", "Succeeded", "Failed", "Aborted", "TimedOut")},
    ),
}
SEARCH = re.compile(
    r"""SEARCH\('\{([\w/]+),([\w,]+)\} MetricName="(\w+)"(?: \w+="\w+")?', '(Sum|Average|p99)', (\d+)\)"""
)


def resolved(value, conditions):
    """A part of the template as CloudFormation makes a text of it; references become `<what they refer to>`."""
    if isinstance(value, str):
        return value
    ((function, given),) = value.items()
    if function == "Fn::Join":
        return given[0].join(resolved(each, conditions) for each in given[1])
    if function == "Fn::If":
        return resolved(given[1] if conditions[given[0]] else given[2], conditions)
    assert function == "Fn::Sub"
    return re.sub(r"\$\{([\w.:]+)\}", r"<\1>", given)


def dashboard(**conditions):
    body = template()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    return json.loads(resolved(body, dict.fromkeys(CONDITIONS, True) | conditions))["widgets"]


def shown(widgets):
    """All that is drawn: namespace, metric's name, dimensions with their values (None where a search finds them)."""
    found = []
    for widget in widgets:
        before = []
        for entry in widget["properties"]["metrics"]:
            if "expression" in entry[0]:
                for namespace, dimensions, name, *_ in SEARCH.findall(entry[0]["expression"]):
                    found.append((namespace, name, dict.fromkeys(dimensions.split(","))))
                continue
            words = [word for word in entry if isinstance(word, str)]
            before = [before[place] if word == "." else word for place, word in enumerate(words)]
            found.append((before[0], before[1], dict(zip(before[2::2], before[3::2], strict=True))))
    return found


def emitted(capsys):
    """The metrics of EMF lines that were printed: namespace, name, names of the dimensions, value."""
    found = []
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        (told,) = document["_aws"]["CloudWatchMetrics"]
        (dimensions,) = told["Dimensions"]
        found += [
            (told["Namespace"], each["Name"], tuple(dimensions), document[each["Name"]]) for each in told["Metrics"]
        ]
    return found


def names_in_handlers():
    """All names that handlers give to metrics; those that are computed are computed here too, by the same words."""
    values = [{"result": {"outcome": outcome}} for outcome in OUTCOMES]
    values += [{"decision": decision} for decision in ("ACCEPTED", "EXPIRED", "REJECTED")]
    names = set()
    for path in (ROOT / "functions" / "handlers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "metrics.add_metric":
                used = {each.id for each in ast.walk(node.args[0]) if isinstance(each, ast.Name)}
                text = ast.unparse(node.args[0])
                made = {eval(text, dict(each)) for each in values if used <= each.keys()}
                assert made, f"{path.name} names a metric {text}: from which values?"
                names |= made
    return names


@pytest.mark.parametrize("truth", list(product((True, False), repeat=len(CONDITIONS))))
def test_the_body_is_json_whatever_the_parameters(truth):
    conditions = dict(zip(CONDITIONS, truth, strict=True))
    widgets = dashboard(**conditions)
    assert {widget["type"] for widget in widgets} == {"metric"}
    assert all(widget["properties"]["region"] == "<AWS::Region>" for widget in widgets)
    assert all(0 < widget["width"] <= 24 for widget in widgets)
    assert len(widgets) == 8 + 1 + 2 * conditions["IsHosted"] + 3 * conditions["PublishesMetrics"]


def test_what_a_condition_leaves_out_is_not_referred_to():
    """A reference to a resource that is not made would be refused by CloudFormation."""
    made = {name: each.get("Condition") for name, each in template()["Resources"].items()}
    named = {
        name for _, _, dimensions in shown(dashboard(IsHosted=False, MakesMesh=False)) for name in dimensions.values()
    }
    for name in re.findall(r"<(\w+)[.>]", json.dumps(sorted(name for name in named if name))):
        assert made[name] is None, name


def test_all_metrics_of_meshifts_own_are_published_by_a_handler_and_the_other_way_round(capsys):
    metrics.add_metric("Something", "Count", 1)
    metrics.flush_metrics()
    ((namespace, _, dimensions, _),) = [each for each in emitted(capsys) if each[1] == "Something"]
    own = [(name, found) for where, name, found in shown(dashboard()) if where == namespace and name != "Weight"]
    assert {tuple(found) for _, found in own} == {dimensions} == {("service",)}
    assert {value for _, found in own for value in found.values()} == {metrics.service}
    assert {name for name, _ in own} == names_in_handlers()


def test_the_weights_are_searched_for_by_the_dimensions_they_are_told_with(capsys):
    tell_weights("apps", "serviceb.apps.local", {"serviceB": 75, "serviceBv2": 25})
    told = emitted(capsys)
    (searched,) = [tuple(found) for where, name, found in shown(dashboard()) if (where, name) == (NAMESPACE, "Weight")]
    assert told == [(NAMESPACE, "Weight", searched, [75.0]), (NAMESPACE, "Weight", searched, [25.0])]


def test_settled_weights_are_told_for_the_minute_that_begins_next(capsys):
    began = time.time() * 1000
    tell_weights("apps", "serviceb.apps.local", {"serviceB": 100}, settled=True)
    stamp = json.loads(capsys.readouterr().out)["_aws"]["Timestamp"]
    assert stamp % 60_000 == 0
    assert began <= stamp <= time.time() * 1000 + 60_000


def test_all_metrics_of_aws_are_kept_by_aws():
    for namespace, name, dimensions in shown(dashboard()):
        if namespace not in (NAMESPACE, ENVOYS):
            keys, names = AWS[namespace]
            assert name in names
            assert tuple(dimensions) == keys


def test_requests_and_errors_are_those_that_the_collector_publishes():
    searched = {name: tuple(found) for where, name, found in shown(dashboard()) if where == collector.NAMESPACE}
    assert searched == collector.DIMENSIONS


def test_only_metrics_are_searched_for_in_words_that_are_understood_here():
    expressions = [
        entry[0]["expression"]
        for widget in dashboard()
        for entry in widget["properties"]["metrics"]
        if "expression" in entry[0]
    ]
    assert [each for each in expressions if not SEARCH.fullmatch(each)] == ["FILL(told, REPEAT)"]
    assert len(expressions) == 5


@pytest.mark.parametrize("metric", ["Errors", "Throttles", "Duration"])
def test_every_function_is_shown(metric):
    found = [
        each["FunctionName"] for where, name, each in shown(dashboard()) if (where, name) == ("AWS/Lambda", metric)
    ]
    assert sorted(found) == sorted(f"<{name}>" for name in resources("AWS::Serverless::Function"))


def test_every_queue_and_the_state_machine_are_shown():
    found = {(name, value) for _, name, each in shown(dashboard()) for value in each.values()}
    for name in resources("AWS::SQS::Queue"):
        metric = (
            "ApproximateNumberOfMessagesVisible" if name.endswith("DeadLetters") else "ApproximateAgeOfOldestMessage"
        )
        assert (metric, f"<{name}.QueueName>") in found
    assert ("ExecutionsFailed", "<RolloutStateMachine>") in found


def test_the_output_names_the_dashboard():
    assert template()["Outputs"]["DashboardName"]["Value"] == {"Ref": "Dashboard"}
