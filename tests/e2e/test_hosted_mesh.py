"""The hosted mesh as its users reach it: at the stack's URL, by boto3, the AWS CLI and the import command."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.loaders import create_loader
from botocore.validate import ParamValidator

from local.instance import ROOT
from local.settings import CONSUMER, OWNER, REGION
from tests.app_mesh_sweep import ROUTER, listed, node_spec, refusal, route_spec, sweep
from tests.e2e.conftest import STRANGER
from tests.import_shell import TEMPLATE

THREADS = 16
MODELS = ROOT / "aws-models"
LOADER = create_loader(str(MODELS))
FORBIDDEN = "ForbiddenException"
NODE = node_spec("serviceb.apps.local")
MESHES, SHARED_MESHES = "/v20190125/meshes", "/meshift/v1/meshes"


class MeshApi:
    """An account's mesh API, by its URL and nothing else, as any account may try to reach it."""

    def __init__(self, instance, url):
        self.instance, self.url = instance, url
        self.http = URLLib3Session()

    def client(self, account=OWNER):
        """Give back a boto3 client that signs as `AWS_DATA_PATH=aws-models` has it; it tries once."""
        core = botocore.session.Session()
        core.register_component("data_loader", LOADER)
        session = boto3.Session(account, "local", region_name=REGION, botocore_session=core)
        once = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=120)
        return session.client("appmesh", endpoint_url=self.url, config=once)

    def send(self, method, path, body=None, account=OWNER, **headers):
        """Send what boto3 would not; status and answer. Without an account it is not signed."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, self.url.rstrip("/") + path, {"content-type": "application/json", **named}, data)
        if account:
            SigV4Auth(Credentials(account, "local"), "lambda", REGION).add_auth(request)
        answer = self.http.send(request.prepare())
        return answer.status_code, json.loads(answer.content)

    def share(self, mesh, *accounts):
        """Let the owner say which accounts a mesh is shared with."""
        status, answer = self.send("PUT", f"{SHARED_MESHES}/{mesh}/principals", {"accounts": accounts})
        assert (status, answer["accounts"]) == (200, [*accounts])

    def run(self, *command, endpoint=None, code=0):
        """Run a command of the AWS world in the owner's account, signing by `aws-models`; what it printed."""
        variables = {**self.instance.environment(), "AWS_DATA_PATH": str(MODELS), "AWS_CONFIG_FILE": os.devnull}
        if endpoint:
            variables["AWS_ENDPOINT_URL_APP_MESH"] = endpoint
        environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "COLUMNS": "200", **variables}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture(scope="module")
def api(aws):
    return MeshApi(aws.instance, aws.owner.outputs["MeshApiUrl"])


@pytest.fixture(scope="module")
def owner(api):
    return api.client()


@pytest.fixture(scope="module")
def mesh(owner):
    """A mesh that is not `apps`, where tests make things under names of their own."""
    return owner.create_mesh(meshName="hosted")["mesh"]["meshName"]


def test_every_operation_works_through_the_deployed_url_and_answers_fit_the_model(api):
    client, wrong = api.client(), []

    def check(parsed, model, **_):
        if parsed["ResponseMetadata"]["HTTPStatusCode"] == 200:
            answer = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
            report = ParamValidator().validate(answer, model.output_shape)
            wrong.extend([(model.name, report.generate_report())] if report.has_errors() else [])

    client.meta.events.register("after-call.app-mesh", check)
    assert sweep(client, "hosted-sweep") == set(client.meta.service_model.operation_names)
    assert wrong == []


@pytest.mark.parametrize("whose", ["owner", "consumer"])
def test_the_stack_made_the_mesh_that_it_was_asked_for_and_its_card(aws, whose):
    account = getattr(aws, whose)
    metadata = account.client("appmesh").describe_mesh(meshName="apps")["mesh"]["metadata"]
    assert metadata["meshOwner"] == metadata["resourceOwner"] == account.number
    name = "/meshift/meshes/apps"
    card = json.loads(account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    assert (card["mesh"], card["owner"], card["region"]) == ("apps", account.number, REGION)
    assert card["api"]["endpoint"].split("//")[1].split(".")[0] in account.outputs["MeshApiUrl"]
    assert card["discovery"]["endpoint"].startswith("http")
    assert card["api"]["signingName"] == card["discovery"]["signingName"] == "lambda"
    (shown,) = account.client("ssm").describe_parameters(Filters=[{"Key": "Name", "Values": [name]}])["Parameters"]
    assert shown["Tier"] == "Advanced"
    assert account.idle("MakeMeshRole") == []


def test_a_mesh_has_a_card_as_long_as_it_lives(aws, owner):
    owner.create_mesh(meshName="hosted-card")
    ssm, name = aws.owner.client("ssm"), "/meshift/meshes/hosted-card"
    assert json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])["mesh"] == "hosted-card"
    owner.delete_mesh(meshName="hosted-card")
    assert refusal(ssm.get_parameter, Name=name) == "ParameterNotFound"


