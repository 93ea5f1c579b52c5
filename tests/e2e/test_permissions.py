"""IAM is in force on local AWS: the roles allow what the other tests here do, and what a role lacks is denied."""

import io
import json
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from datetime import UTC, datetime

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local.settings import REGION
from tests.e2e.conftest import Account, LocalAws, policy, wait_for

HELD = "arn:aws:ecs:us-east-1:{account}:service/apps/*"
OTHERS = "arn:aws:ecs:us-east-1:{account}:service/other/*"
BUS = "arn:aws:events:us-east-1:{account}:event-bus/default"
ROLE = "arn:aws:iam::{account}:role/tasks/app"
OTHER = {"containerDefinitions": [{"name": "app", "image": "example/app:1"}]}


@pytest.fixture
def account(empty_aws: LocalAws) -> Account:
    """A fresh account with the service `held` in the cluster `apps`."""
    fresh = empty_aws.account(str(uuid.uuid4().int)[:12])
    fresh.create_service("held", cluster="apps")
    return fresh


def acting_as(account: Account, role: str):
    """Clients of a session of a role, called `test`."""
    given = account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=REGION)
    return lambda service: session.client(service, endpoint_url=account.instance.endpoint)


def allow(action, resource="*", **condition):
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


def describe(client):
    client("ecs").describe_services(cluster="apps", services=["held"])


def announce(client):
    entry = {"Source": "meshift", "DetailType": "x", "Detail": "{}"}
    client("events").put_events(Entries=[entry])


def register(client):
    client("ecs").register_task_definition(family="app", tags=[{"key": "a", "value": "b"}], **OTHER)


def register_with_role(client):
    role = ROLE.format(account=client("sts").get_caller_identity()["Account"])
    client("ecs").register_task_definition(family="app", taskRoleArn=role, **OTHER)


def attach(client):
    client("iam").attach_role_policy(RoleName="app", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")


def look_at_shares(client):
    client("ram").get_resource_share_invitations()


def scale(client):
    client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")


REGISTER = allow("ecs:RegisterTaskDefinition")
PASS = allow("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": "ecs-tasks.amazonaws.com"})
TAG = allow("ecs:TagResource", StringEquals={"ecs:CreateAction": "RegisterTaskDefinition"})
ATTACH = "iam:AttachRolePolicy"


@pytest.mark.parametrize(
    ("call", "enough", "too_little"),
    [
        (
            describe,
            [allow("ecs:DescribeServices", HELD)],
            [allow("ecs:DescribeServices", OTHERS)],
        ),
        (
            announce,
            [allow("events:PutEvents", BUS, StringEquals={"events:source": "meshift"})],
            [allow("events:PutEvents", BUS, StringEquals={"events:source": "aws.ecs"})],
        ),
        (register, [REGISTER, TAG], [REGISTER]),
        (register_with_role, [REGISTER, PASS], [REGISTER, {**PASS, "Resource": ROLE.replace("tasks", "admins")}]),
        (
            attach,
            [allow(ATTACH, ROLE, ArnEquals={"iam:PolicyARN": "arn:aws:iam::aws:policy/ReadOnlyAccess"})],
            [allow(ATTACH, ROLE, ArnEquals={"iam:PolicyARN": "arn:aws:iam::aws:policy/Other"})],
        ),
        (look_at_shares, [allow("ram:GetResourceShareInvitations")], [allow("ram:ListResources")]),
        (scale, [allow("application-autoscaling:DescribeScalableTargets")], []),
    ],
)
def test_a_role_may_what_its_statements_allow_and_nothing_else(account, call, enough, too_little):
    account.role("app", path="/tasks/")

    def role(name, statements):
        return account.role(name, *json.loads(json.dumps(statements).replace("{account}", account.number)))

    call(acting_as(account, role("enough", enough)))
    with pytest.raises(ClientError, match="not authorized"):
        call(acting_as(account, role("little", too_little)))


