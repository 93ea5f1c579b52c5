"""Local AWS is what it says: its answers have AWS's shapes, its deployments and shares AWS's lives."""

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from functools import partial
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from local import deploy
from local.down import down
from local.instance import ROOT, LocalAwsError, find, start
from local.up import write_env
from tests.e2e.conftest import Account, LocalAws, wait_for

BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
HEALTH_CHECK = {"command": ["CMD", "true"]}


def checked(client):
    """The client, each of whose answers is held against the shape in botocore's model."""

    def check(http_response, parsed, model, **_):
        if http_response.status_code == 200 and http_response.content:
            report = ParamValidator().validate(json.loads(http_response.content), model.output_shape)
            assert not report.has_errors(), f"{model.name}: {report.generate_report()}"

    client.meta.events.register("after-call", check)
    return client


@pytest.fixture
def account(empty_aws: LocalAws) -> Account:
    """A fresh account, with checked clients for ECS."""
    fresh = empty_aws.account(str(uuid.uuid4().int)[:12])
    checked(fresh.client("ecs"))
    return fresh


@pytest.fixture
def heard(account: Account):
    """What a rule for all AWS events has put into a queue of the account so far."""
    return listen(account)


def listen(account: Account):
    sqs, events = account.client("sqs"), account.client("events")
    url, arn = account.inbox("heard")
    events.put_rule(Name="all", EventPattern='{"source": [{"prefix": "aws."}]}')
    events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": arn}])
    seen = []

    def so_far():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            seen.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return seen

    return so_far


def names(heard):
    return [event["detail"].get("eventName") for event in heard()]


# -- ECS -------------------------------------------------------------------------------------------------


def test_a_deployment_takes_a_while_and_its_answers_stay_true_meanwhile(account):
    definition = account.register(
        "web",
        containerDefinitions=[
            {"name": "app", "image": "example/app:1"},
            {"name": "envoy", "image": "example/envoy:1", "healthCheck": HEALTH_CHECK},
        ],
    )
    account.create_service("web", {"team": "one"}, desired=2, taskDefinition=definition)
    begun = account.service("web")["deployments"][0]
    assert begun["status"] == "PRIMARY"
    assert begun["rolloutState"] == "IN_PROGRESS"
    assert begun["taskDefinition"] == definition
    assert begun["id"].startswith("ecs-svc/")
    assert begun["id"].removeprefix("ecs-svc/").isdigit()
    assert begun["rolloutStateReason"] == f"ECS deployment {begun['id']} in progress."
    assert (begun["runningCount"], begun["pendingCount"]) == (0, 2)

    done = account.deployed("web")
    assert done["runningCount"] == done["deployments"][0]["runningCount"] == 2
    assert done["deployments"][0]["rolloutStateReason"] == f"ECS deployment {begun['id']} completed."
    ecs = account.client("ecs")
    tasks = ecs.describe_tasks(tasks=ecs.list_tasks(serviceName="web")["taskArns"])["tasks"]
    assert [(task["lastStatus"], task["healthStatus"]) for task in tasks] == [("RUNNING", "HEALTHY")] * 2
    health = {container["name"]: container["healthStatus"] for container in tasks[0]["containers"]}
    assert health == {"app": "UNKNOWN", "envoy": "HEALTHY"}


def test_a_deployment_announces_itself_as_ecs_does(account, heard):
    arn = account.create_service("web")
    wait_for(lambda: len(heard()) == 2)
    begun, done = heard()
    deployment = account.service("web")["deployments"][0]["id"]
    assert begun["source"] == "aws.ecs"
    assert begun["detail-type"] == "ECS Deployment State Change"
    assert begun["account"] == account.number
    assert begun["resources"] == [arn]
    assert begun["detail"] == {
        "eventType": "INFO",
        "eventName": "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "clusterArn": f"arn:aws:ecs:us-east-1:{account.number}:cluster/default",
        "deploymentId": deployment,
        "updatedAt": begun["detail"]["updatedAt"],
        "reason": f"ECS deployment {deployment} in progress.",
    }
    assert done["detail"]["eventName"] == "SERVICE_DEPLOYMENT_COMPLETED"
    assert done["detail"]["reason"] == f"ECS deployment {deployment} completed."


