"""Plan, shift, check and finish on one document, as the state machine hands it from task to task."""

import json
import os
import time

import pytest
from botocore.exceptions import ClientError

from domain.joining import with_target
from domain.operations import Signal
from domain.weights import with_weights
from gateways.mesh import Mesh, _client
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers import check_health, finish_rollout, pause_rollout, plan_rollout, shift_traffic
from tests.hosted_mesh import URL
from tests.integration.conftest import answered, make_service, recover
from tests.shapes import SUBJECT, event, route_spec

POLICY = {"steps": [{"weight": 25, "bakeSeconds": 0}], "checkEverySeconds": 1, "deadlineSeconds": 60}


@pytest.fixture
def write_policy(aws):
    def write(**fields):
        aws("ssm").put_parameter(
            Name="/meshift/policies/default", Value=json.dumps({**POLICY, **fields}), Type="String", Overwrite=True
        )

    write()
    return write


@pytest.fixture
def document(service, mesh, write_policy, running_tasks):
    return service.document(subject=SUBJECT, application="fingerprint")


def spec(mesh):
    name = "serviceb.apps.local"
    return mesh.describe_route(meshName="apps", virtualRouterName=name, routeName=name)["route"]["spec"]


def weights(mesh):
    return {each["virtualNode"]: each["weight"] for each in spec(mesh)["http2Route"]["action"]["weightedTargets"]}


def planned(document, context):
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Planned", answer
    return {**document, **answer}


def test_the_plan_has_absolute_weights_and_claims_the_virtual_service(aws, document, context):
    answer = planned(document, context)
    name = SUBJECT["virtualService"]
    assert [step["weights"][name] for step in answer["plan"]["steps"]] == [
        {"serviceB": 75, "serviceBv2": 25},
        {"serviceB": 0, "serviceBv2": 100},
    ]
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    claim, history, last = sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
    assert claim["execution"]["S"] == document["execution"]
    assert json.loads(claim["document"]["S"])["plan"] == answer["plan"]
    assert json.loads(history["document"]["S"])["before"] == {name: {"serviceB": 100, "serviceBv2": 0}}
    assert json.loads(last["document"]["S"])["deployment"] == document["deployment"]


def test_planning_twice_is_planning_once(document, context):
    assert planned(document, context) == planned(document, context)


def test_a_virtual_service_in_other_hands_is_waited_for_and_at_last_refused(aws, document, context):
    planned(document, context)
    states = aws("stepfunctions")
    other = states.start_execution(stateMachineArn=os.environ["STATE_MACHINE_ARN"], name="ecs-svc-1-1", input="{}")
    assert other["executionArn"] == document["execution"]
    second = {**document, "execution": document["execution"] + "-second"}
    answer = plan_rollout.handler(second, context)
    assert (answer["outcome"], answer["waitSeconds"]) == ("Wait", 1)
    last = plan_rollout.handler({**second, "turns": 60}, context)
    assert last["outcome"] == "Refused"
    assert "is in the hands of execution ecs-svc-1-1" in last["reason"]


def test_a_claim_of_a_dead_execution_waits_for_recovery(document, context):
    planned(document, context)
    second = {**document, "execution": document["execution"] + "-second"}
    assert plan_rollout.handler(second, context)["outcome"] == "Wait"
    recover(context, {})
    planned(second, context)


def test_a_node_with_all_the_weight_has_nothing_to_do(document, context):
    subject = {**SUBJECT, "virtualNode": "serviceB"}
    assert plan_rollout.handler({**document, "subject": subject}, context)["outcome"] == "Nothing To Do"


def test_a_service_that_only_calls_others_has_nothing_to_do(document, context):
    subject = {**SUBJECT, "virtualService": None}
    assert plan_rollout.handler({**document, "subject": subject}, context)["outcome"] == "Nothing To Do"


