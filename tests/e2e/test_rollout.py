"""The deployed stack on local AWS: ECS deployments in, outcomes of executions out."""

import json
import uuid

import pytest

from local.demo import completed_event, queue_is_empty
from local.tutorial import VIRTUAL_SERVICE, Tutorial, wait_for

TAGS = {"meshift:mesh": "apps", "meshift:virtual-service": VIRTUAL_SERVICE, "meshift:policy": "quick"}


@pytest.fixture(scope="module")
def apps(aws):
    """The tutorial's mesh with serviceB carrying all traffic."""
    tutorial = Tutorial(aws.instance)
    tutorial.make_mesh()
    tutorial.write_policy("quick", checks=[{"alarm": "e2e-5xx"}])
    tutorial.make_alarm("e2e-5xx", "e2e")
    return tutorial


@pytest.fixture(scope="module")
def promoted(apps):
    """serviceBv2 deployed without Envoy, up to its promotion; its ARN."""
    arn = apps.create_service("serviceBv2", "serviceb:2", TAGS)
    apps.outcome(arn, "Redeployed", "Refused")
    apps.outcome(arn, "Promoted", "Rolled Back", "Refused", known=1)
    return arn


@pytest.fixture(scope="module")
def inbox(aws):
    """A queue that the stack's topic fills."""
    sqs, sns = aws.owner.client("sqs"), aws.owner.client("sns")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=aws.owner.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

    def read():
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return read


