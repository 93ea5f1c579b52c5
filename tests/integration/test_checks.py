"""Checks as check_health runs them: CloudWatch by moto, hooks answered here."""

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from domain.checks import parse_checks
from domain.sidecar.collector import CLASSES, NAMESPACE, REQUESTS
from gateways import hooks
from gateways.clients import client
from handlers import check_health, join_mesh, plan_rollout, shift_traffic
from handlers.checks import run_checks
from tests.hosted_mesh import Body
from tests.integration import test_rollout
from tests.integration.conftest import failing
from tests.integration.test_rollout import planned
from tests.template import state_machine
from tests.unit.test_checks import WATCH

HOOK = "meshift-hook-smoke"
document, write_policy = test_rollout.document, test_rollout.write_policy


@pytest.fixture
def rollout(aws, document, write_policy, context, monkeypatch):
    """Begin a rollout with these checks; gives its document at the first step."""

    def begin(*checks, **policy):
        write_policy(steps=[{"weight": 25, "bakeSeconds": 3}], checks=checks, **policy)
        begun = planned(document, context)
        shift_traffic.handler({**begun, "to": "step"}, context)
        monkeypatch.setenv("CONTROL_PLANE", "hosted")  # Envoys count by the node that is called; the mesh is moto's
        return begun

    return begin