@pytest.mark.parametrize(
    ("subject", "policy", "says"),
    [
        ({"virtualRouter": "nobody.apps.local"}, {}, "mesh apps has no virtual router nobody.apps.local"),
        ({"policy": "missing"}, {}, "there is no rollout policy missing"),
        ({"virtualNode": "serviceC"}, {}, "serviceC is no target of the route"),
        ({}, {"steps": [{"weight": 150}]}, "steps[0].weight: 150"),
        ({}, {"checks": [{"alarm": "nobody"}]}, "alarms that do not exist: nobody"),
    ],
)
def test_a_refused_plan_says_why_and_claims_nothing(aws, document, write_policy, context, subject, policy, says):
    write_policy(**policy)
    answer = plan_rollout.handler({**document, "subject": {**SUBJECT, **subject}}, context)
    assert answer["outcome"] == "Refused"
    assert says in answer["reason"]
    assert aws("dynamodb").scan(TableName="rollouts")["Items"] == []


def test_a_shift_changes_weights_and_nothing_else(mesh, document, context):
    rollout = planned(document, context)
    assert shift_traffic.handler({**rollout, "to": "step"}, context)["shifted"]
    assert weights(mesh) == {"serviceB": 75, "serviceBv2": 25}
    assert shift_traffic.handler({**rollout, "to": "before"}, context)["shifted"]
    assert spec(mesh) == route_spec()