def test_a_stranger_is_told_the_same_of_what_exists_and_of_what_does_not(api, owner, mesh):
    owner.create_virtual_node(meshName=mesh, virtualNodeName="there", spec=NODE)
    stranger, texts = api.client(STRANGER), set()
    for name, node in ((mesh, "there"), (mesh, "nothere"), ("nomesh", "there")):
        with pytest.raises(ClientError) as error:
            stranger.describe_virtual_node(meshName=name, meshOwner=OWNER, virtualNodeName=node)
        assert error.value.response["Error"]["Code"] == FORBIDDEN
        texts.add(str(error.value).replace(f"mesh/{name}/virtualNode/{node}", "what was asked for"))
    assert len(texts) == 1
    assert listed(stranger, "list_meshes", "meshes") == []


def test_a_consumer_owns_what_it_makes_in_a_shared_mesh_and_its_owner_may_only_delete_it(api, owner, mesh):
    consumer = api.client(CONSUMER)
    node = {"meshName": mesh, "meshOwner": OWNER, "virtualNodeName": "theirs"}
    api.share(mesh)
    assert refusal(consumer.create_virtual_node, **node, spec=NODE) == FORBIDDEN
    api.share(mesh, CONSUMER)
    made = consumer.create_virtual_node(**node, spec=NODE)["virtualNode"]["metadata"]
    assert (made["meshOwner"], made["resourceOwner"]) == (OWNER, CONSUMER)
    assert made["arn"] == f"arn:aws:appmesh:{REGION}:{OWNER}:mesh/{mesh}/virtualNode/theirs"
    assert refusal(owner.update_virtual_node, **node, spec={}) == FORBIDDEN
    assert consumer.update_virtual_node(**node, spec={})["virtualNode"]["metadata"]["version"] == 2
    assert owner.delete_virtual_node(**node)["virtualNode"]["status"] == {"status": "DELETED"}
    assert refusal(consumer.describe_virtual_node, **node) == "NotFoundException"


def test_after_unsharing_a_consumer_is_refused_and_what_it_made_stays(api, owner, mesh):
    consumer = api.client(CONSUMER)
    api.share(mesh, CONSUMER)
    node = {"meshName": mesh, "meshOwner": OWNER, "virtualNodeName": "stays"}
    made = consumer.create_virtual_node(**node, spec=NODE)["virtualNode"]
    api.share(mesh)
    for operation in (consumer.describe_virtual_node, consumer.delete_virtual_node):
        assert refusal(operation, **node) == FORBIDDEN
    assert owner.describe_virtual_node(**node)["virtualNode"] == made


@pytest.mark.parametrize("account", [CONSUMER, STRANGER])
def test_only_the_owner_says_who_a_mesh_is_shared_with(api, mesh, account):
    api.share(mesh, CONSUMER)
    status, _ = api.send("PUT", f"{SHARED_MESHES}/{mesh}/principals", {"accounts": [STRANGER]}, account)
    assert status == 404
    assert api.send("GET", f"{SHARED_MESHES}/{mesh}/principals")[1]["accounts"] == [CONSUMER]


def test_an_update_that_insists_on_a_version_that_moved_on_is_a_conflict(api, owner, mesh):
    owner.create_virtual_node(meshName=mesh, virtualNodeName="n", spec={})
    path, body = f"{MESHES}/{mesh}/virtualNodes/n", {"spec": NODE}
    assert api.send("PUT", path, body, If_Match='"1"')[0] == 200
    status, answer = api.send("PUT", path, {"spec": {}}, If_Match='"1"')
    assert (status, "version" in answer["message"]) == (409, True)
    assert owner.describe_virtual_node(meshName=mesh, virtualNodeName="n")["virtualNode"]["spec"] == NODE


# Sixteen writers at once


def together(api, work):
    """Let sixteen threads work, each with a client of its own; what each gave, or the code it was refused with."""
    clients = [api.client() for _ in range(THREADS)]

    def run(index):
        try:
            return work(clients[index], index)
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("routes", [THREADS, 1])
def test_sixteen_writers_of_one_router_lose_nothing(api, owner, mesh, routes):
    node, of_router = f"node{routes}", {"meshName": mesh, "virtualRouterName": f"router{routes}"}
    owner.create_virtual_node(meshName=mesh, virtualNodeName=node, spec=NODE)
    owner.create_virtual_router(**of_router, spec=ROUTER)
    for index in range(routes):
        owner.create_route(**of_router, routeName=f"route{index}", spec=route_spec({node: 100}))

    def work(client, index):
        name = f"route{index % routes}"
        for weight in (index + 1, index + 2):
            client.update_route(**of_router, routeName=name, spec=route_spec({node: weight}))
        return name

    updated = together(api, work)
    assert updated == [f"route{index % routes}" for index in range(THREADS)]
    versions = {ref["routeName"]: ref["version"] for ref in listed(owner, "list_routes", "routes", **of_router)}
    assert versions == {name: 1 + 2 * updated.count(name) for name in updated}