def test_a_new_deployment_replaces_the_tasks_of_the_old_one(account):
    account.create_service("web")
    account.deployed("web")
    ecs = account.client("ecs")
    old_tasks = ecs.list_tasks(serviceName="web")["taskArns"]
    new = account.register("web", "example/app:2")
    ecs.update_service(service="web", taskDefinition=new)
    states = [(one["status"], one["rolloutState"]) for one in account.service("web")["deployments"]]
    assert states == [("PRIMARY", "IN_PROGRESS"), ("ACTIVE", "COMPLETED")]
    assert account.deployed("web")["taskDefinition"] == new
    tasks = ecs.describe_tasks(tasks=ecs.list_tasks(serviceName="web")["taskArns"])["tasks"]
    assert [task["taskDefinitionArn"] for task in tasks] == [new]
    assert ecs.describe_tasks(tasks=old_tasks)["tasks"][0]["lastStatus"] == "STOPPED"


def test_the_circuit_breaker_goes_back_to_the_last_completed_revision(account, heard):
    account.create_service("web")
    first = account.deployed("web")
    good, bad = first["taskDefinition"], account.register("web", "example/app:2-fails")
    account.client("ecs").update_service(service="web", taskDefinition=bad)
    failing = account.service("web")["deployments"][0]["id"]
    wait_for(lambda: names(heard).count("SERVICE_DEPLOYMENT_COMPLETED") == 2)
    told = [(e["detail"]["eventName"], e["detail"]["eventType"], e["detail"]["deploymentId"]) for e in heard()]
    back = first["deployments"][0]["id"]
    assert told[2:] == [
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", "INFO", failing),
        ("SERVICE_DEPLOYMENT_FAILED", "ERROR", failing),
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", "INFO", back),
        ("SERVICE_DEPLOYMENT_COMPLETED", "INFO", back),
    ]
    assert heard()[3]["detail"]["reason"] == "ECS deployment circuit breaker: task failed to start."
    rolling_back = f"ECS deployment circuit breaker: rolling back to deploymentId {back}."
    assert heard()[4]["detail"]["reason"] == rolling_back
    assert account.deployed("web")["taskDefinition"] == good


def test_a_failed_deployment_without_rollback_stays_failed_beside_the_old_tasks(account):
    account.create_service(
        "web", deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    )
    account.deployed("web")
    bad = account.register("web", "example/app:fails")
    account.client("ecs").update_service(service="web", taskDefinition=bad)
    failed = wait_for(lambda: (s := account.service("web"))["deployments"][0]["rolloutState"] == "FAILED" and s)
    assert failed["deployments"][0]["failedTasks"] >= 3
    assert failed["deployments"][0]["rolloutStateReason"].startswith("ECS deployment circuit breaker:")
    assert failed["runningCount"] == 1
    assert failed["deployments"][1]["runningCount"] == 1