def told_weights(capsys):
    """The weights that were published as metrics since the last look: node, percent, milliseconds since the epoch."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Weight"' in line]
    assert all((line["mesh"], line["virtualService"]) == ("apps", "serviceb.apps.local") for line in lines)
    return [(line["virtualNode"], *line["Weight"], line["_aws"]["Timestamp"]) for line in lines]


def test_every_weight_is_published_at_once_and_the_last_ones_for_the_minute_that_follows(document, context, capsys):
    rollout, before = planned(document, context), [("serviceB", 100), ("serviceBv2", 0)]
    began = time.time() * 1000 - 1
    shift_traffic.handler({**rollout, "to": "step"}, context)
    shifted = told_weights(capsys)
    shift_traffic.handler({**rollout, "to": "before"}, context)
    assert [each[:2] for each in shifted] == [("serviceB", 75), ("serviceBv2", 25)]
    assert [each[:2] for each in told_weights(capsys)] == before
    finish_rollout.handler({**rollout, "outcome": "Rolled Back", "reason": "in alarm: errors"}, context)
    settled = told_weights(capsys)
    assert [each[:2] for each in settled] == before
    assert all(began <= at < last and last % 60_000 == 0 for (*_, at), (*_, last) in zip(shifted, settled, strict=True))


def test_what_recovery_put_back_is_published(aws, document, context, capsys):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    stopped(aws, document)
    told_weights(capsys)
    recover(context, event("states-execution-aborted"))
    assert [each[:2] for each in told_weights(capsys)] == [("serviceB", 100), ("serviceBv2", 0)]


def test_a_shift_that_was_made_already_is_not_made_again(mesh, document, context):
    rollout = planned(document, context)
    version = lambda: mesh.describe_route(  # noqa: E731
        meshName="apps", virtualRouterName=SUBJECT["virtualService"], routeName=SUBJECT["virtualService"]
    )["route"]["metadata"]["version"]
    shift_traffic.handler({**rollout, "to": "step"}, context)
    once = version()
    assert shift_traffic.handler({**rollout, "to": "step"}, context)["shifted"]
    assert version() == once


@pytest.mark.parametrize("to", ["step", "before"])
def test_a_foreign_edit_is_left_as_it_is(mesh, document, context, to):
    rollout = planned(document, context)
    edited = route_spec()
    for target, weight in zip(edited["http2Route"]["action"]["weightedTargets"], (40, 60), strict=True):
        target["weight"] = weight
    name = SUBJECT["virtualService"]
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=edited)
    answer = shift_traffic.handler({**rollout, "to": to}, context)
    assert not answer["shifted"]
    assert "somebody else set" in answer["reason"]
    assert spec(mesh) == edited


def test_a_candidate_without_healthy_tasks_gets_no_weight_but_waits(aws, document, running_tasks, context):
    running_tasks({"healthy": 0})
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Wait"
    assert "serviceBv2 is not fit for traffic: 0 of 2 tasks" in answer["reason"]
    assert RolloutTable("rollouts").claims() == []
    assert plan_rollout.handler({**document, "turns": 60}, context)["outcome"] == "Refused"


def test_a_deployment_that_was_overtaken_gets_no_weight(document, context):
    answer = plan_rollout.handler({**document, "deployment": "ecs-svc/older"}, context)
    assert answer["outcome"] == "Superseded"


def test_a_deployment_that_was_overtaken_says_nothing_of_what_its_service_finished_with(document, context):
    """It waited while the newer one was rolled out; its application is not what the node carries everything with."""
    subject = {**SUBJECT, "virtualNode": "serviceB"}
    overtaken = {**document, "subject": subject, "deployment": "ecs-svc/earlier", "turns": 1}
    assert plan_rollout.handler(overtaken, context)["outcome"] == "Superseded"
    assert Remembered("rollouts").finished(document["service"]) is None


def test_an_application_that_was_promoted_before_is_not_rolled_out_again(aws, mesh, document, context):
    rollout = planned(document, context)
    finish_rollout.handler({**rollout, "outcome": "Promoted", "reason": "x"}, context)
    again = plan_rollout.handler(document, context)
    assert (again["outcome"], again["reason"]) == (
        "Nothing To Do",
        "serviceBv2 runs the application that its last rollout ended with (Promoted); "
        "the signal retry rolls it out again",
    )
    assert plan_rollout.handler({**document, "forced": True}, context)["outcome"] == "Planned"
    RolloutTable("rollouts").release_virtual_router("apps", SUBJECT["virtualRouter"], document["execution"])
    assert plan_rollout.handler({**document, "application": "another"}, context)["outcome"] == "Planned"


def test_a_candidate_that_falls_ill_rolls_back(document, running_tasks, context):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    running_tasks({"healthy": 0})
    answer = check_health.handler(rollout, context)
    assert (answer["next"], answer["outcome"]) == ("Roll Back", "Rolled Back")
    assert "0 of 2 tasks" in answer["reason"]


def test_a_route_that_somebody_edits_during_a_bake_is_frozen(mesh, document, context):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    assert check_health.handler(rollout, context)["next"] == "Shift"
    name = SUBJECT["virtualService"]
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=route_spec())
    answer = check_health.handler(rollout, context)
    assert (answer["next"], answer["outcome"]) == ("Freeze", "Frozen")


def test_an_outcome_is_told_also_when_the_mesh_is_out_of_reach(aws, document, context, monkeypatch):
    rollout = planned(document, context)
    monkeypatch.setenv("MESH_ENDPOINT", "http://127.0.0.1:9/")
    monkeypatch.setenv("MESH_SIGNING_NAME", "lambda")
    result = finish_rollout.handler({**rollout, "outcome": "Roll Back Failed", "reason": "no answer"}, context)
    assert (result["outcome"], result["weights"]) == ("Roll Back Failed", None)
    (claim,) = RolloutTable("rollouts").claims()
    assert claim["execution"] == document["execution"], "kept for recovery"


def test_finishing_gives_the_claim_back_records_and_tells(aws, mesh, document, context):
    rollout = planned(document, context)
    inbox = aws("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws("sns").subscribe(TopicArn=os.environ["TOPIC_ARN"], Protocol="sqs", Endpoint=arn)
    result = finish_rollout.handler({**rollout, "outcome": "Rolled Back", "reason": "in alarm: errors"}, context)
    assert result == {
        "outcome": "Rolled Back",
        "mesh": "apps",
        "virtualService": "serviceb.apps.local",
        "virtualNode": "serviceBv2",
        "weights": {"serviceB": 100, "serviceBv2": 0},
        "stepsDone": 0,
        "reason": "in alarm: errors",
    }
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    sorts = [item["sk"]["S"] for item in items if item["sk"]["S"].startswith("history#")]
    assert [sort.rpartition("#")[2] for sort in sorted(sorts)] == ["plan", "outcome"]
    (message,) = aws("sqs").receive_message(QueueUrl=inbox)["Messages"]
    assert json.loads(message["Body"])["Subject"] == "Meshift: Rolled Back, serviceBv2"


def test_finishing_twice_tells_the_same(document, context):
    rollout = {**planned(document, context), "outcome": "Promoted", "reason": "x"}
    assert finish_rollout.handler(rollout, context) == finish_rollout.handler(rollout, context)


def test_finishing_does_not_take_a_claim_from_another(aws, document, context):
    first = planned(document, context)
    recover(context, {})
    second = planned({**document, "execution": document["execution"] + "-second"}, context)
    finish_rollout.handler({**first, "outcome": "Superseded", "reason": "x"}, context)
    assert [claim["execution"] for claim in RolloutTable("rollouts").claims()] == [second["execution"]]


def test_two_virtual_services_that_share_a_router_roll_out_one_after_the_other(document, context):
    """Each moves all routes that name its candidate: at once, each would see the other's weights as an edit."""
    first = planned(document, context)
    sharing = {**document, "execution": document["execution"] + "-second"}
    sharing["subject"] = {**document["subject"], "virtualService": "sharing.apps.local"}
    waits = plan_rollout.handler(sharing, context)
    assert waits["outcome"] == "Wait"
    name, holder = SUBJECT["virtualRouter"], document["execution"].rpartition(":")[2]
    assert waits["reason"] == f"virtual router {name}, which {name} shares, is in the hands of execution {holder}"
    finish_rollout.handler({**first, "outcome": "Superseded", "reason": "x"}, context)
    assert plan_rollout.handler(sharing, context)["outcome"] == "Planned"
    (claim,) = RolloutTable("rollouts").claims()
    assert (claim["virtualRouter"], claim["virtualService"]) == (name, "sharing.apps.local")