def count(aws, node, requests, errors=0, ago=0):
    """Put what Envoys count of a node."""
    told = {"Timestamp": datetime.now(UTC) - timedelta(seconds=ago)}
    where = [{"Name": "mesh", "Value": "apps"}, {"Name": "node", "Value": node}]
    bad = [*where, {"Name": "envoy_response_code_class", "Value": "5"}]
    data = [{"MetricName": REQUESTS, "Dimensions": where, "Value": requests, **told}]
    data.append({"MetricName": CLASSES, "Dimensions": bad, "Value": errors, **told})
    aws("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)


def check(rollout, context):
    answer = check_health.handler(rollout, context)
    return answer, [result["verdict"] for result in answer["checked"]["results"]]


def history(aws):
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    lines = sorted((item["sk"]["S"], item["document"]["S"]) for item in items if item["sk"]["S"].endswith("#check"))
    return [json.loads(text) for _, text in lines]


ERRORS = {"envoy": "errorRate", "above": 0.01}


def test_a_candidate_whose_callers_see_errors_rolls_back(aws, rollout, context):
    begun = rollout(ERRORS)
    count(aws, "serviceB", 900, 3, ago=600)
    count(aws, "serviceBv2", 100, 40)
    answer, verdicts = check(begun, context)
    assert (answer["next"], verdicts) == ("Roll Back", ["fail"])
    assert answer["reason"].startswith("errorRate: 40 of 100 requests (40.00%) to serviceBv2 failed, 3 of 900 requests")


def test_one_without_errors_goes_on_when_requests_were_enough(aws, rollout, context):
    begun = rollout(ERRORS)
    count(aws, "serviceB", 900, 3, ago=600)
    count(aws, "serviceBv2", 20)
    answer, verdicts = check(begun, context)
    assert (answer["next"], answer["position"]["slice"], verdicts) == ("Bake", 0, ["inconclusive"])
    count(aws, "serviceBv2", 40)
    answer, verdicts = check({**begun, **answer}, context)
    assert (answer["next"], answer["position"]["slice"], verdicts) == ("Bake", 1, ["pass"])


def test_what_was_counted_before_the_step_is_not_the_candidates(aws, rollout, context):
    count(aws, "serviceBv2", 1000, 1000, ago=300)
    begun = rollout(ERRORS)
    count(aws, "serviceBv2", 60)
    count(aws, "serviceB", 540)
    assert check(begun, context)[1] == ["pass"]


def test_without_metrics_of_envoys_the_default_checks_hold_nothing_and_others_do_as_the_policy_says(rollout, context):
    begun = rollout({**ERRORS, "onNoData": "pass"}, {"envoy": "p99", "above": 2, "onNoData": "pass"})
    answer, verdicts = check(begun, context)
    assert (answer["position"]["slice"], verdicts) == (1, ["no data", "no data"])


def test_no_data_holds_unless_it_is_said_otherwise(rollout, context):
    answer, verdicts = check(rollout(ERRORS), context)
    assert (answer["next"], answer["position"]["slice"], verdicts) == ("Bake", 0, ["no data"])


def metric_check(**more):
    stat = {"Metric": {"Namespace": "Shop", "MetricName": "Queue"}, "Stat": "Maximum"}
    return {"metric": {"queries": [{"Id": "depth", "MetricStat": stat}], "periodSeconds": 1}, "max": 100, **more}


def test_a_metric_is_read_as_the_policy_says(aws, rollout, context):
    begun = rollout(metric_check())
    put = {"MetricName": "Queue", "Value": 250, "Timestamp": datetime.now(UTC) + timedelta(seconds=1)}
    aws("cloudwatch").put_metric_data(Namespace="Shop", MetricData=[put])
    assert check(begun, context)[1] == ["no data"], "the period is not over"
    time.sleep(2.1)
    answer, verdicts = check(begun, context)
    assert (answer["next"], verdicts) == ("Roll Back", ["fail"])
    assert answer["reason"] == "depth: 250, at most 100 is allowed"


def test_a_metric_is_read_up_to_now_at_the_last_step_too(aws):
    """The stable side's last hour with traffic ended ten minutes ago; what the metric says now counts all the same."""
    now = time.time()
    put = {"MetricName": "Queue", "Value": 250, "Timestamp": datetime.now(UTC) - timedelta(seconds=5)}
    aws("cloudwatch").put_metric_data(Namespace="Shop", MetricData=[put])
    times = {"last": True, "written": now - 600, "began": now - 600, "now": now}
    results, _ = run_checks(parse_checks([metric_check()]), replace(WATCH, **times), {})
    assert [each.verdict for each in results] == ["fail"]


def test_a_dry_run_is_told_and_never_counts(aws, rollout, context, capsys, caplog, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    begun = rollout({**ERRORS, "dryRun": True, "name": "errors"})
    count(aws, "serviceB", 900)
    count(aws, "serviceBv2", 100, 40)
    answer, verdicts = check(begun, context)
    assert (answer["next"], answer["position"]["slice"], verdicts) == ("Bake", 1, ["fail"])
    assert answer["reason"].startswith("dry run: fail: errors: 40 of 100 requests")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["DryRunFailed"] for line in lines if "DryRunFailed" in line] == [[1.0]]
    (logged,) = [record for record in caplog.records if record.message == "Checked"]
    assert [(each["verdict"], each["dryRun"]) for each in logged.results] == [("fail", True)]


def test_the_history_has_a_line_for_each_verdict_that_changed(aws, rollout, context):
    begun = rollout(ERRORS)
    count(aws, "serviceB", 900)
    for requests in (20, 10, 40):
        count(aws, "serviceBv2", requests)
        begun = {**begun, **check(begun, context)[0]}
    assert [(line["name"], line["verdict"], line["step"], line["dryRun"]) for line in history(aws)] == [
        ("errorRate", "inconclusive", 0, False),
        ("errorRate", "pass", 0, False),
    ]


@pytest.mark.parametrize(
    ("api", "operation"),
    [("ecs", "DescribeServices"), ("ecs", "ListTasks"), ("ecs", "DescribeTasks"), ("cloudwatch", "GetMetricData")],
)
def test_what_aws_throttles_rolls_nobody_back(aws, rollout, context, api, operation):
    """Hundreds of rollouts share an account's few calls a second: the bake is longer, up to the deadline."""
    rollout = {**rollout({"envoy": "errorRate", "max": 0.5}), "checked": {"hooks": {"0": {"asked": 1}}, "results": []}}
    with failing(aws, operation, "ThrottlingException", "Rate exceeded", api):
        answer = check_health.handler(rollout, context)
    assert (answer["next"], "AWS throttles" in answer["reason"]) == ("Bake", True)
    assert (answer["position"]["slice"], answer["position"]["failures"]) == (0, 0)
    assert answer["checked"] == rollout["checked"], "what hooks have said is not forgotten"
    for state in ("Move Traffic Away", "Plan Rollout", "Shift Traffic", "Clean Up", "Roll Back"):
        patient = state_machine()["States"][state]["Retry"][0]
        assert (patient["ErrorEquals"], patient["JitterStrategy"]) == (["Busy"], "FULL")
        assert patient["MaxAttempts"] * patient["MaxDelaySeconds"] / 2 >= 600


def test_a_service_that_is_gone_is_asked_nothing(aws, rollout, service, context):
    begun = rollout(ERRORS)
    begun |= check(begun, context)[0]
    aws("ecs").delete_service(cluster="apps", service=service.arn, force=True)
    answer, verdicts = check(begun, context)
    assert (answer["next"], answer["reason"], verdicts) == ("Roll Back", "the service is gone", [])


# -- hooks


@contextmanager
def function(answer, asked=None, error=None):
    """Let the hook answer; moto would need a container for it."""

    def send(request, **_):
        if asked is not None:
            asked.append(json.loads(request.body))
        if isinstance(answer, Exception):
            raise answer
        headers = {"x-amz-function-error": error} if error else {}
        return AWSResponse(request.url, 200, headers, Body(json.dumps(answer).encode()))

    def there(request, **_):
        return AWSResponse(request.url, 200, {}, Body(json.dumps({"FunctionName": HOOK}).encode()))

    registered = (
        (client("lambda"), "before-send.lambda.GetFunctionConfiguration", there),
        (hooks.invoking(), "before-send.lambda.Invoke", send),
    )
    for api, name, handle in registered:
        api.meta.events.register_first(name, handle)
    yield
    for api, name, handle in registered:
        api.meta.events.unregister(name, handle)


def test_a_hook_is_asked_with_ecs_event_until_it_succeeded(rollout, service, context):
    asked = []
    with function({"hookStatus": "IN_PROGRESS", "callBackDelay": 0, "hookDetails": {"turn": 1}}, asked):
        begun = rollout({"hook": HOOK, "details": {"suite": "short"}})
        answer, verdicts = check(begun, context)
    assert (answer["next"], answer["position"]["slice"], verdicts) == ("Bake", 0, ["inconclusive"])
    assert answer["reason"] == f"hook {HOOK} answered IN_PROGRESS"
    with function({"hookStatus": "SUCCEEDED"}, asked):
        for _ in range(2):
            answer, verdicts = check({**begun, **answer}, context)
    assert verdicts == ["pass"]
    assert [event["hookDetails"] for event in asked] == [{"suite": "short"}, {"suite": "short", "turn": 1}]
    assert asked[0]["executionDetails"]["productionTrafficWeights"] == {"serviceB": 75, "serviceBv2": 25}
    assert asked[0]["executionDetails"]["targetServiceRevisionArn"] == service.task_definition


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ({"hookStatus": "FAILED"}, None, "answered FAILED"),
        ({"errorType": "KeyError", "errorMessage": "'cart'"}, "Unhandled", "failed: KeyError: 'cart'"),
        (["fine"], None, "answered \"['fine']\", which holds no hookStatus"),
        (ReadTimeoutError(endpoint_url="x"), None, "gave no answer within 20 seconds"),
    ],
)
def test_a_hook_that_fails_in_whatever_way_rolls_back(rollout, context, answer, error, says):
    with function(answer, error=error):
        result, verdicts = check(rollout({"hook": HOOK}), context)
    assert (result["next"], verdicts) == ("Roll Back", ["fail"])
    assert says in result["reason"]