def test_without_a_circuit_breaker_ecs_goes_on_trying(account, heard):
    account.create_service("web", image="example/app:fails", deploymentConfiguration={})
    wait_for(lambda: account.service("web")["deployments"][0]["failedTasks"] == 3)
    time.sleep(0.5)
    assert account.service("web")["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    assert names(heard) == ["SERVICE_DEPLOYMENT_IN_PROGRESS"]


def test_a_newer_deployment_supersedes_one_in_work_which_never_completes(account, heard):
    account.create_service("web")
    account.deployed("web")
    ecs = account.client("ecs")
    ecs.update_service(service="web", taskDefinition=account.register("web", "example/app:2"))
    second = account.service("web")["deployments"][0]["id"]
    ecs.update_service(service="web", taskDefinition=account.register("web", "example/app:3"))
    third = account.service("web")["deployments"][0]["id"]
    account.deployed("web")
    wait_for(lambda: ("SERVICE_DEPLOYMENT_COMPLETED", third) in outcomes(heard))
    time.sleep(0.5)
    assert ("SERVICE_DEPLOYMENT_COMPLETED", second) not in outcomes(heard)
    assert account.service("web")["runningCount"] == 1


def outcomes(heard):
    return [(event["detail"]["eventName"], event["detail"]["deploymentId"]) for event in heard()]


def test_a_forced_deployment_is_a_new_one_of_the_same_definition(account):
    account.create_service("web")
    before = account.deployed("web")["deployments"][0]
    account.client("ecs").update_service(service="web", forceNewDeployment=True)
    after = account.deployed("web")["deployments"][0]
    assert after["id"] != before["id"]
    assert after["taskDefinition"] == before["taskDefinition"]


def test_scaling_is_no_deployment(account, heard):
    account.create_service("web")
    before = account.deployed("web")["deployments"][0]["id"]
    ecs = account.client("ecs")
    ecs.update_service(service="web", desiredCount=3)
    assert account.service("web")["pendingCount"] == 2
    wait_for(lambda: account.service("web")["runningCount"] == 3)
    ecs.update_service(service="web", desiredCount=0)
    assert account.service("web")["runningCount"] == 0
    assert ecs.list_tasks(serviceName="web")["taskArns"] == []
    assert [one["id"] for one in account.service("web")["deployments"]] == [before]
    assert names(heard) == ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"]


def test_a_stopped_task_of_a_service_is_replaced(account):
    account.create_service("web")
    account.deployed("web")
    ecs = account.client("ecs")
    [task] = ecs.list_tasks(serviceName="web")["taskArns"]
    ecs.stop_task(task=task)
    wait_for(lambda: account.service("web")["runningCount"] == 1)
    assert ecs.list_tasks(serviceName="web")["taskArns"] != [task]


@pytest.mark.parametrize("definition", ["missing", "missing:7"])
def test_a_missing_task_definition_is_refused(account, definition):
    with pytest.raises(ClientError, match="TaskDefinition not found") as refused:
        account.create_service("web", taskDefinition=definition)
    assert refused.value.response["Error"]["Code"] == "ClientException"
    account.create_service("web")
    with pytest.raises(ClientError, match="TaskDefinition not found"):
        account.client("ecs").update_service(service="web", taskDefinition=definition)


def test_tags_of_a_service_are_told_only_to_those_who_ask(account):
    arn = account.create_service("web", {"meshift:mesh": "apps"})
    ecs = account.client("ecs")
    tags = [{"key": "meshift:mesh", "value": "apps"}]
    assert "tags" not in ecs.describe_services(services=["web"])["services"][0]
    assert account.service("web")["tags"] == tags
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == tags
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "more", "value": "1"}])
    assert len(account.service("web")["tags"]) == 2


def test_a_task_definition_comes_back_as_it_was_given(account):
    arn = account.register("web", enableFaultInjection=True)
    got = account.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    assert got["enableFaultInjection"] is True
    assert not {"pidMode", "ipcMode", "taskRoleArn", "executionRoleArn"} & set(got)


def test_a_deleted_service_is_gone_and_its_name_is_free(account):
    account.create_service("web", {"old": "tag"})
    ecs = account.client("ecs")
    ecs.delete_service(service="web", force=True)
    assert account.service("web")["status"] == "INACTIVE"
    with pytest.raises(ClientError, match="not ACTIVE"):
        ecs.update_service(service="web", desiredCount=1)
    account.create_service("web")
    assert account.deployed("web")["tags"] == []


