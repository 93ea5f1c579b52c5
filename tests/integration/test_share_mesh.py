"""share_mesh, as CloudFormation calls it: RAM, the mesh's principals and the functions' policies say the same."""

import io
import json
import os
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSResponse

from gateways import mesh_principals
from gateways.clients import client
from gateways.mesh import _client
from handlers.share_mesh import handler
from local.ram_state import Organization
from meshift.command import main
from tests.hosted_mesh import URL, Body, event_of
from tests.ram import answered_ram, card_arn
from tests.shapes import CONSUMER, STRANGER

OWN = "123456789012"
CARD = card_arn(OWN)
FUNCTIONS = ("mesh-api", "discover")


class MeshApi:
    """Takes the place of the HTTP session that the gateway makes: requests end in the handler of mesh_api."""

    def __init__(self, hosted):
        self.hosted, self.events = hosted, []

    def __call__(self, **_):
        return self

    def send(self, request):
        answer = self.hosted.answer(event_of(request, OWN, None, None))
        response = AWSResponse(request.url, answer["statusCode"], answer["headers"], Body(answer["body"].encode()))
        self.events.append((request.method, request.headers["Authorization"]))
        return response


@pytest.fixture
def api(aws, hosted, monkeypatch):
    """The owner's mesh `apps`, its API and its two functions."""
    hosted.account = OWN
    mesh = hosted.answer_for(_client(URL, "lambda"), OWN)
    mesh.create_mesh(meshName="apps")
    found = MeshApi(hosted)
    monkeypatch.setattr(mesh_principals, "URLLib3Session", found)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("x.py", "")
    client("iam").create_role(RoleName="x", AssumeRolePolicyDocument="{}")
    for name in FUNCTIONS:
        client("lambda").create_function(
            FunctionName=name, Runtime="python3.13", Handler="x.y", Role=f"arn:aws:iam::{OWN}:role/x",
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip
    for name, value in {
        "MESH_ENDPOINT": URL, "MESH_SIGNING_NAME": "lambda", "SHARED_FUNCTIONS": ",".join(FUNCTIONS),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def ram(api):
    with answered_ram(OWN) as found:
        yield found


@pytest.fixture
def answers():
    """What CloudFormation is answered."""
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_PUT(self):
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    got.append(f"http://127.0.0.1:{server.server_port}/")
    yield got
    server.shutdown()


@pytest.fixture
def ask(ram, context, answers):
    url = answers.pop()

    def send(kind="Update", *principals, mesh="apps", external="true"):
        wanted = {"MeshName": mesh, "Principals": list(principals), "AllowExternalPrincipals": external}
        about = {"StackId": "stack", "RequestId": f"request-{len(answers)}", "LogicalResourceId": "MeshShare"}
        handler({"RequestType": kind, "ResponseURL": url, "ResourceProperties": wanted, **about}, context)
        return answers[-1]["Status"], answers[-1]["Reason"]

    return send


def invited(ram):
    return {each["receiverAccountId"] for each in ram.ram.invitations.values() if each["status"] == "PENDING"}


def principals(hosted):
    answer = hosted.request("GET", "/meshift/v1/meshes/apps/principals", account=OWN)
    return json.loads(answer["body"])["accounts"]


def callers(function):
    try:
        policy = json.loads(client("lambda").get_policy(FunctionName=function)["Policy"])
    except client("lambda").exceptions.ResourceNotFoundException:
        return set()
    return {each["Sid"].split("-")[-2] for each in policy["Statement"]}


def everywhere(ram, hosted):
    """Who has the mesh, by each of the four that must agree."""
    return [invited(ram), set(principals(hosted)), *(callers(name) for name in FUNCTIONS)]


def test_all_that_lets_an_account_in_is_set_and_the_card_is_shared(ram, hosted, ask):
    assert ask("Create", CONSUMER) == ("SUCCESS", "")
    assert everywhere(ram, hosted) == [{CONSUMER}] * 4
    shared = ram.ram.ListResources(OWN, "us-east-1", {"resourceOwner": "SELF"})["resources"]
    assert [each["arn"] for each in shared] == [CARD]


def test_twice_is_once(ram, hosted, ask):
    for _ in range(2):
        assert ask("Create", CONSUMER) == ("SUCCESS", "")
    assert everywhere(ram, hosted) == [{CONSUMER}] * 4
    assert len(ram.ram.shares) == 1


def test_who_is_named_later_is_added_and_who_is_no_more_is_taken_out(ram, hosted, ask):
    ask("Create", CONSUMER)
    assert ask("Update", STRANGER) == ("SUCCESS", "")
    assert everywhere(ram, hosted) == [{STRANGER}] * 4


def test_whose_invitation_expired_is_invited_again(ram, ask):
    ask("Create", CONSUMER)
    (first,) = ram.ram.invitations
    ram.ram.expire(first)
    ask("Update", CONSUMER)
    assert len(ram.ram.invitations) == 2
    assert invited(ram) == {CONSUMER}


def test_unsharing_leaves_nobody_and_nothing_but_the_nodes(ram, hosted, ask):
    ask("Create", CONSUMER)
    assert ask("Delete", CONSUMER) == ("SUCCESS", "")
    assert everywhere(ram, hosted) == [set()] * 4
    assert {share["status"] for share in ram.ram.shares.values()} == {"DELETED"}


def test_whose_nodes_lose_their_mesh_is_announced_before_he_does(aws, ram, hosted, ask, api):
    ask("Create", CONSUMER)
    spec = {
        "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}],
        "serviceDiscovery": {"dns": {"hostname": "c.apps.local"}},
    }
    consumer = hosted.client(CONSUMER)
    consumer.create_virtual_node(meshName="apps", meshOwner=OWN, virtualNodeName="serviceC", spec=spec)
    queue = client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=os.environ["TOPIC_ARN"], Protocol="sqs", Endpoint=arn)
    client("sns").meta.events.register_first("before-send.sns.Publish", seen := Seen(hosted))
    ask("Delete", CONSUMER)
    client("sns").meta.events.unregister("before-send.sns.Publish", seen)
    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    told = json.loads(json.loads(message["Body"])["Message"])
    assert told["nodes"] == {CONSUMER: ["serviceC"]}
    assert seen.principals == [CONSUMER]
    node = hosted.client(OWN).describe_virtual_node(meshName="apps", virtualNodeName="serviceC")["virtualNode"]
    assert node["metadata"]["resourceOwner"] == CONSUMER
    hosted.client(OWN).delete_virtual_node(meshName="apps", virtualNodeName="serviceC")


class Seen:
    """Looks at the mesh's principals when something is published."""

    def __init__(self, hosted):
        self.hosted, self.principals = hosted, None

    def __call__(self, **_):
        self.principals = principals(self.hosted)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["everybody"], "SharePrincipals: 'everybody' is not an account id"),
        ([OWN], "the owner's own account"),
        ([str(10**11 + number) for number in range(80)], "name their organization instead"),
    ],
)
def test_principals_that_make_no_sense_are_refused_and_nothing_is_changed(ram, hosted, ask, given, says):
    status, reason = ask("Create", *given)
    assert status == "FAILED"
    assert says in reason
    assert everywhere(ram, hosted) == [set()] * 4


