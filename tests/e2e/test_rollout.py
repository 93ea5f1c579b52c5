"""The deployed stack on local AWS: ECS deployments in, outcomes of executions out."""

import io
import json
import uuid
import zipfile

import pytest

from local.demo import TAGS, completed_event, queue_is_empty
from local.tutorial import CLUSTER, HEADER_ROUTE, MESH, VIRTUAL_SERVICE, Tutorial, wait_for

ALONE = {"meshift:mesh": "apps", "meshift:hostname": "alone.apps.local", "meshift:protocol": "http2"}


@pytest.fixture(scope="module")
def apps(aws):
    """The stack's mesh, empty, and a policy with an alarm."""
    tutorial = Tutorial(aws.instance)
    tutorial.write_policy("quick", checks=[{"alarm": "e2e-5xx"}])
    tutorial.make_alarm("e2e-5xx", "e2e")
    return tutorial


@pytest.fixture(scope="module")
def joined(apps):
    """serviceB deployed without Envoy into the empty mesh; its ARN."""
    arn = apps.create_service("serviceB", "serviceb:1", TAGS)
    apps.outcome(arn, "Redeployed", "Refused")
    apps.outcome(arn, "Nothing To Do", "Refused", known=1)
    return arn


@pytest.fixture(scope="module")
def promoted(apps, joined):
    """serviceBv2 deployed without Envoy, up to its promotion; its ARN. A route was made by hand meanwhile."""
    arn = apps.create_service("serviceBv2", "serviceb:2", TAGS)
    apps.outcome(arn, "Redeployed", "Refused")
    apps.make_header_route()
    apps.outcome(arn, "Promoted", "Rolled Back", "Refused", known=1)
    return arn