def test_a_test_can_make_containers_sick(empty_aws, account):
    containers = [{"name": "envoy", "image": "example/envoy:1", "healthCheck": HEALTH_CHECK}]
    account.create_service("web", taskDefinition=account.register("web", containerDefinitions=containers))
    account.deployed("web")
    tasks = empty_aws.instance.set_health("web", "UNHEALTHY", container="envoy", account=account.number)
    [task] = account.client("ecs").describe_tasks(tasks=tasks)["tasks"]
    assert task["healthStatus"] == task["containers"][0]["healthStatus"] == "UNHEALTHY"


# -- RAM -------------------------------------------------------------------------------------------------


@pytest.fixture
def three(empty_aws):
    """Owner, receiver and a stranger: fresh accounts and their checked RAM clients."""
    accounts = [empty_aws.account(str(uuid.uuid4().int)[:12]) for _ in range(3)]
    for each in accounts:
        checked(each.client("ram"))
    return accounts


def share(owner: Account, *receivers: Account, name: str = "apps", **more):
    mesh = f"arn:aws:appmesh:us-east-1:{owner.number}:mesh/{name}"
    created = owner.client("ram").create_resource_share(
        name=name, resourceArns=[mesh], principals=[receiver.number for receiver in receivers], **more
    )
    return created["resourceShare"]["resourceShareArn"], mesh


def invitations(account: Account):
    return account.client("ram").get_resource_share_invitations()["resourceShareInvitations"]


def test_a_share_is_invited_to_looked_into_and_accepted(three):
    owner, receiver, stranger = three
    arn, mesh = share(owner, receiver)
    assert invitations(owner) == invitations(stranger) == []
    [invitation] = invitations(receiver)
    assert invitation["status"] == "PENDING"
    assert invitation["senderAccountId"] == owner.number
    invited = invitation["resourceShareInvitationArn"]
    assert invited.startswith(f"arn:aws:ram:us-east-1:{owner.number}:resource-share-invitation/")
    ram = receiver.client("ram")
    inside = ram.list_pending_invitation_resources(resourceShareInvitationArn=invited)["resources"]
    assert [(one["arn"], one["type"]) for one in inside] == [(mesh, "appmesh:Mesh")]
    assert ram.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"] == []

    ram.accept_resource_share_invitation(resourceShareInvitationArn=invited)
    shared = ram.list_resources(resourceOwner="OTHER-ACCOUNTS", resourceShareArns=[arn])["resources"]
    assert [one["arn"] for one in shared] == [mesh]
    [principal] = owner.client("ram").list_principals(resourceOwner="SELF")["principals"]
    assert principal["id"] == receiver.number
    [seen] = ram.get_resource_shares(resourceOwner="OTHER-ACCOUNTS")["resourceShares"]
    assert seen["owningAccountId"] == owner.number


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("accept", "ResourceShareInvitationAlreadyAcceptedException"),
        ("reject", "ResourceShareInvitationAlreadyRejectedException"),
        ("expire", "ResourceShareInvitationExpiredException"),
        ("other", "OperationNotPermittedException"),
        ("unknown", "ResourceShareInvitationArnNotFoundException"),
        ("malformed", "MalformedArnException"),
    ],
)
def test_an_invitation_that_cannot_be_accepted_says_why(empty_aws, three, before, code):
    owner, receiver, stranger = three
    share(owner, receiver)
    invited = invitations(receiver)[0]["resourceShareInvitationArn"]
    ram = receiver.client("ram")
    if before == "accept":
        ram.accept_resource_share_invitation(resourceShareInvitationArn=invited)
    elif before == "reject":
        ram.reject_resource_share_invitation(resourceShareInvitationArn=invited)
    elif before == "expire":
        empty_aws.expire(invited)
        assert invitations(receiver)[0]["status"] == "EXPIRED"
    elif before == "other":
        ram = stranger.client("ram")
    elif before == "unknown":
        invited += "0"
    else:
        invited = "nonsense"
    with pytest.raises(ClientError) as refused:
        ram.accept_resource_share_invitation(resourceShareInvitationArn=invited)
    assert refused.value.response["Error"]["Code"] == code