def test_hooks_are_asked_at_the_same_time_and_once(rollout, context):
    asked = []
    with function({"hookStatus": "SUCCEEDED"}, asked):
        _, verdicts = check(rollout({"hook": HOOK}, {"hook": f"{HOOK}-2"}), context)
    assert verdicts == ["pass", "pass"]
    assert len(asked) == 2


def test_a_hook_that_does_not_exist_is_refused_before_the_first_shift(aws, document, write_policy, context):
    write_policy(checks=[{"hook": HOOK}])
    answer = plan_rollout.handler(document, context)
    assert (answer["outcome"], answer["reason"]) == (
        "Refused",
        f"the rollout policy names a function that cannot be invoked: {HOOK}: ResourceNotFoundException",
    )
    assert aws("dynamodb").scan(TableName="rollouts")["Items"] == []


def test_metrics_that_cloudwatch_does_not_understand_are_refused_before_anything_is_made(
    aws,
    mesh,
    service,
    write_policy,
    context,
):
    def refuse(request, **_):
        return AWSResponse(request.url, 400, {}, Body(b'{"__type": "ValidationError", "message": "no such metric"}'))

    write_policy(checks=[metric_check()])
    events = client("cloudwatch").meta.events
    events.register_first("before-send.cloudwatch.GetMetricData", refuse)
    answer = join_mesh.handler(service.document(), context)
    events.unregister("before-send.cloudwatch.GetMetricData", refuse)
    assert answer["outcome"] == "Refused"
    assert "CloudWatch does not understand the queries of the policy's checks" in answer["reason"]