@pytest.mark.parametrize("kind", ["organization", "unit"])
def test_an_organization_and_its_units_are_shared_with_and_let_in_without_invitations(aws, ram, hosted, ask, kind):
    organizations = aws("organizations")
    whole = organizations.create_organization(FeatureSet="ALL")["Organization"]
    (root,) = organizations.list_roots()["Roots"]
    unit = organizations.create_organizational_unit(ParentId=root["Id"], Name="teams")["OrganizationalUnit"]
    member = organizations.create_account(Email="a@example.com", AccountName="a")["CreateAccountStatus"]["AccountId"]
    organizations.move_account(AccountId=member, SourceParentId=root["Id"], DestinationParentId=unit["Id"])
    members = frozenset({OWN, member})
    ram.ram.find_organization = lambda: Organization(whole["Id"], OWN, members, {unit["Id"]: frozenset({member})})
    ram.ram.EnableSharingWithAwsOrganization(OWN, "us-east-1", {})
    principal = {"organization": whole["Arn"], "unit": unit["Arn"]}[kind]
    assert ask("Create", principal, external="false") == ("SUCCESS", "")
    received = ram.ram.ListResources(member, "us-east-1", {"resourceOwner": "OTHER-ACCOUNTS"})["resources"]
    assert [each["arn"] for each in received] == [CARD]
    assert ram.ram.invitations == {}
    inside = hosted.client(member, organization=whole["Id"])
    assert inside.describe_mesh(meshName="apps", meshOwner=OWN)["mesh"]["meshName"] == "apps"
    for function in FUNCTIONS:
        policy = json.loads(client("lambda").get_policy(FunctionName=function)["Policy"])
        allowed = {each["Condition"]["StringEquals"]["aws:PrincipalOrgID"] for each in policy["Statement"]}
        assert allowed == {whole["Id"]}
    assert ask("Delete", principal) == ("SUCCESS", "")
    with pytest.raises(inside.exceptions.ForbiddenException):
        inside.describe_mesh(meshName="apps", meshOwner=OWN)


def test_accounts_outside_the_organization_need_the_operators_word(ram, ask):
    status, reason = ask("Create", CONSUMER, external="false")
    assert status == "FAILED"
    assert "external" in reason


def test_a_mesh_that_is_not_there_is_refused_by_name_and_its_share_can_be_deleted(ram, ask):
    status, reason = ask("Create", CONSUMER, mesh="other")
    assert (status, "no mesh other" in reason) == ("FAILED", True)
    assert ask("Delete", CONSUMER, mesh="other") == ("SUCCESS", "")


