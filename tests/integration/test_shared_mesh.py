"""A mesh that another account hosts: waited for, shared, joined by its card, served by its owner's discovery."""

import json
import os

import pytest

from domain.errors import NotFound
from gateways.mesh import Mesh, _client
from gateways.remembered import Remembered
from handlers import accept_shares, inject_envoy, join_mesh
from settings import Settings
from tests.iam_simulator import Simulator
from tests.integration.conftest import batch, make_service
from tests.ram import answered_ram
from tests.shapes import OWNER, TAGS

ACCOUNT, MESH, NAME = "123456789012", f"apps@{OWNER}", "serviceb.apps.local"
API = "https://theirapi.lambda-url.us-east-1.on.aws/"
DISCOVERY = "https://theirs.lambda-url.us-east-1.on.aws/"
CARD = {
    "api": {"endpoint": API, "signingName": "lambda"},
    "discovery": {"endpoint": DISCOVERY, "signingName": "lambda"},
}
PRINCIPALS = "/meshift/v1/meshes/apps/principals"


@pytest.fixture
def owners(aws, hosted, monkeypatch):
    """The owner's mesh; this account hosts meshes of its own elsewhere."""
    for name, value in {
        "CONTROL_PLANE": "hosted",
        "MESH_ENDPOINT": "https://own.lambda-url.us-east-1.on.aws/",
        "MESH_SIGNING_NAME": "lambda",
        "DISCOVERY_ENDPOINT": "https://owndiscovery.lambda-url.us-east-1.on.aws/",
        "TRUSTED_ACCOUNTS": OWNER,
        "SHARE_RESOURCE_TYPES": "ssm:Parameter",
    }.items():
        monkeypatch.setenv(name, value)
    policy = {"steps": [{"weight": 25}]}
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(policy), Type="String", Overwrite=True)
    hosted.client(OWNER).create_mesh(meshName="apps")
    hosted.answer_for(_client(API, "lambda"), ACCOUNT)
    return hosted


@pytest.fixture
def ram(owners):
    with answered_ram(ACCOUNT) as found:
        yield found


@pytest.fixture
def service(aws):
    return make_service(aws, {**TAGS, "meshift:mesh": MESH})


def let_in(hosted, *accounts):
    answer = hosted.request("PUT", PRINCIPALS, json.dumps({"accounts": list(accounts)}))
    assert answer["statusCode"] == 200


def join(service, context):
    return join_mesh.handler(service.document(), context)


def look(context):
    assert accept_shares.handler(batch({}), context) == {"batchItemFailures": []}


def executions(aws):
    return aws("stepfunctions").list_executions(stateMachineArn=os.environ["STATE_MACHINE_ARN"])["executions"]


def test_a_service_waits_for_a_mesh_that_is_not_shared_yet_and_starts_when_the_share_is_accepted(
    aws, owners, ram, service, context
):
    answer = join(service, context)
    assert (answer["outcome"], answer["reason"]) == ("Nothing To Do", f"waits for the share of mesh {MESH}")
    ram.share_card(mesh="other", says=CARD)
    look(context)
    assert executions(aws) == []
    ram.share_card(says=CARD)
    look(context)
    (started,) = executions(aws)
    assert started["name"] == service.deployment.replace("/", "-") + "-1"
    assert Remembered("rollouts").freed() == []


def test_it_joins_with_resources_of_its_own_in_the_owners_mesh(owners, ram, service, context):
    ram.share_card(says=CARD)
    let_in(owners, ACCOUNT)
    look(context)
    answer = join(service, context)
    assert answer["outcome"] == "Joined"
    assert (answer["subject"]["mesh"], answer["subject"]["meshOwner"]) == ("apps", OWNER)
    mesh = owners.client(OWNER)
    node = mesh.describe_virtual_node(meshName="apps", virtualNodeName="serviceBv2")["virtualNode"]
    route = mesh.describe_route(meshName="apps", virtualRouterName=NAME, routeName=NAME)["route"]
    for each in (node, route):
        assert each["metadata"]["resourceOwner"] == ACCOUNT
        assert each["metadata"]["meshOwner"] == OWNER


def test_a_card_alone_lets_nobody_in_the_service_waits_until_the_mesh_has_it_as_principal(
    aws, owners, ram, service, context
):
    ram.share_card(says=CARD)
    look(context)
    assert join(service, context)["reason"] == f"waits for the share of mesh {MESH}"
    let_in(owners, ACCOUNT)
    look(context)
    assert len(executions(aws)) == 1
    assert join(service, context)["outcome"] == "Joined"