def test_a_refusal_before_anything_was_learned_finishes_too(aws, service, context):
    result = finish_rollout.handler(service.document(outcome="Refused", reason="no such mesh"), context)
    assert (result["outcome"], result["weights"], result["stepsDone"]) == ("Refused", None, 0)


def test_what_was_frozen_is_left_to_people_by_whoever_else_waits_for_the_same_deployment(document, mesh, context):
    """Its tags were edited, so a second execution waits; somebody has set the weights by hand since."""
    first = planned(document, context)
    finish_rollout.handler({**first, "outcome": "Frozen", "reason": "somebody else set the route"}, context)
    waiting = {**document, "execution": document["execution"] + "-second", "turns": 1}
    answer = plan_rollout.handler(waiting, context)
    assert (answer["outcome"], "(Frozen)" in answer["reason"]) == ("Nothing To Do", True)
    assert plan_rollout.handler({**waiting, "forced": True}, context)["outcome"] == "Planned", "retry, start"


def test_who_waited_long_has_all_the_time_that_the_policy_gives_for_the_steps(aws, document, context):
    policy = {"steps": [{"weight": 25}], "deadlineSeconds": 600, "checkEverySeconds": 30}
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(policy), Type="String", Overwrite=True)
    late = planned({**document, "turns": 19}, context)
    assert late["position"]["elapsedSeconds"] == 0


# -- recovery


def stopped(aws, document, status="ABORTED"):
    """An execution of that name that has ended so; the document's own."""
    states = aws("stepfunctions")
    name = document["execution"].rpartition(":")[2]
    states.start_execution(stateMachineArn=os.environ["STATE_MACHINE_ARN"], name=name, input="{}")
    if status == "ABORTED":
        states.stop_execution(executionArn=document["execution"])