def test_a_race_to_create_has_one_winner(api, owner, mesh):
    def work(client, index):
        spec = node_spec(f"{index}.apps.local")
        return client.create_virtual_node(meshName=mesh, virtualNodeName="one", spec=spec)["virtualNode"]

    *losers, winner = sorted(together(api, work), key=lambda result: isinstance(result, dict))
    assert losers == ["ConflictException"] * (THREADS - 1)
    assert owner.describe_virtual_node(meshName=mesh, virtualNodeName="one")["virtualNode"] == winner


# Signatures


SCRIPT = """
import boto3, json
client, signed = boto3.client("appmesh"), []
note = lambda request, **_: signed.append(request.headers["Authorization"].decode())
client.meta.events.register("before-send.app-mesh", note)
print(json.dumps([client.describe_mesh(meshName="apps")["mesh"]["metadata"]["arn"], *signed]))
"""


def test_a_boto3_script_needs_nothing_but_two_variables_to_sign_rightly(api):
    arn, signature = json.loads(api.run(sys.executable, "-c", SCRIPT, endpoint=api.url).stdout)
    assert arn == f"arn:aws:appmesh:{REGION}:{OWNER}:mesh/apps"
    assert f"/{REGION}/lambda/aws4_request," in signature


def test_the_aws_cli_works_against_the_endpoint_that_local_aws_names(api, owner, mesh):
    aws = partial(api.run, str(Path(sys.executable).parent / "aws"), "appmesh")
    assert mesh in [each["meshName"] for each in json.loads(aws("list-meshes").stdout)["meshes"]]
    node = ("--mesh-name", mesh, "--virtual-node-name", "serviceB")
    made = json.loads(aws("create-virtual-node", *node, "--spec", json.dumps(NODE)).stdout)
    shown = aws("describe-virtual-node", *node, "--debug")
    assert json.loads(shown.stdout) == made
    assert f"/{REGION}/lambda/aws4_request" in shown.stderr
    assert made["virtualNode"]["spec"] == NODE


# What makes no sense


@pytest.mark.parametrize(
    ("method", "path", "body", "account", "status"),
    [
        ("GET", "/v20190125/nothing", None, OWNER, 404),
        ("PATCH", f"{MESHES}/apps", {}, OWNER, 404),
        ("GET", f"{SHARED_MESHES}/apps/nothing", None, OWNER, 404),
        ("PUT", MESHES, b'{"meshName": ', OWNER, 400),
        ("PUT", MESHES, b"\xff\xfe", OWNER, 400),
        ("PUT", MESHES, b"[]", OWNER, 400),
        ("PUT", MESHES, {"meshName": 1}, OWNER, 400),
        ("PUT", MESHES, {"meshName": "x" * 1_000_001}, OWNER, 413),
        ("GET", f"{MESHES}/apps", None, None, 403),
        ("PUT", MESHES, {"meshName": "unsigned"}, None, 403),
    ],
)
def test_what_makes_no_sense_is_the_clients_error(api, method, path, body, account, status):
    answered, answer = api.send(method, path, body, account)
    assert answered == status
    assert answer.get("message") or answer.get("Message")


def test_importing_a_template_shows_a_plan_then_creates_then_finds_everything_unchanged(api, owner):
    def run(*more, code=0):
        command = (sys.executable, "-m", "meshift", "import", *more, "--parameter", "MeshName=hosted-import", "--json")
        return json.loads(api.run(*command, endpoint=api.url, code=code).stdout)["summary"]

    assert run(*TEMPLATE)["create"] == 10
    assert refusal(owner.describe_mesh, meshName="hosted-import") == "NotFoundException"
    assert run(*TEMPLATE, "--yes")["created"] == 10
    again = run(*TEMPLATE, "--yes")
    assert again.pop("unchanged") == 10
    assert set(again.values()) == {0}
    found = owner.describe_virtual_node(meshName="hosted-import", virtualNodeName="serviceA")["virtualNode"]["spec"]
    assert found["backends"] == [{"virtualService": {"virtualServiceName": "serviceb.apps.local"}}]
    assert run(TEMPLATE[0], "--yes", code=1)["refused"] > 0
