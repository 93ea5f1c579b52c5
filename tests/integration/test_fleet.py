"""The fleet's functions on moto: services are listed, judged, brought in and looked after."""

import json
import os

import pytest
from moto.ecs.models import ecs_backends

from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers import bring_in, inject_envoy, plan_wave
from tests.integration.conftest import answered, make_service
from tests.shapes import SUBJECT, TAGS

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:fleet:one"


@pytest.fixture
def plan(mesh, context):
    """Plan as the state machine does, on what was planned before."""

    def next_wave(document=None, **request):
        document = document or {"request": request}
        return plan_wave.handler({**document, "execution": EXECUTION}, context)

    return next_wave


@pytest.fixture
def look_after(context):
    """Bring one service in, as the state machine does."""
    return lambda document: bring_in.handler(document, context)


def by_name(answer):
    return {each["service"].rpartition("/")[2]: each["action"] for each in answer["services"]}


def started(aws):
    machine = os.environ["STATE_MACHINE_ARN"]
    return [each["name"] for each in aws("stepfunctions").list_executions(stateMachineArn=machine)["executions"]]


def item(service, **more):
    return {
        "service": service.arn,
        "cluster": "apps",
        "deployment": service.deployment,
        "turns": 0,
        **more,
    }


def test_a_dry_run_says_of_each_enrolled_service_what_it_needs_and_changes_nothing(aws, plan):
    make_service(aws)
    make_service(aws, {}, "bystander")
    make_service(aws, {**TAGS, "meshift:protocol": "spdy"}, "odd")
    revisions = aws("ecs").list_task_definitions()["taskDefinitionArns"]
    first = plan()
    assert by_name(first) == {"odd": "Refused", "serviceBv2": "Inject"}
    assert (first["next"], first["wave"]) == ("Look On", [])
    last = plan(first)
    assert (last["next"], last["services"]) == ("Planned", [])
    assert last["tally"]["services"] == 3
    assert (last["tally"]["notEnrolled"], last["tally"]["inject"], last["tally"]["refused"]) == (1, 1, 1)
    assert aws("ecs").list_task_definitions()["taskDefinitionArns"] == revisions
    assert started(aws) == []


def test_waves_go_through_all_clusters_in_order_and_come_to_an_end(aws, plan):
    aws("ecs").create_cluster(clusterName="another")
    names = [make_service(aws, name=f"service{number:02}").arn for number in range(12)]
    seen, document = [], plan(dryRun=False, wave=5)
    while document["next"] == "Bring In":
        seen.append([each["service"] for each in document["wave"]])
        results = [{**each, "outcome": "Brought In", "reason": ""} for each in document["wave"]]
        document = plan({**document, "results": results})
    assert seen == [names[:5], names[5:10], names[10:]]
    assert (document["next"], document["outcome"]) == ("Announce", "Brought In")
    assert (document["tally"]["waves"], document["tally"]["broughtIn"], document["tally"]["services"]) == (3, 12, 12)


def test_a_wave_of_which_too_many_failed_is_the_last(aws, plan):
    for number in range(4):
        make_service(aws, name=f"service{number}")
    wave = plan(dryRun=False, wave=2, tolerate=49)
    results = [{**each, "outcome": "Failed", "reason": "circuit breaker"} for each in wave["wave"][:1]]
    results += [{**each, "outcome": "Brought In", "reason": ""} for each in wave["wave"][1:]]
    end = plan({**wave, "results": results})
    assert (end["next"], end["outcome"], end["wave"]) == ("Announce", "Stopped", [])
    assert end["reason"] == "wave 1: 1 of 2 services failed, more than 49 %"
    assert end["tally"]["failures"] == [{"service": wave["wave"][0]["service"], "reason": "circuit breaker"}]


def test_a_service_that_came_after_the_one_looked_at_last_is_not_missed(aws, plan):
    make_service(aws, name="b")
    first = plan(dryRun=False, wave=1)
    made = make_service(aws, name="c").arn
    second = plan({**first, "results": [{**each, "outcome": "Brought In", "reason": ""} for each in first["wave"]]})
    assert [each["service"] for each in second["wave"]] == [made]