def test_what_a_stopped_execution_left_is_put_back_and_told(aws, mesh, document, context):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    stopped(aws, document)
    assert recover(context, event("states-execution-aborted")) == {"batchItemFailures": []}
    assert spec(mesh) == route_spec()
    assert RolloutTable("rollouts").claims() == []
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    (outcome,) = [json.loads(item["document"]["S"]) for item in items if item["sk"]["S"].endswith("#outcome")]
    assert (outcome["outcome"], outcome["reason"]) == ("Rolled Back", "the execution ended as ABORTED")


def test_an_execution_at_work_is_left_alone(aws, mesh, document, context):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    stopped(aws, document, "RUNNING")
    recover(context, {})
    assert weights(mesh) == {"serviceB": 75, "serviceBv2": 25}
    assert len(RolloutTable("rollouts").claims()) == 1


def test_recovering_twice_is_recovering_once(aws, mesh, document, context):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    recover(context, {}, {})
    recover(context, {})
    assert spec(mesh) == route_spec()
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    assert len([item for item in items if item["sk"]["S"].endswith("#outcome")]) == 1


def test_a_dead_executions_late_shift_writes_nothing(aws, mesh, document, context):
    rollout = planned(document, context)
    RolloutTable("rollouts").fence("apps", SUBJECT["virtualRouter"], document["execution"])
    late = shift_traffic.handler({**rollout, "to": "step"}, context)
    assert not late["shifted"]
    assert "has lost its claim" in late["reason"]
    assert spec(mesh) == route_spec()


def test_weights_that_somebody_set_after_the_death_are_left_as_they_are(aws, mesh, document, context):
    planned(document, context)
    edited = route_spec()
    for target, weight in zip(edited["http2Route"]["action"]["weightedTargets"], (40, 60), strict=True):
        target["weight"] = weight
    name = SUBJECT["virtualService"]
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=edited)
    recover(context, {})
    assert spec(mesh) == edited
    assert RolloutTable("rollouts").claims() == []


def test_a_claim_that_cannot_be_recovered_now_comes_again_and_is_kept(aws, mesh, document, context, monkeypatch):
    planned(document, context)
    monkeypatch.setenv("MESH_ENDPOINT", "http://127.0.0.1:9/")
    monkeypatch.setenv("MESH_SIGNING_NAME", "lambda")
    assert recover(context, {}) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert len(RolloutTable("rollouts").claims()) == 1


def test_a_claim_without_a_plan_is_given_back(aws, document, context):
    RolloutTable("rollouts").claim_virtual_router("apps", "other.apps.local", document["execution"], "other.apps.local")
    recover(context, {})
    assert RolloutTable("rollouts").claims() == []


def test_a_route_that_is_gone_gives_the_claim_back_and_is_told(aws, mesh, document, context):
    planned(document, context)
    name = SUBJECT["virtualService"]
    mesh.delete_route(meshName="apps", virtualRouterName=name, routeName=name)
    assert recover(context, {}) == {"batchItemFailures": []}
    assert RolloutTable("rollouts").claims() == []
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    (outcome,) = [json.loads(item["document"]["S"]) for item in items if item["sk"]["S"].endswith("#outcome")]
    assert (outcome["outcome"], outcome["weights"]) == ("Frozen", None)


def test_a_plan_made_after_the_claims_were_listed_is_seen(document, context):
    """What the fence gives back counts, not what was listed before."""
    table = RolloutTable("rollouts")
    claim = "apps", SUBJECT["virtualService"], document["execution"]
    table.claim_virtual_router(*claim, SUBJECT["virtualService"])
    (listed,) = table.claims()
    table.keep_plan(*claim, {"plan": "made meanwhile"})
    assert listed["document"] is None
    assert table.fence(*claim)["document"] == {"plan": "made meanwhile"}
    with pytest.raises(ClientError):
        table.keep_plan(*claim, {"plan": "too late"})