def test_a_new_version_is_injected_and_promoted(apps, promoted):
    redeployed, rollout = apps.executions(promoted)
    assert [redeployed["output"]["outcome"], rollout["output"]["outcome"]] == ["Redeployed", "Promoted"]
    assert [redeployed["status"], rollout["status"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert apps.containers("serviceBv2") == ["app", "envoy"]
    assert apps.weights() == {"serviceB": 0, "serviceBv2": 100}
    assert rollout["output"]["stepsDone"] == 3


def test_the_console_shows_the_outcome_as_the_last_state(apps, promoted):
    history = apps.states.get_execution_history(executionArn=apps.executions(promoted)[1]["executionArn"])["events"]
    entered = [each["stateEnteredEventDetails"]["name"] for each in history if "stateEnteredEventDetails" in each]
    assert entered[:4] == ["Inject Envoy", "Was Envoy Added?", "Plan Rollout", "Is There Anything To Do?"]
    assert entered[4:8] == ["Shift Traffic", "Was Traffic Shifted?", "Bake", "Check Health"]
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
    items = aws.owner.client("dynamodb").query(
        TableName=aws.owner.outputs["RolloutTable"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"virtualService#apps#{VIRTUAL_SERVICE}"}, ":sk": {"S": "history#"}},
    )["Items"]
    written = [json.loads(item["document"]["S"])["to"] for item in items if item["sk"]["S"].endswith("#weights")]
    assert [weights["serviceBv2"] for weights in written[:3]] == [25, 50, 100]


def test_a_bad_version_is_rolled_back_and_the_route_is_what_it_was(apps, promoted, inbox):
    before = apps.route()
    arn = apps.create_service("serviceB", "serviceb:bad", TAGS)
    wait_for("the first weight", lambda: apps.weights()["serviceB"] == 25)
    apps.answer_5xx("e2e", 50)
    output = apps.outcome(arn, "Rolled Back", "Promoted", "Refused", known=1)
    assert (output["outcome"], output["reason"]) == ("Rolled Back", "in alarm: e2e-5xx")
    assert apps.route() == before
    (message,) = wait_for("a message to people", inbox)
    assert message["Subject"] == "Meshift: Rolled Back, serviceB"


def test_a_stopped_execution_is_recovered(apps, promoted):
    """As the console's button does: nothing of the state machine runs any more, and the traffic comes back."""
    before = apps.route()
    apps.write_policy("quick")  # the alarm of the test before still rings
    apps.deploy_image("serviceB", "serviceb:3")
    arn = apps.service("serviceB")["serviceArn"]
    wait_for("the first weight", lambda: apps.weights()["serviceB"] == 25)
    running = next(each for each in apps.executions(arn) if each["status"] == "RUNNING")
    apps.states.stop_execution(executionArn=running["executionArn"], error="Operator", cause="looks wrong")
    wait_for("the weights are back", lambda: apps.route() == before)
    assert apps.states.describe_execution(executionArn=running["executionArn"])["status"] == "ABORTED"


@pytest.mark.parametrize(
    ("tags", "changes", "says"),
    [
        ({"meshift:mesh": "nowhere"}, {}, "mesh nowhere has no virtual node"),
        ({"meshift:container": "web"}, {}, "'web' is no container of task definition"),
        ({"meshift:protocol": "soap"}, {}, "tag meshift:protocol: 'soap' is not one of http, http2, grpc, tcp"),
        ({}, {"networkMode": "host", "requiresCompatibilities": ["EC2"]}, "has networkMode host"),
        ({}, {"networkMode": "bridge", "requiresCompatibilities": ["EC2"]}, "has networkMode bridge"),
        ({}, {"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, "runs on WINDOWS"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason_and_nothing_is_changed(apps, tags, changes, says):
    name = f"odd-{uuid.uuid4().hex[:6]}"
    arn = apps.create_service(name, "odd:1", {**TAGS, "meshift:virtual-node": "serviceB", **tags}, **changes)
    before = apps.service(name)["taskDefinition"]
    output = apps.outcome(arn, "Refused", "Redeployed", "Promoted")
    assert output["outcome"] == "Refused"
    assert says in output["reason"]
    assert apps.service(name)["taskDefinition"] == before
    assert len(apps.executions(arn)) == 1


def test_a_policy_that_cannot_be_understood_is_refused_and_the_route_stays(apps, promoted):
    apps.write_policy("broken", steps=[{"weight": 150}])
    before = apps.route()
    arn = apps.create_service("broken", "b:1", {**TAGS, "meshift:virtual-node": "serviceB", "meshift:policy": "broken"})
    output = apps.outcome(arn, "Refused", "Promoted", known=1)
    assert "steps[0].weight: 150" in output["reason"]
    assert apps.route() == before


def test_a_node_that_carries_all_traffic_has_nothing_to_do(apps, promoted):
    apps.ecs.update_service(cluster="apps", service="serviceBv2", forceNewDeployment=True)
    output = apps.outcome(promoted, "Nothing To Do", "Promoted", "Refused", known=2)
    assert output["outcome"] == "Nothing To Do"


def test_a_version_that_the_circuit_breaker_threw_out_is_left_alone(aws, apps):
    """The application runs without Envoy and fails with it: ECS goes back, and Meshift does not try again."""
    arn = apps.create_service("thrown-out", "app:1", {"team": "other"})
    wait_for("it runs", lambda: deployments(apps, "thrown-out") == [("COMPLETED", "thrown-out:1")])
    tags = {**TAGS, "meshift:virtual-node": "serviceB"}
    apps.ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": value} for key, value in tags.items()])
    aws.settings(failingTag="v1.40.0")  # the tag of Envoy's image
    try:
        apps.deploy_image("thrown-out", "app:2")
        apps.outcome(arn, "Redeployed")
        wait_for("ECS went back", lambda: deployments(apps, "thrown-out") == [("COMPLETED", "thrown-out:1")])
        left = apps.outcome(arn, "Refused", "Promoted", known=1)
        assert "ECS rolled the service back to" in left["reason"]
        queue_is_read(aws)
        assert deployments(apps, "thrown-out") == [("COMPLETED", "thrown-out:1")]
        assert len(apps.executions(arn)) == 2
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


def deployments(apps, name):
    """A service's deployments: state and revision."""
    found = apps.service(name)["deployments"]
    return [(each["rolloutState"], each["taskDefinition"].rpartition("/")[2]) for each in found]


def queue_is_read(aws):
    wait_for("the queue is empty", lambda: queue_is_empty(aws.instance))