def test_invitations_come_in_pages(three):
    owner, receiver, _ = three
    for number in range(5):
        share(owner, receiver, name=f"mesh{number}")
    pages = receiver.client("ram").get_paginator("get_resource_share_invitations")
    sizes = [len(page["resourceShareInvitations"]) for page in pages.paginate(PaginationConfig={"PageSize": 2})]
    assert sizes == [2, 2, 1]


def test_only_ones_own_resources_can_be_shared(three):
    owner, receiver, _ = three
    with pytest.raises(ClientError) as refused:
        receiver.client("ram").create_resource_share(
            name="stolen", resourceArns=[f"arn:aws:appmesh:us-east-1:{owner.number}:mesh/apps"]
        )
    assert refused.value.response["Error"]["Code"] == "UnknownResourceException"


def test_a_share_can_be_changed_and_ends(three):
    owner, receiver, stranger = three
    arn, mesh = share(owner, receiver, tags=[{"key": "a", "value": "1"}])
    ram = owner.client("ram")
    card = f"arn:aws:ssm:us-east-1:{owner.number}:parameter/meshift/meshes/apps"
    ram.associate_resource_share(resourceShareArn=arn, resourceArns=[card], principals=[stranger.number])
    assert len(invitations(stranger)) == 1
    types = {one["type"] for one in ram.list_resources(resourceOwner="SELF")["resources"]}
    assert types == {"appmesh:Mesh", "ssm:Parameter"}
    ram.disassociate_resource_share(resourceShareArn=arn, resourceArns=[mesh])
    assert [one["arn"] for one in ram.list_resources(resourceOwner="SELF")["resources"]] == [card]
    ram.update_resource_share(resourceShareArn=arn, name="renamed")
    ram.tag_resource(resourceShareArn=arn, tags=[{"key": "b", "value": "2"}])
    [found] = ram.get_resource_shares(resourceOwner="SELF", name="renamed")["resourceShares"]
    assert found["tags"] == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    principals = ram.get_resource_share_associations(associationType="PRINCIPAL", resourceShareArns=[arn])
    assert {one["status"] for one in principals["resourceShareAssociations"]} == {"ASSOCIATING"}
    ram.delete_resource_share(resourceShareArn=arn)
    assert invitations(stranger) == []
    assert ram.get_resource_shares(resourceOwner="SELF")["resourceShares"][0]["status"] == "DELETED"


def test_a_share_is_announced_to_both_sides(three):
    owner, receiver, _ = three
    ears = [listen(owner), listen(receiver)]
    arn, _ = share(owner, receiver)
    for hear, account in zip(ears, [owner, receiver], strict=True):
        [event] = wait_for(hear)
        assert (event["source"], event["detail-type"]) == ("aws.ram", "Resource Sharing State Change")
        assert (event["account"], event["resources"]) == (account.number, [arn])
        assert event["detail"]["event"] == "Resource Share Association"


def test_an_operation_that_local_ram_does_not_have_is_refused_by_name(three):
    with pytest.raises(ClientError, match="no ListPermissions yet"):
        three[0].client("ram").list_permissions()


# -- events, executions, identity -------------------------------------------------------------------------


def event_for(account: Account) -> dict:
    return {
        "version": "0",
        "id": "ddca6449-b258-46c0-8653-e0e3aEXAMPLE",
        "detail-type": "ECS Deployment State Change",
        "source": "aws.ecs",
        "account": account.number,
        "time": "2020-05-23T12:31:14Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:ecs:us-east-1:{account.number}:service/default/servicetest"],
        "detail": {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED"},
    }


def emit(empty_aws: LocalAws | None, text: str, *more: str):
    endpoint = empty_aws.instance.endpoint if empty_aws else "http://127.0.0.1:1"
    return subprocess.run(
        [sys.executable, "-m", "local.emit", "-", *more],
        input=text, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "AWS_ENDPOINT_URL": endpoint},
    )  # fmt: skip