def test_a_late_write_of_a_dead_execution_is_refused_by_the_hosted_mesh(hosted, monkeypatch):
    """The execution read the route and held its claim; recovery wrote in between: the version shuts the write out."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    owner = hosted.client()
    owner.create_mesh(meshName="apps")
    name, listeners = SUBJECT["virtualService"], [{"portMapping": {"port": 80, "protocol": "http2"}}]
    for node in ("serviceB", "serviceBv2"):
        discovery = {"dns": {"hostname": "b.apps.local"}}
        node_spec = {"listeners": listeners, "serviceDiscovery": discovery}
        owner.create_virtual_node(meshName="apps", virtualNodeName=node, spec=node_spec)
    owner.create_virtual_router(meshName="apps", virtualRouterName=name, spec={"listeners": listeners})
    owner.create_route(meshName="apps", virtualRouterName=name, routeName=name, spec=route_spec())
    mesh = Mesh("apps", None, URL, "lambda")
    hosted.answer_for(_client(URL, "lambda"))
    read = mesh.describe_route(name, name)
    recovery = mesh.describe_route(name, name)
    mesh.update_route(name, name, recovery["spec"], recovery["metadata"]["version"])
    late = with_weights(read["spec"], {"serviceB": 75, "serviceBv2": 25})
    with pytest.raises(ClientError, match="Conflict"):
        mesh.update_route(name, name, late, read["metadata"]["version"])
    assert mesh.describe_route(name, name)["spec"] == route_spec()


@pytest.fixture
def header_route(mesh):
    """A hand-made route beside the first: other match, other retries, other weights."""
    header = route_spec()
    header["priority"] = 1
    header["http2Route"]["match"]["headers"] = [{"name": "x-beta", "match": {"prefix": "b"}, "invert": True}]
    header["http2Route"]["retryPolicy"]["maxRetries"] = 2
    for target, weight in zip(header["http2Route"]["action"]["weightedTargets"], (60, 40), strict=True):
        target["weight"] = weight
    router = SUBJECT["virtualRouter"]
    mesh.create_route(meshName="apps", virtualRouterName=router, routeName="by-hand", spec=header)
    return lambda: mesh.describe_route(meshName="apps", virtualRouterName=router, routeName="by-hand")["route"]["spec"]


def test_several_routes_move_together_and_keep_everything_else(mesh, document, header_route, context):
    made = header_route()
    rollout = planned(document, context)
    assert rollout["plan"]["routes"] == [SUBJECT["virtualService"], "by-hand"]
    assert shift_traffic.handler({**rollout, "to": "step"}, context)["shifted"]
    assert (weights(mesh)["serviceBv2"], header_route()) == (25, made)
    last = {**rollout, "position": {**rollout["position"], "step": 1, "from": 0}}
    assert shift_traffic.handler({**last, "to": "step"}, context)["shifted"]
    moved = header_route()
    assert [each.pop("weight") for each in moved["http2Route"]["action"]["weightedTargets"]] == [0, 100]
    assert weights(mesh)["serviceBv2"] == 100
    assert shift_traffic.handler({**last, "to": "before"}, context)["shifted"]
    assert (spec(mesh), header_route()) == (route_spec(), made)


def test_when_one_of_several_routes_was_edited_none_is_touched(mesh, document, header_route, context):
    rollout = planned(document, context)
    edited = header_route()
    edited["http2Route"]["action"]["weightedTargets"][1]["weight"] = 90
    router = SUBJECT["virtualRouter"]
    mesh.update_route(meshName="apps", virtualRouterName=router, routeName="by-hand", spec=edited)
    answer = shift_traffic.handler({**rollout, "to": "step"}, context)
    assert not answer["shifted"]
    assert "by-hand" in answer["reason"]
    assert (spec(mesh), header_route()) == (route_spec(), edited)


def test_recovery_puts_back_all_routes(mesh, document, header_route, context):
    made = header_route()
    rollout = planned(document, context)
    last = {**rollout, "position": {**rollout["position"], "step": 1}}
    for step in (rollout, {**last, "position": {**last["position"], "from": 0}}):
        shift_traffic.handler({**step, "to": "step"}, context)
    recover(context, {})
    assert (spec(mesh), header_route()) == (route_spec(), made)


def test_the_first_step_waits_for_tasks_in_proportion_to_the_stable_side(aws, document, running_tasks, context):
    """serviceB has 9 healthy tasks for its 100 %, so 25 % needs 3; the candidate has 2."""
    stable = make_service(aws, {}, name="serviceB", family="serviceB")
    Remembered("rollouts").claim_virtual_node("apps", "serviceB", stable.arn)
    running_tasks({"healthy": 2, "stable": (9, stable.task_definition)})
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Wait"
    assert "2 of the 3 tasks run that the first step's weight needs" in answer["reason"]
    running_tasks({"stable": (8, stable.task_definition)})
    plan = planned(document, context)["plan"]
    assert [step["tasks"] for step in plan["steps"]] == [2, 8]


def test_tasks_in_proportion_count_also_while_the_stable_side_is_being_deployed(aws, document, running_tasks, context):
    """Its nine tasks are of the revision before; they carry the traffic all the same."""
    stable = make_service(aws, {}, name="serviceB", family="serviceB")
    Remembered("rollouts").claim_virtual_node("apps", "serviceB", stable.arn)
    running_tasks({"healthy": 2, "stable": (9, "an:earlier:revision")})
    assert "2 of the 3 tasks run" in plan_rollout.handler(document, context)["reason"]


def test_a_route_that_was_just_changed_settles_first(document, mesh, context, monkeypatch):
    """Every Envoy has to know the route's targets before one of them gets weight."""
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    name = SUBJECT["virtualRouter"]
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=route_spec())
    answer = plan_rollout.handler(document, context)
    assert answer["outcome"] == "Wait"
    assert 21 <= answer["waitSeconds"] <= 23
    monkeypatch.delenv("CONTROL_PLANE")
    planned(document, context)
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=route_spec())
    assert plan_rollout.handler(document, context)["outcome"] == "Planned", "its targets are known by now"