def test_what_the_owner_has_under_that_name_is_not_taken_over(owners, ram, service, context):
    spec = {
        "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}],
        "serviceDiscovery": {"dns": {"hostname": NAME}},
    }
    owners.client(OWNER).create_virtual_node(meshName="apps", virtualNodeName="serviceBv2", spec=spec)
    ram.share_card(says=CARD)
    let_in(owners, ACCOUNT)
    look(context)
    answer = join(service, context)
    assert answer["outcome"] == "Refused"
    assert f"belongs to account {OWNER}" in answer["reason"]


def test_its_envoy_polls_the_owners_discovery_signed_as_the_card_says(aws, owners, ram, service, context):
    ram.share_card(says=CARD)
    let_in(owners, ACCOUNT)
    look(context)
    joined = join(service, context)
    answer = inject_envoy.handler(service.document(subject=joined["subject"]), context)
    assert answer["outcome"] == "Redeployed"
    now = aws("ecs").describe_services(cluster="apps", services=[service.arn])["services"][0]["taskDefinition"]
    containers = aws("ecs").describe_task_definition(taskDefinition=now)["taskDefinition"]["containerDefinitions"]
    (envoy,) = [each for each in containers if each["name"] == "envoy"]
    bootstrap = next(json.loads(word) for word in envoy["command"] if word.startswith("{"))
    text = json.dumps(bootstrap)
    assert "theirs.lambda-url.us-east-1.on.aws" in text
    assert "owndiscovery" not in text
    assert bootstrap["node"]["metadata"]["meshOwner"] == OWNER


def test_the_task_role_needs_the_owners_function_which_the_card_names(aws, owners, ram, context, monkeypatch):
    function = f"arn:aws:lambda:us-east-1:{OWNER}:function:meshift-DiscoverFunction-1"
    monkeypatch.setenv("TASK_ROLE_POLICY", "verify")
    monkeypatch.setenv("DISCOVER_FUNCTION_ARN", function.replace(OWNER, ACCOUNT))
    role = aws("iam").create_role(RoleName="tasks", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    service = make_service(aws, {**TAGS, "meshift:mesh": MESH}, taskRoleArn=role)
    ram.share_card(says={**CARD, "discovery": {**CARD["discovery"], "function": function}})
    let_in(owners, ACCOUNT)
    look(context)
    joined = join(service, context)
    with Simulator(aws("iam")):
        answer = inject_envoy.handler(service.document(subject=joined["subject"]), context)
    assert answer["outcome"] == "Redeployed"
    assert f'"Action": ["lambda:InvokeFunctionUrl"], "Resource": "{function}"' in answer["reason"]


def test_a_mesh_that_its_owner_takes_away_is_not_found_though_its_card_is_still_known(owners, ram, service, context):
    """Else recovery would fail at it for ever: its owner's API answers that it is forbidden."""
    ram.share_card(says=CARD)
    let_in(owners, ACCOUNT)
    look(context)
    subject = join(service, context)["subject"]
    let_in(owners)
    mesh = Mesh.of(subject, Settings.from_env(os.environ))
    for describe in (lambda: mesh.describe_route(NAME, NAME), lambda: mesh.describe_routes(NAME)):
        with pytest.raises(NotFound, match=f"{MESH} is not shared with this account"):
            describe()


def test_when_the_share_is_gone_a_deployment_waits_again_and_what_was_made_stays(owners, ram, service, context):
    share = ram.share_card(says=CARD)
    let_in(owners, ACCOUNT)
    look(context)
    subject = join(service, context)["subject"]
    ram.unshare(share)
    look(context)
    assert join(service, context)["reason"] == f"waits for the share of mesh {MESH}"
    answer = inject_envoy.handler(service.document(subject=subject), context)
    assert (answer["outcome"], answer["reason"]) == (
        "Refused",
        f"mesh {MESH} is not shared with this account (any more)",
    )
    with pytest.raises(NotFound, match="is not shared with this account"):
        Mesh.of(subject, Settings.from_env(os.environ)).describe_route(NAME, NAME)
    owners.client(OWNER).delete_route(meshName="apps", virtualRouterName=NAME, routeName=NAME)