def code(source: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("index.py", source)
    return archive.getvalue()


@pytest.fixture
def lister(account):
    """A function that lists clusters, and its role."""
    source = "import boto3\ndef handler(event, context):\n    return boto3.client('ecs').list_clusters()['clusterArns']"
    role = account.role("lister")
    account.client("lambda").create_function(
        FunctionName="lister", Runtime="python3.13", Handler="index.handler", Code={"ZipFile": code(source)}, Role=role
    )
    return role


def give(account: Account, role: str, *statements):
    account.client("iam").put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=policy(*statements))


def test_a_function_works_as_its_role(account, lister):
    def invoke():
        answer = account.client("lambda").invoke(FunctionName="lister")
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    error, said = invoke()
    assert error
    assert "is not authorized to perform: ecs:ListClusters" in said["errorMessage"]
    give(account, "lister", allow("ecs:ListClusters"))
    assert invoke() == (None, [f"arn:aws:ecs:us-east-1:{account.number}:cluster/apps"])


def test_a_functions_url_takes_two_rights(account, lister):
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"""
    give(account, "lister", allow("ecs:ListClusters"))
    url = account.client("lambda").create_function_url_config(FunctionName="lister", AuthType="AWS_IAM")["FunctionUrl"]
    path = f"{account.instance.endpoint}/_aws/lambda-url/{url.removeprefix('https://').split('.')[0]}/"
    by_url = allow("lambda:InvokeFunctionUrl", StringEquals={"lambda:FunctionUrlAuthType": "AWS_IAM"})
    through_it = allow("lambda:InvokeFunction", Bool={"lambda:InvokedViaFunctionUrl": "true"})

    def status(*statements):
        role = account.role(f"caller-{len(statements)}-{uuid.uuid4().hex[:8]}", *statements)
        return ask(account, role, path)

    assert status(by_url, through_it) == 200
    assert status(by_url) == 403
    assert status(through_it) == 403
    with pytest.raises(ClientError, match="not authorized"):
        acting_as(account, account.role("direct", by_url, through_it))("lambda").invoke(FunctionName="lister")


def ask(account: Account, role: str, url: str) -> int:
    given = account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    key = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    request = AWSRequest("POST", url, data=b"{}")
    SigV4Auth(key, "lambda", REGION).add_auth(request)
    sent = urllib.request.Request(url, b"{}", dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_state_machine_works_as_its_role(account):
    topic = account.client("sns").create_topic(Name="told")["TopicArn"]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Arguments": {"TopicArn": topic, "Message": "hello"},
        "End": True,
    }
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Tell", "States": {"Tell": task}})
    states = account.client("stepfunctions")
    role = account.role("teller")
    arn = states.create_state_machine(name="teller", definition=definition, roleArn=role)["stateMachineArn"]

    def end():
        started = states.start_execution(stateMachineArn=arn)["executionArn"]
        return wait_for(
            lambda: (told := states.describe_execution(executionArn=started))["status"] != "RUNNING" and told
        )

    denied = end()
    assert (denied["status"], denied["error"]) == ("FAILED", "States.Permissions")
    assert f"may not sns:Publish on {topic}" in denied["cause"]
    give(account, "teller", allow("sns:Publish", topic))
    assert end()["status"] == "SUCCEEDED"


def test_a_queue_is_read_and_filled_by_who_may(account, lister):
    sqs, events = account.client("sqs"), account.client("events")
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventPattern='{"source": ["meshift"]}')
    events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": arn}])
    account.client("lambda").create_event_source_mapping(FunctionName="lister", EventSourceArn=arn)
    give(account, "lister", allow("ecs:ListClusters"))

    def waiting():
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(each) for each in counted.values())

    def emit():
        event = {"version": "0", "id": str(uuid.uuid4()), "source": "meshift", "detail-type": "x", "detail": {}}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        account.instance.emit({**event, "account": account.number, "region": REGION, "time": now, "resources": []})

    emit()
    assert waiting() == 0
    account.inbox("work")
    emit()
    time.sleep(1)
    assert waiting() == 1
    give(
        account, "lister", allow("ecs:*"), allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"])
    )
    wait_for(lambda: waiting() == 0)