def test_a_service_whose_node_itself_provides_the_virtual_service_is_told_that_no_canary_took_place(document, context):
    subject = {**SUBJECT, "virtualRouter": None}
    answer = plan_rollout.handler({**document, "subject": subject}, context)
    assert (answer["outcome"], answer["reason"].rpartition(": ")[2]) == ("Nothing To Do", "no canary took place")


def test_a_newer_deployment_wakes_the_paused_rollout_of_its_own_service(aws, document, context, monkeypatch):
    woken = []
    planned(document, context)
    claim = "apps", SUBJECT["virtualService"], document["execution"]
    table = RolloutTable("rollouts")
    table.give_signal(*claim, Signal("1", "pause", "ann"))
    table.keep_token(*claim, "the token")
    with answered(aws("stepfunctions"), "SendTaskSuccess", woken):
        second = {**document, "execution": document["execution"] + "-second"}
        assert plan_rollout.handler(second, context)["outcome"] == "Wait"
        assert woken == [], "the same deployment again is no reason to go on"
        kept = {**document, "plan": {}, "service": "another", "deployment": "ecs-svc/older"}
        table.keep_plan(*claim, kept)
        assert plan_rollout.handler(second, context)["outcome"] == "Wait"
        assert woken == [], "nor is another service"
        table.keep_plan(*claim, {**kept, "service": document["service"]})
        assert plan_rollout.handler(second, context)["outcome"] == "Wait"
    assert [each["taskToken"] for each in woken] == ["the token"]