def test_an_emitted_event_goes_through_the_rules_unchanged(empty_aws, account, heard):
    done = emit(empty_aws, json.dumps(event_for(account)))
    assert (done.returncode, done.stderr) == (0, "")
    assert wait_for(heard) == [event_for(account)]


def test_emit_takes_another_account(empty_aws, account, heard):
    event = {**event_for(account), "account": "555555555555"}
    assert emit(empty_aws, json.dumps(event), "--account", account.number).returncode == 0
    assert wait_for(heard)[0]["account"] == account.number


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "standard input is not JSON"),
        ("[]", "holds no JSON object"),
        ('{"source": "aws.ecs"}', 'the event has no "id"'),
    ],
)
def test_emit_refuses_what_is_no_event_in_one_line(empty_aws, text, says):
    done = emit(empty_aws, text)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_emit_without_local_aws_says_so_in_one_line(account):
    done = emit(None, json.dumps(event_for(account)))
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def machine(account: Account, states: dict, **more) -> str:
    definition = {"QueryLanguage": "JSONata", "StartAt": "First", "States": states, **more}
    return account.client("stepfunctions").create_state_machine(
        name="machine", definition=json.dumps(definition), roleArn=account.role("machine")
    )["stateMachineArn"]


@pytest.mark.parametrize(
    ("states", "more", "status"),
    [
        ({"First": {"Type": "Pass", "End": True}}, {}, "SUCCEEDED"),
        ({"First": {"Type": "Fail", "Error": "Bad", "Cause": "because"}}, {}, "FAILED"),
        ({"First": {"Type": "Wait", "Seconds": 2, "End": True}}, {"TimeoutSeconds": 1}, "TIMED_OUT"),
        ({"First": {"Type": "Wait", "Seconds": 2, "End": True}}, {}, "ABORTED"),
    ],
)
def test_each_end_of_an_execution_is_announced(account, heard, states, more, status):
    states_client = account.client("stepfunctions")
    arn = machine(account, states, **more)
    started = states_client.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')["executionArn"]
    if status == "ABORTED":
        states_client.stop_execution(executionArn=started)
    wait_for(lambda: len(heard()) == 2)
    assert [event["detail"]["status"] for event in heard()] == ["RUNNING", status]
    last = heard()[1]
    assert last["source"] == "aws.states"
    assert last["detail-type"] == "Step Functions Execution Status Change"
    assert last["resources"] == [started]
    detail = last["detail"]
    assert (detail["executionArn"], detail["stateMachineArn"], detail["name"]) == (started, arn, "one")
    assert json.loads(detail["input"]) == {"a": 1}
    assert detail["stopDate"] >= detail["startDate"] > 1_600_000_000_000
    if status == "FAILED":
        assert (detail["error"], detail["cause"]) == ("Bad", "because")
    assert states_client.describe_execution(executionArn=started)["status"] == status


def test_a_definition_in_yaml_runs(account):
    template = {
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": f"arn:aws:iam::{account.number}:role/any",
                    "DefinitionString": "StartAt: First\nStates:\n  First: {Type: Pass, End: true}\n",
                },
            }
        },
        "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}},
    }
    cloudformation, states = account.client("cloudformation"), account.client("stepfunctions")
    cloudformation.create_stack(StackName="meshift", TemplateBody=json.dumps(template))
    arn = wait_for(lambda: deploy.outputs(account.instance, account.number).get("Machine"))
    started = states.start_execution(stateMachineArn=arn)["executionArn"]
    wait_for(lambda: states.describe_execution(executionArn=started)["status"] == "SUCCEEDED")


def test_names_of_executions_follow_the_rules(account):
    arn = machine(account, {"First": {"Type": "Wait", "Seconds": 5, "End": True}})
    states = account.client("stepfunctions")
    first = states.start_execution(stateMachineArn=arn, name="one", input="{}")
    again = states.start_execution(stateMachineArn=arn, name="one", input="{}")
    assert first["executionArn"] == again["executionArn"]
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=arn, name="one", input='{"other": 1}')
    with pytest.raises(states.exceptions.InvalidName):
        states.start_execution(stateMachineArn=arn, name="ecs-svc/1")