def test_another_name_takes_nothing_from_the_new_mesh_when_the_old_one_goes(ram, hosted, ask):
    ask("Create", CONSUMER)
    hosted.client(OWN).create_mesh(meshName="next")
    assert ask("Update", CONSUMER, mesh="next") == ("SUCCESS", "")
    assert ask("Delete", CONSUMER, mesh="apps") == ("SUCCESS", "")
    assert [callers(name) for name in FUNCTIONS] == [{CONSUMER}] * 2
    assert principals(hosted) == []


@pytest.fixture
def run(aws, api, hosted, capsys):
    """Run `meshift mesh consumers` on a stack that shares the mesh; gives its exit code and what it says."""
    machine = f"arn:aws:states:us-east-1:{OWN}:stateMachine:rollout"
    body = {
        "Parameters": {"ControlPlane": {"Type": "String"}, "ShareMesh": {"Type": "String"}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"MeshApiUrl": {"Value": URL}, "RolloutStateMachineArn": {"Value": machine}},
    }
    parameters = [
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in {"ControlPlane": "hosted", "ShareMesh": "apps"}.items()
    ]
    aws("cloudformation").create_stack(StackName="meshift", TemplateBody=json.dumps(body), Parameters=parameters)

    def run(*more):
        code = main(["mesh", "consumers", *more], connect=lambda *_: hosted.client(OWN))
        out = capsys.readouterr()
        return code, out.out or out.err

    return run


def join(hosted, account, *names):
    spec = {
        "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}],
        "serviceDiscovery": {"dns": {"hostname": "c.apps.local"}},
    }
    for name in names:
        hosted.client(account).create_virtual_node(meshName="apps", meshOwner=OWN, virtualNodeName=name, spec=spec)


def test_the_command_says_before_who_would_lose_what_and_the_announcement_says_the_same(ram, hosted, ask, run):
    ask("Create", CONSUMER, STRANGER)
    join(hosted, CONSUMER, "checkout", "checkoutv2")
    join(hosted, STRANGER, "theirs")
    code, said = run("--json", "--without", CONSUMER)
    found = json.loads(said)
    assert (code, found["losing"]) == (0, {CONSUMER: {CONSUMER: ["checkout", "checkoutv2"]}})
    assert found["principals"] == {CONSUMER: "ASSOCIATING", STRANGER: "ASSOCIATING"}
    assert {each["account"]: each["state"] for each in found["consumers"]} == {CONSUMER: "has it", STRANGER: "has it"}
    assert found["consumers"][0]["nodes"][0]["changed"].startswith("20")
    assert everywhere(ram, hosted) == [{CONSUMER, STRANGER}] * 4
    client("sns").meta.events.register_first("before-send.sns.Publish", seen := Published())
    ask("Update", STRANGER)
    client("sns").meta.events.unregister("before-send.sns.Publish", seen)
    assert seen.nodes == found["losing"][CONSUMER]


class Published:
    """Keeps whose nodes an announcement names."""

    def __call__(self, request, **_):
        (message,) = parse_qs(request.body if isinstance(request.body, str) else request.body.decode())["Message"]
        self.nodes = json.loads(message)["nodes"]


def test_for_people_each_principal_is_thought_away_by_itself(ram, hosted, ask, run):
    ask("Create", CONSUMER, STRANGER)
    join(hosted, CONSUMER, "checkout")
    code, said = run()
    assert code == 0
    assert f"mesh apps of {OWN}\n  shared with {CONSUMER}: ASSOCIATING\n" in said
    assert f"  account {CONSUMER} has it; virtual nodes there: 1\n    checkout, changed 20" in said
    assert f"  without {CONSUMER}: no configuration any more for checkout of {CONSUMER}\n" in said
    assert f"  without {STRANGER}: nobody loses it\n" in said


def test_who_lost_it_already_loses_nothing_more(ram, hosted, ask, run):
    ask("Create", CONSUMER, STRANGER)
    join(hosted, CONSUMER, "checkout")
    ask("Update", STRANGER)
    found = json.loads(run("--json")[1])
    assert found["consumers"][0] | {"nodes": 1} == {"account": CONSUMER, "state": "has it no more", "nodes": 1}
    assert found["losing"] == {STRANGER: {}}


def test_a_principal_that_is_none_and_a_mesh_that_is_not_there_are_said(ram, ask, run):
    ask("Create", CONSUMER)
    code, said = run("--without", STRANGER)
    assert (code, said) == (
        2,
        f"meshift mesh: --without {STRANGER}: mesh apps is not shared with it; its principals are {CONSUMER}\n",
    )
    code, said = run("--mesh", "none")
    assert (code, "none" in said) == (1, True)
