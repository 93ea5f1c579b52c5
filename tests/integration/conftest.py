"""Meshift's functions on moto: fast, in process, one account."""

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from unittest import mock

import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from gateways.clients import client
from handlers import accept_shares, recover_rollout
from tests.hosted_mesh import Body, hosted_mesh
from tests.polls import Discovery, make_tutorial
from tests.ram import answered_ram
from tests.shapes import OWNER, TAGS, event, route_spec, task_definition, tasks

REGION = "us-east-1"


@dataclass
class Context:
    """What Lambda hands to a function."""

    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"
    aws_request_id: str = "1"
    log_group_name: str = field(default="/meshift/test")

    def get_remaining_time_in_millis(self):
        return 30_000


@pytest.fixture
def context():
    return Context()


@pytest.fixture
def aws(monkeypatch):
    """An account with Meshift's table, topic, queues and state machine; returns what makes clients.

    moto hooks into all clients of the process, so they are made once for all tests, as Lambda keeps them.
    """
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "POWERTOOLS_METRICS_DISABLED": "true",
        "ROLLOUT_TABLE": "rollouts",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client("dynamodb").create_table(
            TableName="rollouts",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        monkeypatch.setenv("TOPIC_ARN", client("sns").create_topic(Name="people")["TopicArn"])
        dead_letters = client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", dead_letters)
        machine = client("stepfunctions").create_state_machine(
            name="rollout", definition="{}", roleArn="arn:aws:iam::123456789012:role/states"
        )
        monkeypatch.setenv("STATE_MACHINE_ARN", machine["stateMachineArn"])
        yield client


@dataclass
class Service:
    """A service as the tutorial has it: node and route exist, the revision has no Envoy."""

    arn: str
    cluster: str
    deployment: str
    task_definition: str

    def document(self, **more):
        """The input of the execution that works on it."""
        execution = "arn:aws:states:us-east-1:123456789012:execution:rollout:ecs-svc-1-1"
        document = {"service": self.arn, "cluster": self.cluster, "deployment": self.deployment, "turns": 0}
        return {**document, "execution": execution, **more}


@pytest.fixture
def mesh(aws):
    """The tutorial's mesh: two nodes and a route with retries, all traffic on serviceB."""
    api = aws("appmesh")
    api.create_mesh(meshName="apps")
    make_by_hand(api)
    return api


def make_by_hand(api):
    for node in ("serviceB", "serviceBv2"):
        api.create_virtual_node(
            meshName="apps",
            virtualNodeName=node,
            spec={
                "listeners": [{"portMapping": {"port": 80, "protocol": "http2"}}],
                "serviceDiscovery": {"dns": {"hostname": f"{node}.apps.local"}},
            },
        )
    name = "serviceb.apps.local"
    listeners = [{"portMapping": {"port": 80, "protocol": "http2"}}]
    api.create_virtual_router(meshName="apps", virtualRouterName=name, spec={"listeners": listeners})
    api.create_route(meshName="apps", virtualRouterName=name, routeName=name, spec=route_spec())


@pytest.fixture
def service(aws):
    """Deploy serviceBv2, enrolled, without Envoy."""
    return make_service(aws)


def make_service(aws, tags=TAGS, name="serviceBv2", registries=(), **changes):
    ecs = aws("ecs")
    ecs.create_cluster(clusterName="apps")
    known = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    bare = {key: value for key, value in task_definition(**changes).items() if key in known}
    revision = ecs.register_task_definition(**bare, tags=[{"key": "team", "value": "b"}])["taskDefinition"]
    made = ecs.create_service(
        cluster="apps",
        serviceName=name,
        taskDefinition=revision["taskDefinitionArn"],
        desiredCount=2,
        tags=[{"key": key, "value": value} for key, value in tags.items()],
        serviceRegistries=list(registries),
    )["service"]
    return Service(made["serviceArn"], "apps", made["deployments"][0]["id"], revision["taskDefinitionArn"])


@pytest.fixture
def deployment_event(service):
    """Build the event of the service's deployment."""

    def build(name="SERVICE_DEPLOYMENT_COMPLETED", **detail):
        return {
            "id": "1",
            "account": "123456789012",
            "region": REGION,
            "resources": [service.arn],
            "detail": {"eventName": name, "deploymentId": service.deployment, "reason": "", **detail},
        }

    return build


@pytest.fixture
def hosted(monkeypatch):
    """A mesh API over an empty table; its clients are of any account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with hosted_mesh() as mesh:
        yield mesh


@pytest.fixture
def tutorial(hosted):
    """The tutorial's mesh, hosted; gives back its owner's client."""
    client = hosted.client()
    make_tutorial(client)
    return client


@pytest.fixture
def discovery(hosted, tutorial):
    """What the Envoys of that mesh are answered."""
    return Discovery(hosted)


@pytest.fixture
def running_tasks(aws, service):
    """Let ECS answer with so many healthy and unhealthy tasks of the service, and others' stable ones."""
    now = {"healthy": 2, "unhealthy": 0, "stable": (0, "none")}
    own = service.arn.rpartition("/")[2]

    def described(asked):
        if asked["tasks"] != [own]:
            return {"tasks": tasks(*now["stable"])}
        healthy = tasks(now["healthy"], service.task_definition)
        return {"tasks": healthy + tasks(now["unhealthy"], service.task_definition, "UNHEALTHY")}

    def listed(request, **_):
        return _answered(lambda: {"taskArns": [json.loads(request.body)["serviceName"]]}, request)

    def answer(request, **_):
        return _answered(lambda: described(json.loads(request.body)), request)

    events = client("ecs").meta.events
    sends = {"before-send.ecs.ListTasks": listed, "before-send.ecs.DescribeTasks": answer}
    for name, send in sends.items():
        events.register_first(name, send)
    yield now.update
    for name, send in sends.items():
        events.unregister(name, send)


@contextmanager
def failing(aws, operation, code, message="", service="ecs"):
    """Let AWS answer an operation with an error."""
    answer = SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": message}}
    events, event = aws(service).meta.events, f"before-call.{service}.{operation}"
    events.register_first(event, lambda **_: answer, unique_id="failing")
    try:
        yield
    finally:
        events.unregister(event, unique_id="failing")


@contextmanager
def answered(api, operation, requests, answer=None):
    """Answer an operation that moto lacks, and note what it was asked."""

    def note(params, **_):
        requests.append(json.loads(params["body"] or "{}"))

    send = partial(_answered, lambda: answer or {})
    name = api.meta.service_model.service_id.hyphenize()
    api.meta.events.register(f"before-call.{name}.{operation}", note)
    api.meta.events.register_first(f"before-send.{name}.{operation}", send)
    yield
    api.meta.events.unregister(f"before-call.{name}.{operation}", note)
    api.meta.events.unregister(f"before-send.{name}.{operation}", send)


def _answered(answer, request, **_):
    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse(request.url, 200, headers, Body(json.dumps(answer()).encode()))


def batch(*bodies):
    """A batch of messages as Lambda hands it over."""
    return {
        "Records": [
            {
                "messageId": str(index),
                "body": body if isinstance(body, str) else json.dumps(body),
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:deployments",
                "receiptHandle": str(index),
                "attributes": {},
                "messageAttributes": {},
                "awsRegion": REGION,
            }
            for index, body in enumerate(bodies)
        ]
    }


def recover(context, *messages):
    """Let recovery look, and look again when nothing late can come any more; gives back the last answer."""
    recover_rollout.handler(batch(*messages), context)
    with mock.patch("time.time", return_value=time.time() + 100):
        return recover_rollout.handler(batch(*messages), context)


@pytest.fixture
def ram(aws, monkeypatch):
    """RAM as account 123456789012 sees it, which trusts OWNER and hosts its meshes."""
    monkeypatch.setenv("TRUSTED_ACCOUNTS", OWNER)
    monkeypatch.setenv("SHARE_RESOURCE_TYPES", "appmesh:Mesh,ssm:Parameter,vpc-lattice:ServiceNetwork")
    monkeypatch.setenv("CONTROL_PLANE", "hosted")
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore's retries
    with answered_ram("123456789012") as found:
        yield found


@pytest.fixture
def mail(aws):
    """What people are told: all messages so far."""
    queue = client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=os.environ["TOPIC_ARN"], Protocol="sqs", Endpoint=arn)
    seen = []

    def read():
        while messages := client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                body = json.loads(each["Body"])
                seen.append((body["Subject"], json.loads(body["Message"])))
                client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        return seen

    return read


@pytest.fixture
def look(context):
    """Let accept_shares look; whether it wants to look again."""
    share_event = event("ram-resource-share-association")

    def send(*bodies):
        return bool(accept_shares.handler(batch(*(bodies or [share_event])), context)["batchItemFailures"])

    return send


@pytest.fixture
def half_a_sweep_later(aws):
    """Let what no look has found shared have been missed half an hour earlier."""

    def move():
        for item in aws("dynamodb").scan(TableName="rollouts")["Items"]:
            if "missedAt" in item:
                earlier = datetime.fromisoformat(item["missedAt"]["S"]) - timedelta(minutes=30)
                aws("dynamodb").put_item(TableName="rollouts", Item={**item, "missedAt": {"S": earlier.isoformat()}})

    return move