def test_a_function_url_tells_who_calls_and_keeps_compressed_bodies(empty_aws, account, tmp_path):
    url = function_url(account, tmp_path)
    caller = empty_aws.account("444444444444")
    request = AWSRequest(
        "POST", f"{empty_aws.instance.endpoint}/_aws/lambda-url/{url}/v1/x", data=b"\x1f\x8b\xff",
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )  # fmt: skip
    SigV4Auth(caller.instance.session(caller.number).get_credentials(), "lambda", "us-east-1").add_auth(request)
    sent = request.prepare()
    plain = urllib.request.Request(sent.url, sent.body, dict(sent.headers), method="POST")
    with urllib.request.urlopen(plain) as answer:
        event = json.load(answer)
    iam = event["requestContext"]["authorizer"]["iam"]
    assert (iam["accountId"], iam["userArn"]) == ("444444444444", "arn:aws:iam::444444444444:root")
    assert (event["isBase64Encoded"], event["body"]) == (True, "H4v/")


def function_url(account: Account, tmp_path: Path) -> str:
    import zipfile

    code = tmp_path / "code.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return event")
    functions = account.client("lambda")
    functions.create_function(
        FunctionName="echo", Runtime="python3.13", Handler="index.handler", Code={"ZipFile": code.read_bytes()},
        Role=account.role("echo"),
    )  # fmt: skip
    made = functions.create_function_url_config(FunctionName="echo", AuthType="AWS_IAM")
    return made["FunctionUrl"].removeprefix("https://").split(".")[0]


def test_app_mesh_without_a_stack_says_so(empty_aws, account):
    with pytest.raises(ClientError, match="no mesh API in account"):
        account.client("appmesh").list_meshes()


# -- the daemon ------------------------------------------------------------------------------------------


def processes_of(state: Path) -> str:
    shown = subprocess.run(["ps", "axww", "-o", "pid=,stat=,command="], capture_output=True, text=True)
    return "\n".join(line for line in shown.stdout.splitlines() if str(state) in line and " Z" not in line)


def test_two_instances_live_side_by_side_and_leave_nothing_running(tmp_path):
    one, two = start(tmp_path / "one"), start(tmp_path / "two")
    try:
        assert one.port != two.port
        one.client("sqs").create_queue(QueueName="here")
        assert not two.client("sqs").list_queues().get("QueueUrls")
        assert find(tmp_path / "one").pid == one.pid
    finally:
        one.stop()
        two.stop()
    assert processes_of(tmp_path) == ""
    assert find(tmp_path / "one") is None


