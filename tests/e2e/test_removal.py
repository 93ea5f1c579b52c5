"""The life of a sidecar on the deployed stack: put in, brought up to date, left alone, taken out again."""

import copy
import json

import pytest

from local.demo import queue_is_empty
from local.tutorial import CLUSTER, MESH, Tutorial, wait_for

VIRTUAL_SERVICE = "leaving.apps.local"
SOLO = {"meshift:mesh": MESH, "meshift:hostname": "solo.apps.local", "meshift:protocol": "http2"}
PAIR = {**SOLO, "meshift:virtual-service": VIRTUAL_SERVICE, "meshift:policy": "swift"}


@pytest.fixture(scope="module")
def apps(aws):
    tutorial = Tutorial(aws.instance)
    tutorial.write_policy("swift", steps=[{"weight": 50, "bakeSeconds": 0}], finalBakeSeconds=0)
    return tutorial


@pytest.fixture(scope="module")
def solo(apps):
    """A service that calls others only, injected; its ARN."""
    arn = apps.create_service("solo", "solo:1", SOLO)
    assert apps.outcome(arn, "Redeployed", "Refused")["outcome"] == "Redeployed"
    apps.outcome(arn, "Nothing To Do", "Refused", known=1)
    return arn


def sweep(aws):
    """What the schedule sends every five minutes, and wait until it was read."""
    sqs = aws.owner.client("sqs")
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "DeploymentsQueue" in url]
    message = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))
    is_quiet(aws)


def is_quiet(aws):
    wait_for("the queue is empty", lambda: queue_is_empty(aws.instance))


def is_deployed(apps, name):
    """Wait until a service has one deployment, which is complete."""

    def completed():
        return [each["rolloutState"] for each in apps.service(name)["deployments"]] == ["COMPLETED"]

    wait_for(f"{name} is deployed", completed)


def untag(apps, arn):
    apps.ecs.untag_resource(resourceArn=arn, tagKeys=["meshift:mesh"])


def node_owner(apps, node):
    """The service that has a virtual node's name."""
    key = {"pk": {"S": f"names#{MESH}"}, "sk": {"S": f"virtualNode#{node}"}}
    return apps.dynamodb.get_item(TableName=apps.table, Key=key).get("Item", {}).get("value", {}).get("S")


def own(definition):
    """What a revision says, without what ECS says of it."""
    said = {"taskDefinitionArn", "revision", "registeredAt", "requiresAttributes"}
    return {key: value for key, value in definition.items() if key not in said}


def test_a_sidecar_that_is_out_of_date_is_replaced(apps, solo):
    """A pipeline deploys a copy of an old revision, with the Envoy of its time and without its tags."""
    known, wanted = len(apps.executions(solo)), apps.task_definition("solo")
    old = copy.deepcopy(own(wanted))
    old["containerDefinitions"][-1]["image"] = "envoyproxy/envoy:v1.38.0"
    model = apps.ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    definition = {key: value for key, value in old.items() if key in model}
    revision = apps.ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]
    apps.ecs.update_service(cluster=CLUSTER, service="solo", taskDefinition=revision)
    assert apps.outcome(solo, "Redeployed", "Refused", known=known)["outcome"] == "Redeployed"
    assert own(apps.task_definition("solo"))["containerDefinitions"] == own(wanted)["containerDefinitions"]
    assert apps.outcome(solo, "Nothing To Do", "Refused", known=known + 1)["outcome"] == "Nothing To Do"


def test_scaling_starts_nothing(aws, apps, solo):
    known = len(apps.executions(solo))
    for count in (3, 2):
        apps.ecs.update_service(cluster=CLUSTER, service="solo", desiredCount=count)
        wait_for("it is scaled", lambda count=count: apps.service("solo")["runningCount"] == count)
    is_quiet(aws)
    assert len(apps.executions(solo)) == known


def test_a_sweep_that_finds_nothing_changed_starts_nothing(aws, apps, solo):
    known = len(apps.executions(solo))
    sweep(aws)
    assert len(apps.executions(solo)) == known


def test_a_service_without_its_tag_gets_the_revision_that_it_had_and_its_nodes_name_is_free(aws, apps, solo):
    known = len(apps.executions(solo))
    assert node_owner(apps, "solo") == solo
    untag(apps, solo)
    sweep(aws)
    output = apps.outcome(solo, "Redeployed", "Refused", known=known)
    assert "is without Envoy: the service is not enrolled any more" in output["reason"]
    before = apps.ecs.describe_task_definition(taskDefinition="solo:1", include=["TAGS"])
    now = apps.service("solo")["taskDefinition"]
    after = apps.ecs.describe_task_definition(taskDefinition=now, include=["TAGS"])
    assert own(after["taskDefinition"]) == own(before["taskDefinition"])
    assert after.get("tags", []) == before.get("tags", [])
    is_deployed(apps, "solo")
    wait_for("the name is free", lambda: node_owner(apps, "solo") is None)
    sweep(aws)
    assert len(apps.executions(solo)) == known + 1
    assert apps.node("solo")["listeners"], "the node stays"


def test_a_service_that_carries_everything_gives_it_away_before_it_leaves(aws, apps):
    stays = apps.create_service("stays", "stays:1", PAIR)
    apps.outcome(stays, "Nothing To Do", "Refused", known=1)
    leaves = apps.create_service("leaves", "leaves:1", PAIR)
    assert apps.outcome(leaves, "Promoted", "Rolled Back", "Refused", known=1)["outcome"] == "Promoted"
    assert weights(apps) == {"stays": 0, "leaves": 100}
    untag(apps, leaves)
    sweep(aws)
    wait_for("its traffic goes away", lambda: weights(apps) == {"stays": 100, "leaves": 0})
    assert apps.containers("leaves") == ["app", "envoy"]
    assert apps.outcome(leaves, "Redeployed", "Refused", known=2)["outcome"] == "Redeployed"
    assert apps.containers("leaves") == ["app"]
    is_deployed(apps, "leaves")
    is_quiet(aws)
    assert weights(apps) == {"stays": 100, "leaves": 0}
    assert len(apps.executions(leaves)) == 3


def weights(apps):
    route = apps.mesh.describe_route(meshName=MESH, virtualRouterName=VIRTUAL_SERVICE, routeName=VIRTUAL_SERVICE)
    targets = route["route"]["spec"]["http2Route"]["action"]["weightedTargets"]
    return {each["virtualNode"]: each["weight"] for each in targets}