def test_a_signal_that_comes_before_the_pause_has_its_token_ends_it_at_once(aws, document, context):
    woken = []
    rollout = planned(document, context)
    claim = "apps", SUBJECT["virtualService"], document["execution"]
    RolloutTable("rollouts").give_signal(*claim, Signal("2", "resume", "ann"))
    paused = {**rollout, "position": {**rollout["position"], "signal": "1"}, "token": "the token"}
    with answered(aws("stepfunctions"), "SendTaskSuccess", woken):
        pause_rollout.handler(paused, context)
        pause_rollout.handler({**paused, "position": {**rollout["position"], "signal": "2"}}, context)
    assert [each["taskToken"] for each in woken] == ["the token"]


def test_a_node_that_joins_while_a_rollout_is_at_work_is_no_foreign_edit(mesh, document, context):
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    name = SUBJECT["virtualRouter"]
    node = {
        "listeners": [{"portMapping": {"port": 80, "protocol": "http2"}}],
        "serviceDiscovery": {"dns": {"hostname": "serviceBv3.apps.local"}},
    }
    mesh.create_virtual_node(meshName="apps", virtualNodeName="serviceBv3", spec=node)
    mesh.update_route(
        meshName="apps", virtualRouterName=name, routeName=name, spec=with_target(spec(mesh), "serviceBv3")
    )
    assert check_health.handler(rollout, context)["next"] == "Shift"
    second = {**rollout, "position": {**rollout["position"], "step": 1, "from": 0}}
    assert shift_traffic.handler({**second, "to": "step"}, context)["shifted"]
    assert weights(mesh) == {"serviceB": 0, "serviceBv2": 100, "serviceBv3": 0}
    assert shift_traffic.handler({**second, "to": "before"}, context)["shifted"]
    assert weights(mesh) == {"serviceB": 100, "serviceBv2": 0, "serviceBv3": 0}


def test_a_stopped_version_is_not_rolled_out_again_by_itself(aws, mesh, document, context):
    """Its traffic had been taken off for it: that share is forgotten with it."""
    remembered, execution = Remembered("rollouts"), document["execution"]
    states = aws("stepfunctions")
    states.start_execution(stateMachineArn=os.environ["STATE_MACHINE_ARN"], name="ecs-svc-1-1", input="{}")
    remembered.remember_moved_away(document["service"], {SUBJECT["virtualRouter"]: {"serviceBv2": 100}})
    rollout = planned(document, context)
    shift_traffic.handler({**rollout, "to": "step"}, context)
    states.stop_execution(executionArn=execution)
    recover(context, {})
    assert remembered.moved_away(document["service"]) is None
    assert plan_rollout.handler(document, context)["outcome"] == "Nothing To Do"
    assert plan_rollout.handler({**document, "forced": True}, context)["outcome"] == "Planned"


def test_a_try_that_could_not_say_what_it_wrote_is_in_the_history_all_the_same(aws, mesh, document, context):
    rollout = planned(document, context)
    name = SUBJECT["virtualRouter"]
    written = with_weights(route_spec(), {"serviceB": 75, "serviceBv2": 25})
    mesh.update_route(meshName="apps", virtualRouterName=name, routeName=name, spec=written)
    assert shift_traffic.handler({**rollout, "to": "step"}, context)["shifted"]
    items = aws("dynamodb").scan(TableName="rollouts")["Items"]
    (line,) = [json.loads(item["document"]["S"]) for item in items if item["sk"]["S"].endswith("#weights")]
    assert line["to"] == {"serviceB": 75, "serviceBv2": 25}


def test_a_claim_that_was_taken_before_a_task_failed_is_given_back_at_the_end(document, context):
    RolloutTable("rollouts").claim_virtual_router(
        "apps", SUBJECT["virtualRouter"], document["execution"], SUBJECT["virtualService"]
    )
    finish_rollout.handler({**document, "outcome": "Refused", "reason": "Plan Rollout failed"}, context)
    assert RolloutTable("rollouts").claims() == []