def test_going_down_ends_what_another_process_started_and_is_harmless_twice(tmp_path):
    start(tmp_path, with_parent=False)
    write_env(tmp_path / "env", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert (tmp_path / "env").read_text() == "export AWS_ENDPOINT_URL=http://127.0.0.1:1\n"
    assert down(tmp_path)
    assert not (tmp_path / "env").exists()
    assert processes_of(tmp_path) == ""
    assert not down(tmp_path)


def test_the_stack_is_deployed_by_sam_in_both_accounts(aws):
    for account in (aws.owner, aws.consumer):
        machine_arn = account.outputs["RolloutStateMachineArn"]
        assert machine_arn.split(":")[4] == account.number


def test_workers_of_the_same_code_share_what_was_unpacked(aws):
    aws.owner.client("appmesh").list_meshes()
    workers = list((aws.instance.state / "tmp").glob("ministack-lambda-meshift-*"))
    assert workers
    assert len({(worker / "code").resolve() for worker in workers}) == 1
    assert not any((worker / "code.zip").exists() for worker in workers)


def test_a_busy_function_dies_with_its_daemon(tmp_path):
    instance = start(tmp_path / "busy")
    try:
        account = Account(instance, "111111111111")
        function_url(account, tmp_path)
        import zipfile

        code = tmp_path / "slow.zip"
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", "import time\ndef handler(event, context):\n    time.sleep(600)")
        functions = account.client("lambda")
        functions.update_function_code(FunctionName="echo", ZipFile=code.read_bytes())
        functions.invoke(FunctionName="echo", InvocationType="Event")
        wait_for(lambda: "ministack-lambda" in processes_of(tmp_path))
    finally:
        instance.stop()
    wait_for(lambda: processes_of(tmp_path) == "", 5)


def test_the_daemon_ends_when_the_process_that_started_it_dies(tmp_path):
    script = (
        "import os, pathlib, local.instance as i\n"
        f"print(i.start(pathlib.Path({str(tmp_path)!r}) / 'orphan').pid, flush=True)\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True)
    wait_for(lambda: processes_of(tmp_path) == "", 10)


def test_a_daemon_that_cannot_start_shows_the_end_of_its_log(empty_aws, tmp_path):
    with pytest.raises(LocalAwsError, match=r"cannot listen on 127\.0\.0\.1"):
        start(tmp_path / "clash", port=empty_aws.instance.port)


def test_settings_that_make_no_sense_are_refused(empty_aws):
    with pytest.raises(LocalAwsError, match="deploymentSeconds must be a number"):
        empty_aws.settings(deploymentSeconds="long")
    with pytest.raises(LocalAwsError, match="unknown setting"):
        empty_aws.settings(speed=1)


def test_metric_math_and_counts_within_bounds_are_known(account):
    cloudwatch, now = account.client("cloudwatch"), int(time.time())
    took = {"MetricName": "Took", "Values": [10.0, 20.0, 30.0], "Counts": [5.0, 3.0, 2.0], "Timestamp": now}
    bad = {"MetricName": "Bad", "Value": 4.0, "Timestamp": now}
    cloudwatch.put_metric_data(Namespace="Math", MetricData=[took, bad])

    def query(name, metric, stat):
        measured = {"Metric": {"Namespace": "Math", "MetricName": metric}, "Period": 3600, "Stat": stat}
        return {"Id": name, "MetricStat": measured, "ReturnData": name == "slow"}

    queries = [query("slow", "Took", "TC(10:)"), query("all", "Took", "SampleCount"), query("bad", "Bad", "Sum")]
    queries.append({"Id": "share", "Expression": "100 * bad / (all + 0)"})
    read = partial(cloudwatch.get_metric_data, StartTime=now - 60, EndTime=now + 60)
    found = {each["Id"]: each["Values"] for each in read(MetricDataQueries=queries)["MetricDataResults"]}
    assert found == {"slow": [5.0], "share": [40.0]}
    with pytest.raises(ClientError, match="local AWS does not know"):
        read(MetricDataQueries=[queries[2], {"Id": "odd", "Expression": "ANOMALY_DETECTION_BAND(bad)"}])


def test_an_alarm_looks_at_the_metrics_of_its_own_dimensions(account):
    cloudwatch = account.client("cloudwatch")
    told = {"Namespace": "Shop", "MetricName": "Errors"}
    one, other = ([{"Name": "node", "Value": name}] for name in ("one", "other"))
    cloudwatch.put_metric_alarm(
        **told, AlarmName="errors-of-one", Dimensions=one, Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=5, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip

    def state_after(dimensions):
        cloudwatch.put_metric_data(
            Namespace="Shop", MetricData=[{"MetricName": "Errors", "Dimensions": dimensions, "Value": 50}]
        )
        return cloudwatch.describe_alarms(AlarmNames=["errors-of-one"])["MetricAlarms"][0]["StateValue"]

    assert state_after(other) == "INSUFFICIENT_DATA"
    assert state_after(one) == "ALARM"
