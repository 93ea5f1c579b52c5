"""The fleet's decisions: what is asked, what a service needs, how far it is, and when too many have failed."""

import copy

import pytest

from domain.enrolment import enrolment_of
from domain.errors import InvalidRequest
from domain.fleet import (
    FleetRequest,
    count_judged,
    count_wave,
    empty_tally,
    judge,
    parse_fleet_request,
    progress,
    too_many_failed,
    wait_seconds,
)
from domain.sidecar import INJECTED_AS, SidecarSettings, inject, sidecar_for
from tests.shapes import SERVICE, TAGS, TASK_DEFINITION, task_definition

SETTINGS = SidecarSettings(
    region="us-east-1",
    hosted=True,
    envoy_image=None,
    interception="transparent",
    metrics=False,
    tracing=False,
    discovery_endpoint="https://discover.example/",
    discovery_poll_seconds=5,
    signing_name="lambda",
    compress_polls=False,
)
NODE = {
    "metadata": {"arn": "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceBv2"},
    "spec": {"listeners": [{"portMapping": {"port": 80, "protocol": "http"}}]},
}


def service(deployment="ecs-svc/1", state="COMPLETED", revision=TASK_DEFINITION, tags=TAGS, **more):
    primary = {"id": deployment, "status": "PRIMARY", "taskDefinition": revision, "rolloutState": state}
    named = {"serviceArn": SERVICE, "serviceName": "serviceBv2", "desiredCount": 1, "deployments": [primary]}
    return {**named, "tags": [{"key": key, "value": value} for key, value in tags.items()], **more}


def judged(revision=None, node=NODE, settings=SETTINGS, rolled_back=None, registered=None, **more):
    return judge(service(**more), revision or task_definition(), registered or {}, node, settings, rolled_back)


def injected(settings=SETTINGS):
    return inject(task_definition(), enrolment_of(service()), sidecar_for(NODE, settings))


def test_an_empty_input_is_a_dry_run_over_all_clusters():
    assert parse_fleet_request({}) == FleetRequest(cluster=None, dry_run=True, wave=5, tolerate=20)


def test_a_cluster_may_be_given_by_its_arn():
    arn = "arn:aws:ecs:us-east-1:111111111111:cluster/apps"
    assert parse_fleet_request({"cluster": arn}).cluster == "apps"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "the input is [], not an object"),
        ({"dryrun": False}, "dryrun: not known here; known are cluster, dryRun, wave, tolerate"),
        ({"dryRun": "no"}, "dryRun: 'no' is not true or false"),
        ({"cluster": "a/b"}, "cluster: 'a/b' is not the name or the ARN of an ECS cluster"),
        ({"cluster": 5}, "cluster: 5 is not the name"),
        ({"wave": 0}, "wave: 0 is not a whole number from 1 to 100"),
        ({"wave": True}, "wave: True is not a whole number"),
        ({"tolerate": 101}, "tolerate: 101 is not a whole number from 0 to 100"),
        ({"tolerate": 0.5}, "tolerate: 0.5 is not a whole number"),
    ],
)
def test_an_input_that_makes_no_sense_is_refused_by_its_field(document, says):
    with pytest.raises(InvalidRequest) as refusal:
        parse_fleet_request(document)
    assert says in str(refusal.value)


def test_a_service_without_envoy_is_injected():
    found = judged()
    assert (found.action, found.reason) == ("Inject", "serviceBv2:1 gets Envoy beside app")


def test_a_virtual_node_that_joining_makes_is_said():
    assert judged(node=None).reason == "serviceBv2:1 gets Envoy beside app; virtual node serviceBv2 is made"


def test_the_node_that_joining_makes_gets_the_same_envoy_as_when_it_is_there():
    assert judged(injected().task_definition, node=None).action == "Nothing To Do"


def test_a_service_that_has_the_wanted_sidecar_needs_nothing():
    found = judged(injected().task_definition)
    assert (found.action, found.reason) == ("Nothing To Do", "serviceBv2:1 has the wanted sidecar")


def test_a_revision_that_was_registered_as_wanted_needs_nothing_whatever_ecs_made_of_it():
    wanted = injected()
    revision = copy.deepcopy(wanted.task_definition)
    revision["containerDefinitions"][-1]["startTimeout"] = 119
    assert judged(revision).action == "Upgrade"
    assert judged(revision, registered={INJECTED_AS: wanted.digest}).action == "Nothing To Do"


def test_an_upgrade_says_which_settings_change_and_to_what():
    now = SidecarSettings(**{**vars(SETTINGS), "envoy_image": "mirror/envoy:2", "discovery_poll_seconds": 10})
    found = judged(injected().task_definition, settings=now)
    assert found.action == "Upgrade"
    assert "containerDefinitions.envoy.image: envoyproxy/envoy:v1.40.0 → mirror/envoy:2" in found.reason
    assert "refresh_delay: 5s → 10s" in found.reason