def test_a_request_that_makes_no_sense_is_refused_by_its_field(plan):
    answer = plan(wave=0)
    assert (answer["next"], answer["reason"]) == ("Refused", "wave: 0 is not a whole number from 1 to 100")


def test_a_cluster_that_is_not_there_is_refused(plan):
    answer = plan(cluster="nowhere")
    assert (answer["next"], answer["reason"]) == ("Refused", "cluster: cluster nowhere does not exist")


def test_a_mesh_that_is_not_there_is_the_reason_for_a_refusal(aws, plan):
    make_service(aws, {**TAGS, "meshift:mesh": "nowhere"})
    (found,) = plan()["services"]
    assert (found["action"], found["reason"]) == ("Refused", "there is no mesh nowhere")


def test_a_service_that_ecs_rolled_back_is_left_out(aws, plan):
    service = make_service(aws)
    Remembered("rollouts").remember_rolled_back(service.arn, service.deployment)
    answer = plan(dryRun=False)
    assert (by_name(answer), answer["wave"], answer["next"]) == ({"serviceBv2": "Refused"}, [], "Look On")


def test_a_service_gets_the_execution_of_its_deployment_once_however_often_it_is_tried(aws, service, look_after):
    answers = [look_after(item(service)) for _ in range(3)]
    name = service.deployment.replace("/", "-") + "-1"
    assert started(aws) == [name]
    assert {each["execution"].rpartition(":")[2] for each in answers} == {name}
    assert answers[0]["waitSeconds"] == 1


def test_an_execution_that_has_ended_is_followed_by_another_attempt(aws, service, look_after):
    RolloutTable("rollouts").claim_deployment(service.arn, service.deployment)
    first = look_after(item(service))["execution"]
    aws("stepfunctions").stop_execution(executionArn=first)
    assert look_after(item(service))["execution"] == first.removesuffix("-1") + "-2"
    assert len(started(aws)) == 2


def test_a_deployment_that_was_followed_by_another_is_superseded(service, look_after):
    assert look_after(item(service, deployment="ecs-svc/before"))["outcome"] == "Superseded"


def test_a_service_that_is_gone_has_failed(service, look_after, aws):
    aws("ecs").delete_service(cluster="apps", service=service.arn, force=True)
    answer = look_after(item(service))
    assert answer["outcome"] == "Failed"
    assert "does not exist" in answer["reason"]


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"status": "RUNNING"}, None),
        ({"status": "SUCCEEDED", "output": {"outcome": "Nothing To Do", "reason": "as it was"}}, "Left Alone"),
        ({"status": "SUCCEEDED", "output": {"outcome": "Refused", "reason": "no"}}, "Failed"),
        ({"status": "FAILED", "cause": "a bug"}, "Failed"),
    ],
)
def test_an_execution_is_looked_after_until_it_has_ended(aws, service, look_after, found, outcome):
    known = look_after(item(service))
    answer = {**found, "output": json.dumps(found["output"])} if "output" in found else found
    with answered(aws("stepfunctions"), "DescribeExecution", [], answer):
        now = look_after(item(service, turns=3, execution=known["execution"]))
    assert now.get("outcome") == outcome
    assert ("waitSeconds" in now) == (outcome is None)


def test_a_service_is_in_when_the_deployment_with_envoy_is_complete(aws, mesh, service, look_after, context):
    known = look_after(item(service))
    inject_envoy.handler(service.document(subject=SUBJECT), context)
    revision = aws("ecs").list_task_definitions(familyPrefix="serviceBv2")["taskDefinitionArns"][-1]
    (deployment,) = next(iter(ecs_backends["123456789012"]["us-east-1"].services.values())).deployments
    deployment["id"], deployment["taskDefinition"] = "ecs-svc/second", revision
    redeployed = {"status": "SUCCEEDED", "output": json.dumps({"outcome": "Redeployed", "reason": "with Envoy"})}
    with answered(aws("stepfunctions"), "DescribeExecution", [], redeployed):
        deployment["rolloutState"] = "IN_PROGRESS"
        assert "outcome" not in look_after(item(service, execution=known["execution"]))
        deployment["rolloutState"] = "COMPLETED"
        assert look_after(item(service, execution=known["execution"])) == {
            "outcome": "Brought In",
            "reason": "with Envoy",
        }
