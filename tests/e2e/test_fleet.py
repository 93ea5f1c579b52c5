"""The deployed fleet machine on local AWS: planned, stopped by failures, run again, brought in wave by wave."""

import json
import os
import subprocess
import sys

import pytest

from local.demo import queue_is_empty
from local.instance import ROOT
from local.tutorial import Tutorial, wait_for

CLUSTER = "fleet"
NAMES = "a", "b", "c", "d"


@pytest.fixture(scope="module")
def ecs(aws):
    return Tutorial(aws.instance).ecs


@pytest.fixture(scope="module")
def services(aws, ecs):
    """Services that ran without Envoy before they were tagged, which makes no event; one of them with a wrong tag."""
    found = {name: aws.owner.create_service(name, cluster=CLUSTER) for name in (*NAMES, "odd")}
    for name in found:
        aws.owner.deployed(name, CLUSTER)
    wait_for("the events are read", lambda: queue_is_empty(aws.instance))
    for name, arn in found.items():
        tags = {"meshift:mesh": "apps", "meshift:hostname": f"{name}.fleet.local"}
        odd = {"meshift:protocol": "spdy"} if name == "odd" else {}
        ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": value} for key, value in {**tags, **odd}.items()])
    return found


@pytest.fixture
def fleet(aws, services):
    """Run the command against local AWS; its exit code, and the document that it printed or what it complained of."""

    def call(verb, *options):
        command = [sys.executable, "-m", "meshift", "fleet", verb, "--cluster", CLUSTER, "--json", *options]
        environment = {**os.environ, **aws.instance.environment()}
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return ran.returncode, json.loads(ran.stdout) if ran.stdout else ran.stderr

    return call


@pytest.fixture
def heard(aws):
    """What was announced, on the topic and on the bus: queues that both fill."""
    sqs, sns, events = (aws.owner.client(name) for name in ("sqs", "sns", "events"))
    url, arn = aws.owner.inbox("fleet-heard")
    topic = sns.subscribe(TopicArn=aws.owner.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)
    pattern = {"source": ["meshift"], "detail-type": ["Fleet State Change"]}
    events.put_rule(Name="fleet-heard", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="fleet-heard", Targets=[{"Id": "queue", "Arn": arn}])

    def read():
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    yield read
    sns.unsubscribe(SubscriptionArn=topic["SubscriptionArn"])
    events.remove_targets(Rule="fleet-heard", Ids=["queue"])
    events.delete_rule(Name="fleet-heard")


def containers(aws, ecs):
    """Names of the containers that each service runs."""
    found = {}
    for name in (*NAMES, "odd"):
        revision = aws.owner.service(name, CLUSTER)["taskDefinition"]
        definition = ecs.describe_task_definition(taskDefinition=revision)["taskDefinition"]
        found[name] = [container["name"] for container in definition["containerDefinitions"]]
    return found


def by_name(entries, what):
    return {each["service"].rpartition("/")[2]: each[what] for each in entries}


BARE, WITH_ENVOY = ["app"], ["app", "envoy"]


def test_a_dry_run_says_what_each_service_needs_and_changes_nothing(aws, ecs, fleet):
    code, said = fleet("plan")
    assert (code, said["outcome"], said["results"]) == (0, "Planned", [])
    assert by_name(said["services"], "action") == {**dict.fromkeys(NAMES, "Inject"), "odd": "Refused"}
    assert by_name(said["services"], "reason")["odd"].startswith("tag meshift:protocol: 'spdy'")
    assert containers(aws, ecs) == dict.fromkeys((*NAMES, "odd"), BARE)


def test_a_wave_that_fails_is_the_last_and_is_announced(aws, ecs, fleet, heard):
    aws.settings(failingTag="v1.40.0")  # the tag of Envoy's image
    try:
        code, said = fleet("run", "--wave", "2")
    finally:
        aws.settings(failingTag="fails")
    assert (code, said["outcome"]) == (1, "Stopped")
    assert said["reason"] == "wave 1: 2 of 2 services failed, more than 20 %"
    assert by_name(said["results"], "outcome") == {"a": "Failed", "b": "Failed"}
    assert by_name(said["results"], "reason")["a"] == "ECS rolled the service back to a:1"
    assert containers(aws, ecs) == dict.fromkeys((*NAMES, "odd"), BARE)
    messages = []
    wait_for("event and mail", lambda: len(messages.extend(heard()) or messages) >= 2 and messages)
    (event,) = [each["detail"] for each in messages if "detail" in each]
    (mail,) = [each for each in messages if each.get("Subject") == "Meshift: fleet Stopped"]
    assert event["tally"]["failed"] == json.loads(mail["Message"])["tally"]["failed"] == 2


def test_run_again_it_does_what_is_left_and_leaves_alone_what_ecs_threw_out(aws, ecs, fleet):
    code, said = fleet("run", "--wave", "1")
    assert (code, said["outcome"], said["tally"]["waves"]) == (0, "Brought In", 2)
    assert by_name(said["results"], "outcome") == {"c": "Brought In", "d": "Brought In"}
    actions = by_name(said["services"], "action")
    assert actions == {"a": "Refused", "b": "Refused", "c": "Inject", "d": "Inject", "odd": "Refused"}
    assert containers(aws, ecs) == {"a": BARE, "b": BARE, "c": WITH_ENVOY, "d": WITH_ENVOY, "odd": BARE}


def test_run_once_more_it_has_nothing_to_do(fleet):
    code, said = fleet("run")
    assert (code, said["results"], said["tally"]["nothingToDo"], said["tally"]["waves"]) == (0, [], 2, 0)


def test_each_statement_of_the_fleets_roles_was_needed(aws):
    assert aws.owner.idle("BringInRole") == []
    others_meshes = ["execute-api:Invoke", "lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]
    assert aws.owner.idle("PlanWaveRole") == others_meshes
    waves = ["states:DescribeExecution", "states:StartExecution", "states:StopExecution"]
    assert aws.owner.idle("FleetStateMachineRole") == waves  # local AWS runs a wave inline


def test_an_input_that_makes_no_sense_is_refused_by_its_field(fleet):
    code, said = fleet("run", "--wave", "101")
    assert (code, said) == (1, "meshift fleet: wave: 101 is not a whole number from 1 to 100\n")