def test_a_collector_that_is_wanted_now_is_an_upgrade():
    found = judged(injected().task_definition, settings=SidecarSettings(**{**vars(SETTINGS), "metrics": True}))
    assert (found.action, found.changes) == ("Upgrade", True)
    assert "containerDefinitions.meshift-collector is added" in found.reason


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"tags": {**TAGS, "meshift:protocol": "spdy"}}, "tag meshift:protocol: 'spdy'"),
        ({"schedulingStrategy": "DAEMON"}, "is a DAEMON service"),
        ({"rolled_back": "ecs-svc/1"}, "ECS rolled the service back to serviceBv2:1"),
    ],
)
def test_what_would_be_refused_is_refused_with_its_reason(more, says):
    found = judged(**more)
    assert (found.action, found.changes) == ("Refused", False)
    assert says in found.reason


def test_a_task_definition_that_cannot_have_envoy_is_refused_with_its_reason():
    found = judged({**task_definition(), "networkMode": "host"})
    assert (found.action, found.reason.split(";")[0]) == (
        "Refused",
        "task definition serviceBv2 has networkMode host",
    )


REDEPLOYED = {"status": "SUCCEEDED", "outcome": "Redeployed", "reason": "it has Envoy beside app"}
SECOND = TASK_DEFINITION.replace(":1", ":2")


def came(ended=REDEPLOYED, now=None, *, has_sidecar=True, rolled_back=None, turns=0):
    now = now or service("ecs-svc/2", revision=SECOND)
    return progress(ended, "ecs-svc/1", now, has_sidecar, rolled_back, turns)


def test_a_service_is_in_when_its_deployment_with_envoy_is_complete():
    assert came(now=service("ecs-svc/2", "IN_PROGRESS")).settled is False
    assert (came().outcome, came().reason) == ("Brought In", "it has Envoy beside app")


def test_an_execution_at_work_is_waited_for():
    assert came({"status": "RUNNING", "outcome": "", "reason": ""}).settled is False


@pytest.mark.parametrize(
    ("now", "more", "says"),
    [
        (service("ecs-svc/1"), {}, "ECS rolled the service back to serviceBv2:1"),
        (service("ecs-svc/3"), {"rolled_back": "ecs-svc/3"}, "ECS rolled the service back to serviceBv2:1"),
        (service("ecs-svc/2", "FAILED"), {}, "deployment of serviceBv2:1 failed"),
        (service("ecs-svc/2", "IN_PROGRESS"), {"turns": 480}, "not completed within two hours"),
        (service(deployments=[]), {}, "no deployment any more"),
    ],
)
def test_a_deployment_that_does_not_come_through_has_failed(now, more, says):
    found = came(now=now, **more)
    assert found.outcome == "Failed"
    assert says in found.reason


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (("SUCCEEDED", "Nothing To Do"), "Left Alone"),
        (("SUCCEEDED", "Promoted"), "Left Alone"),
        (("SUCCEEDED", "Superseded"), "Superseded"),
        (("SUCCEEDED", "Refused"), "Failed"),
        (("SUCCEEDED", "Rolled Back"), "Failed"),
        (("SUCCEEDED", "Frozen"), "Failed"),
        (("FAILED", ""), "Failed"),
        (("ABORTED", ""), "Failed"),
        (("TIMED_OUT", ""), "Failed"),
    ],
)
def test_an_execution_that_redeployed_nothing_says_by_its_end_whether_that_is_a_failure(ended, outcome):
    status, name = ended
    found = came({"status": status, "outcome": name, "reason": "because"})
    assert (found.outcome, found.settled) == (outcome, True)
    assert "because" in found.reason


def test_somebody_elses_deployment_meanwhile_is_no_failure():
    assert came(has_sidecar=False).outcome == "Superseded"


def test_two_hours_are_waited_through_before_a_deployment_counts_as_failed():
    assert 7200 - 120 < sum(wait_seconds(turns) for turns in range(480)) <= 7200


def test_services_are_counted_by_what_they_need():
    tally = count_judged(empty_tally(), ["Inject", None, "Refused", "Inject", "Nothing To Do", "Upgrade"])
    assert (tally["services"], tally["notEnrolled"], tally["inject"], tally["refused"]) == (6, 1, 2, 1)
    assert (tally["nothingToDo"], tally["upgrade"], tally["failed"]) == (1, 1, 0)


def test_a_service_that_nothing_was_heard_of_has_failed():
    wave = [{"service": "a"}, {"service": "b"}, {"service": "c"}]
    results = [{"service": "a", "outcome": "Brought In", "reason": ""}, {"service": "b"}]
    tally = count_wave(empty_tally(), wave, results)
    assert (tally["waves"], tally["broughtIn"], tally["failed"]) == (1, 1, 2)
    assert tally["failures"] == [{"service": name, "reason": "nothing was heard of it"} for name in "bc"]


def test_what_is_told_of_failures_stays_small():
    wave = [{"service": str(number)} for number in range(100)]
    results = [{**each, "outcome": "Failed", "reason": "x" * 1000} for each in wave]
    tally = count_wave(empty_tally(), wave, results)
    assert tally["failed"] == 100
    assert [len(each["reason"]) for each in tally["failures"]] == [300] * 20


@pytest.mark.parametrize(
    ("failed", "tolerate", "stops"), [(1, 20, False), (2, 20, True), (1, 0, True), (5, 100, False)]
)
def test_no_wave_is_begun_after_one_of_which_more_than_was_tolerated_failed(failed, tolerate, stops):
    before = {**empty_tally(), "failed": 7}
    after = {**before, "failed": 7 + failed, "waves": 3}
    assert (too_many_failed(before, after, [{}] * 5, tolerate) is not None) == stops