@pytest.fixture(scope="module")
def inbox(aws):
    """A queue that the stack's topic fills."""
    sqs, sns = aws.owner.client("sqs"), aws.owner.client("sns")
    url, arn = aws.owner.inbox("inbox")
    sns.subscribe(TopicArn=aws.owner.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

    def read():
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return read


def test_the_first_service_brings_all_that_its_tags_name_and_has_nothing_to_split(apps, joined):
    redeployed, second = apps.executions(joined)
    assert [redeployed["output"]["outcome"], second["output"]["outcome"]] == ["Redeployed", "Nothing To Do"]
    assert second["output"]["reason"].endswith("no canary took place")
    node = apps.node("serviceB")
    assert node["listeners"] == [{"portMapping": {"port": 80, "protocol": "http2"}}]
    assert node["serviceDiscovery"] == {"dns": {"hostname": VIRTUAL_SERVICE}}
    provider = apps.mesh.describe_virtual_service(meshName=MESH, virtualServiceName=VIRTUAL_SERVICE)
    assert provider["virtualService"]["spec"]["provider"]["virtualRouter"]["virtualRouterName"] == VIRTUAL_SERVICE


def test_a_route_made_by_hand_moves_along_and_keeps_everything_but_its_weights(apps, promoted):
    by_hand = apps.route(HEADER_ROUTE)
    assert apps.weights(HEADER_ROUTE) == {"serviceB": 0, "serviceBv2": 100}
    assert by_hand["priority"] == 1
    match, retries = by_hand["http2Route"]["match"], by_hand["http2Route"]["retryPolicy"]
    assert match == {"prefix": "/", "headers": [{"name": "x-beta", "match": {"exact": "yes"}}]}
    assert retries["maxRetries"] == 5


def test_a_new_version_is_injected_and_promoted(apps, promoted):
    redeployed, rollout = apps.executions(promoted)
    assert [redeployed["output"]["outcome"], rollout["output"]["outcome"]] == ["Redeployed", "Promoted"]
    assert [redeployed["status"], rollout["status"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert apps.containers("serviceBv2") == ["app", "envoy"]
    assert apps.weights() == {"serviceB": 0, "serviceBv2": 100}
    assert rollout["output"]["stepsDone"] == 3


def test_the_console_shows_the_outcome_as_the_last_state(apps, promoted):
    arn = apps.executions(promoted)[1]["executionArn"]
    pages = apps.states.get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"] if "stateEnteredEventDetails" in event]
    entered = [event["stateEnteredEventDetails"]["name"] for event in events]
    assert entered[:5] == ["Join Mesh", "Did It Join?", "Inject Envoy", "Was Envoy Added?", "Plan Rollout"]
    shift = entered.index("Shift Traffic")
    assert set(entered[5:shift]) <= {"Is There Anything To Do?", "Wait Its Turn", "Plan Rollout"}
    assert entered[shift : shift + 4] == ["Shift Traffic", "Was Traffic Shifted?", "Bake", "Check Health"]
    assert entered[-1] == "Promoted"


def test_everything_that_the_task_definition_had_came_back(apps, promoted):
    pages = apps.ecs.describe_task_definition(taskDefinition="serviceBv2:1")["taskDefinition"]
    after = apps.task_definition("serviceBv2")
    after["containerDefinitions"] = after["containerDefinitions"][:1]
    del after["containerDefinitions"][0]["dependsOn"], after["proxyConfiguration"]
    own = {"taskDefinitionArn", "revision", "registeredAt", "requiresAttributes"}
    assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in pages.items() if k not in own}


def test_a_repeated_event_starts_nothing(aws, apps, promoted):
    for execution in apps.executions(promoted):
        aws.emit(completed_event(promoted, execution["input"]["deployment"]))
    queue_is_read(aws)
    assert len(apps.executions(promoted)) == 2


def test_the_history_holds_every_weight_that_was_written(aws, apps, promoted):
    for route in (VIRTUAL_SERVICE, HEADER_ROUTE):
        written = [line["to"]["serviceBv2"] for line in apps.history("weights") if line["route"] == route]
        assert written[:3] == [25, 50, 100]


def test_a_bad_version_is_rolled_back_and_the_routes_are_what_they_were(apps, joined, promoted, inbox):
    before, known = both_routes(apps), len(apps.executions(joined))
    apps.deploy_image("serviceB", "serviceb:bad")
    wait_for("the first weight", lambda: apps.weights()["serviceB"] == 25)
    apps.answer_5xx("e2e", 50)
    output = apps.outcome(joined, "Rolled Back", "Promoted", "Refused", known=known)
    assert (output["outcome"], output["reason"]) == ("Rolled Back", "in alarm: e2e-5xx")
    assert both_routes(apps) == before
    (message,) = wait_for("a message to people", inbox)
    assert message["Subject"] == "Meshift: Rolled Back, serviceB"


@pytest.fixture(scope="module")
def stopped(apps, joined, promoted):
    """A rollout of serviceB, stopped as the console's button does; the routes before it, and its execution."""
    before = both_routes(apps)
    apps.write_policy("quick")  # the alarm of the test before may still ring
    apps.deploy_image("serviceB", "serviceb:3")
    wait_for("the first weight", lambda: apps.weights()["serviceB"] == 25)
    running = next(each for each in apps.executions(joined) if each["status"] == "RUNNING")
    apps.states.stop_execution(executionArn=running["executionArn"], error="Operator", cause="looks wrong")
    wait_for("the weights are back", lambda: both_routes(apps) == before)
    return running


def test_a_stopped_execution_is_recovered(apps, stopped):
    """Nothing of the state machine runs any more, and the traffic comes back."""
    assert apps.states.describe_execution(executionArn=stopped["executionArn"])["status"] == "ABORTED"
    assert apps.weights() == {"serviceB": 0, "serviceBv2": 100}


def test_operators_retry_pause_resume_and_abort_and_history_knows_them(apps, joined, stopped):
    before, known = both_routes(apps), len(apps.executions(joined))
    apps.write_policy("quick", steps=[{"weight": 25, "bakeSeconds": 60}], deadlineSeconds=300)
    assert apps.operate("retry", MESH, VIRTUAL_SERVICE)[0] == 0
    wait_for("the first weight", lambda: apps.weights()["serviceB"] == 25)
    for signal, state in (("pause", "Pause"), ("resume", "Bake"), ("pause", "Pause")):
        assert apps.operate(signal, MESH, VIRTUAL_SERVICE)[0] == 0
        wait_for(f"{signal} is seen", lambda state=state: apps.state_of(joined) == state)
    assert apps.operate("abort", MESH, VIRTUAL_SERVICE)[0] == 0
    output = apps.outcome(joined, "Rolled Back", "Promoted", "Refused", known=known)
    assert (output["outcome"], output["reason"]) == ("Rolled Back", "aborted by arn:aws:iam::111111111111:root")
    assert both_routes(apps) == before
    signals = [line["signal"] for line in apps.history("signal")]
    assert signals == ["retry", "pause", "resume", "pause", "abort"]
    assert {line["by"] for line in apps.history("signal")} == {"arn:aws:iam::111111111111:root"}


HOOK = """
def handler(event, context):
    weight = event["executionDetails"]["productionTrafficWeights"]["serviceB"]
    if weight > 25:
        return {"hookStatus": "FAILED"}
    return {"hookStatus": "SUCCEEDED" if "asked" in event["hookDetails"] else "IN_PROGRESS",
            "callBackDelay": 1, "hookDetails": {**event["hookDetails"], "asked": True}}
"""


def test_a_function_of_the_users_says_how_the_candidate_is(aws, apps, joined, stopped):
    """It is asked again while it works, succeeds at the first step and fails at the second."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("hook.py", HOOK)
    aws.owner.client("lambda").create_function(
        FunctionName="meshift-hook-smoke",
        Runtime="python3.13",
        Handler="hook.handler",
        Role=aws.owner.role("hook"),
        Code={"ZipFile": zipped.getvalue()},
    )
    before, known = both_routes(apps), len(apps.executions(joined))
    checks = [{"hook": "meshift-hook-smoke", "details": {"suite": "short"}}]
    apps.write_policy("quick", steps=[{"weight": 25}, {"weight": 50}], checks=checks, deadlineSeconds=120)
    assert apps.operate("retry", MESH, VIRTUAL_SERVICE)[0] == 0
    output = apps.outcome(joined, "Rolled Back", "Promoted", "Refused", known=known)
    assert (output["outcome"], output["stepsDone"], "meshift-hook-smoke" in output["reason"]) == (
        "Rolled Back",
        1,
        True,
    )
    assert both_routes(apps) == before
    verdicts = [line["verdict"] for line in apps.history("check") if "smoke" in line["reason"]]
    assert verdicts == ["inconclusive", "pass", "fail"]


def test_a_signal_without_a_rollout_is_refused_in_one_line(apps, stopped):
    code, said = apps.operate("pause", MESH, "nobody.apps.local")
    assert code == 1
    assert said == ("meshift pause: refused (404): no rollout of nobody.apps.local in mesh apps is at work\n")


def test_a_service_that_carries_everything_gives_it_away_before_it_is_redeployed(apps, joined, promoted, stopped):
    """serviceBv2 has carried everything before, and is idle and healthy: it takes over meanwhile."""
    known = len(apps.executions(joined))
    apps.write_policy("quick")
    assert apps.operate("retry", MESH, VIRTUAL_SERVICE)[0] == 0
    apps.outcome(joined, "Promoted", "Rolled Back", "Refused", known=known)
    assert apps.weights() == {"serviceB": 100, "serviceBv2": 0}
    apps.deploy_image("serviceB", "serviceb:5")
    wait_for("its traffic goes away", lambda: apps.weights() == {"serviceB": 0, "serviceBv2": 100})
    assert apps.containers("serviceB") == ["app"]
    apps.outcome(joined, "Redeployed", "Refused", known=known + 1)
    output = apps.outcome(joined, "Promoted", "Rolled Back", "Refused", known=known + 2)
    assert (output["outcome"], apps.weights()) == ("Promoted", {"serviceB": 100, "serviceBv2": 0})


@pytest.mark.parametrize(
    ("tags", "changes", "says"),
    [
        ({"meshift:mesh": "nowhere"}, {}, "there is no mesh nowhere in this account"),
        ({"meshift:virtual-node": "serviceB"}, {}, "virtual node serviceB was brought by arn:aws:ecs"),
        ({"meshift:virtual-service": VIRTUAL_SERVICE, "meshift:policy": "broken"}, {}, "steps[0].weight: 150"),
        ({"meshift:container": "web"}, {}, "'web' is no container of task definition"),
        ({"meshift:protocol": "soap"}, {}, "tag meshift:protocol: 'soap' is not one of http, http2, grpc, tcp"),
        ({}, {"networkMode": "host", "requiresCompatibilities": ["EC2"]}, "has networkMode host"),
        ({}, {"networkMode": "bridge", "requiresCompatibilities": ["EC2"]}, "has networkMode bridge"),
        ({}, {"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, "runs on WINDOWS"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason_and_nothing_is_changed(apps, joined, tags, changes, says):
    name, before_in_mesh = f"odd-{uuid.uuid4().hex[:6]}", nodes(apps)
    apps.write_policy("broken", steps=[{"weight": 150}])
    arn = apps.create_service(name, "odd:1", {**ALONE, **tags}, **changes)
    before = apps.service(name)["taskDefinition"]
    output = apps.outcome(arn, "Refused", "Redeployed", "Promoted")
    assert output["outcome"] == "Refused"
    assert says in output["reason"]
    assert apps.service(name)["taskDefinition"] == before
    assert len(apps.executions(arn)) == 1
    assert nodes(apps) == before_in_mesh


def test_an_application_that_is_known_has_nothing_to_do(apps, joined, promoted):
    known = len(apps.executions(joined))
    apps.ecs.update_service(cluster="apps", service="serviceB", forceNewDeployment=True)
    output = apps.outcome(joined, "Nothing To Do", "Promoted", "Refused", known=known)
    assert output["outcome"] == "Nothing To Do"


def test_a_version_that_the_circuit_breaker_threw_out_is_left_alone(aws, apps):
    """The application runs without Envoy and fails with it: ECS goes back, and Meshift does not try again."""
    arn = apps.create_service("thrown-out", "app:1", {"team": "other"})
    wait_for("it runs", lambda: deployments(apps, "thrown-out") == [("COMPLETED", "thrown-out:1")])
    apps.ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": value} for key, value in ALONE.items()])
    aws.settings(failingTag="v1.40.0")  # the tag of Envoy's image
    try:
        apps.deploy_image("thrown-out", "app:2")
        apps.outcome(arn, "Redeployed")
        ((_, revision),) = wait_for("ECS went back", lambda: bare_and_completed(apps, "thrown-out"))
        queue_is_read(aws)
        wait_for("its executions end", lambda: all(each["status"] != "RUNNING" for each in apps.executions(arn)))
        assert deployments(apps, "thrown-out") == [("COMPLETED", revision)]
        # ECS goes back to app:2, if that was complete before Envoy came, and its execution is known; else to app:1.
        outcomes = [each["output"]["outcome"] for each in apps.executions(arn)]
        assert outcomes == (["Redeployed"] if revision == "thrown-out:2" else ["Redeployed", "Refused"])
    finally:
        aws.settings(failingTag="fails")


def test_an_unenrolled_service_is_not_touched(aws, apps):
    arn = apps.create_service("bystander", "bystander:1", {"team": "other"})
    before = apps.service("bystander")["taskDefinition"]
    wait_for("it is deployed", lambda: apps.service("bystander")["deployments"][0]["rolloutState"] == "COMPLETED")
    queue_is_read(aws)
    assert apps.executions(arn) == []
    assert apps.service("bystander")["taskDefinition"] == before


def test_an_event_that_cannot_be_understood_is_buried_with_its_cause(aws):
    event = completed_event("arn:aws:ecs:us-east-1:111111111111:service/apps/x", "ecs-svc/1")
    aws.emit({**event, "resources": []})
    sqs = aws.owner.client("sqs")
    (dead,) = [url for url in sqs.list_queues()["QueueUrls"] if "DeploymentsDeadLetters" in url]
    (message,) = wait_for(
        "a dead letter", lambda: sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"]).get("Messages")
    )
    assert (
        message["MessageAttributes"]["Cause"]["StringValue"]
        == "resources[0] is missing; ECS puts the service's ARN there"
    )


def both_routes(apps):
    return apps.route(), apps.route(HEADER_ROUTE)


def nodes(apps):
    """The virtual nodes of the mesh, by name."""
    return sorted(each["virtualNodeName"] for each in apps.mesh.list_virtual_nodes(meshName=MESH)["virtualNodes"])


def deployments(apps, name):
    """A service's deployments: state and revision."""
    found = apps.service(name)["deployments"]
    return [(each["rolloutState"], each["taskDefinition"].rpartition("/")[2]) for each in found]


def bare_and_completed(apps, name):
    """A service's one deployment, once it is complete and without Envoy: of the last revision that ever was."""
    found = deployments(apps, name)
    return found if [state for state, _ in found] == ["COMPLETED"] and apps.containers(name) == ["app"] else None


def queue_is_read(aws):
    wait_for("the queue is empty", lambda: queue_is_empty(aws.instance))


@pytest.fixture(scope="module")
def gated(apps, joined, promoted):
    """The service whose node is idle is rolled out with a gate before 25, up to its promotion; and the other one."""
    services = {"serviceB": joined, "serviceBv2": promoted}
    busy, idle = sorted(services, key=lambda name: -apps.weights()[name])
    gate = {"weight": 25, "bakeSeconds": 0, "gate": {"timeoutSeconds": 300}}
    apps.write_policy("quick", steps=[gate], cleanUp="scale-to-zero", deadlineSeconds=300)
    before, known = apps.weights(), len(apps.executions(services[idle]))
    assert apps.operate("start", CLUSTER, idle)[0] == 0
    wait_for("the gate", lambda: apps.state_of(services[idle]) == "Gate")
    assert apps.weights() == before
    wait_for("its token", apps.waits_at_gate)
    assert apps.operate("approve", MESH, VIRTUAL_SERVICE)[0] == 0
    output = apps.outcome(services[idle], "Promoted", "Rolled Back", "Refused", known=known)
    return output, services[busy], busy, idle


def test_a_gate_opens_when_an_operator_approves(apps, gated):
    output, _, busy, idle = gated
    assert output["outcome"] == "Promoted"
    assert apps.weights() == {busy: 0, idle: 100}
    assert [line["signal"] for line in apps.history("signal")][-1] == "approve"


def test_the_side_that_lost_its_traffic_is_scaled_to_zero_until_it_is_the_candidate_again(apps, gated):
    output, arn, busy, _ = gated
    assert output["reason"].endswith(f"{busy} scaled to zero")
    assert apps.service(busy)["desiredCount"] == 0
    assert apps.operate("start", CLUSTER, busy)[0] == 0
    wait_for("the gate", lambda: apps.state_of(arn) == "Gate")
    assert apps.service(busy)["desiredCount"] == apps.service(busy)["runningCount"] == 2


def test_a_newer_deployment_supersedes_at_the_gate_and_its_own_rollout_follows(apps, gated):
    _, arn, candidate, _ = gated
    known = len(apps.executions(arn)) - 1
    apps.deploy_image(candidate, f"{candidate.lower()}:newer")
    output = apps.outcome(arn, "Superseded", "Rolled Back", "Promoted", known=known)
    assert output["outcome"] == "Superseded"
    assert "took the place of" in output["reason"]
    wait_for("the newer one's gate", lambda: apps.state_of(arn) == "Gate")


def test_an_edit_by_hand_freezes_the_rollout_and_stays(apps, gated):
    _, arn, candidate, stable = gated
    known = len(apps.executions(arn)) - 1
    wait_for("its token", apps.waits_at_gate)
    edited = {candidate: 10, stable: 90}
    apps.set_weights(edited)
    assert apps.operate("approve", MESH, VIRTUAL_SERVICE)[0] == 0
    output = apps.outcome(arn, "Frozen", "Promoted", "Rolled Back", known=known)
    assert (output["outcome"], output["weights"]) == ("Frozen", edited)
    assert apps.weights() == edited


def test_a_roll_back_to_a_side_that_has_no_tasks_any_more_is_not_done_but_loud(apps, gated):
    """Somebody scaled the stable side to zero: traffic stays where somebody answers, and people are told."""
    _, arn, candidate, stable = gated
    known = len(apps.executions(arn))
    apps.write_policy("quick", steps=[{"weight": 50, "bakeSeconds": 60}], deadlineSeconds=300)
    assert apps.operate("start", CLUSTER, candidate)[0] == 0
    wait_for("the first weight", lambda: apps.weights()[candidate] == 50)
    apps.ecs.update_service(cluster=CLUSTER, service=stable, desiredCount=0)
    wait_for("its tasks are gone", lambda: apps.service(stable)["runningCount"] == 0)
    assert apps.operate("abort", MESH, VIRTUAL_SERVICE)[0] == 0
    wait_for("its end", lambda: any(each["status"] == "FAILED" for each in apps.executions(arn, known)))
    (ended,) = [each for each in apps.executions(arn, known) if each["status"] == "FAILED"]
    assert ended["error"] == "Roll Back Failed"
    assert f"{stable}" in json.loads(ended["cause"])["reason"]
    assert apps.weights() == {candidate: 50, stable: 50}
    apps.ecs.update_service(cluster=CLUSTER, service=stable, desiredCount=2)
