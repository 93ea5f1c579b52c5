"""The table of meshes: nothing is lost between writers, references hold, reads are cheap, weather is weathered."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from domain.hosted.kinds import MeshKey
from tests.app_mesh_sweep import ROUTER, listed, node_spec, refusal, route_spec
from tests.hosted_mesh import CONSUMER, OWNER, TABLE

THREADS = 16
KEY = MeshKey(OWNER, "apps")
NODE = node_spec("x.apps.local")


@pytest.fixture
def patient(hosted):
    """A mesh API that waits as long as sixteen writers on two cores take."""
    hosted.store.patience = 60
    hosted.client().create_mesh(meshName="apps")
    return hosted


def together(hosted, jobs):
    """Run jobs in threads, each with a client of its own; give back results and errors' codes."""
    clients = [hosted.client() for _ in jobs]

    def run(pair):
        client, job = pair
        try:
            return job(client)
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, zip(clients, jobs, strict=True)))


def test_sixteen_threads_of_updates_lose_nothing(patient):
    client = patient.client()
    client.create_virtual_node(meshName="apps", virtualNodeName="shared", spec=NODE)

    def job(index):
        def work(api):
            api.create_virtual_node(meshName="apps", virtualNodeName=f"own{index}", spec=NODE)
            api.update_virtual_node(meshName="apps", virtualNodeName="shared", spec=node_spec(f"{index}.apps.local"))
            return "done"

        return work

    assert together(patient, [job(index) for index in range(THREADS)]) == ["done"] * THREADS
    refs = {ref["virtualNodeName"]: ref["version"] for ref in listed_nodes(client)}
    assert refs == {"shared": 1 + THREADS} | {f"own{index}": 1 for index in range(THREADS)}
    written = [item["operation"]["S"] for item in patient.store.history(KEY)]
    assert len(written) == 2 + 2 * THREADS
    snapshot = patient.store.snapshot(KEY)
    assert snapshot.resources["virtualNode/shared"].metadata["version"] == 1 + THREADS


def listed_nodes(client):
    return listed(client, "list_virtual_nodes", "virtualNodes", meshName="apps")


def test_a_race_to_create_has_one_winner(patient):
    def work(api):
        return api.create_virtual_node(meshName="apps", virtualNodeName="one", spec={})["virtualNode"]["metadata"][
            "uid"
        ]

    results = together(patient, [work] * THREADS)
    assert results.count("ConflictException") == THREADS - 1


def test_a_race_to_create_the_mesh_has_one_winner(patient):
    def work(api):
        return api.create_mesh(meshName="new")["mesh"]["meshName"]

    assert sorted(together(patient, [work] * 8)) == ["ConflictException"] * 7 + ["new"]


def test_a_reference_never_dangles_however_making_and_deleting_interleave(patient):
    client = patient.client()
    client.create_virtual_router(meshName="apps", virtualRouterName="r", spec=ROUTER)
    for index in range(8):
        client.create_virtual_node(meshName="apps", virtualNodeName=f"n{index}", spec=NODE)

    def make(index):
        spec = route_spec({f"n{index}": 1})
        return lambda api: (
            api.create_route(meshName="apps", virtualRouterName="r", routeName=f"n{index}", spec=spec) and "made"
        )

    def delete(index):
        return lambda api: api.delete_virtual_node(meshName="apps", virtualNodeName=f"n{index}") and "deleted"

    jobs = [job for index in range(8) for job in (make(index), delete(index))]
    random.shuffle(jobs)
    assert set(together(patient, jobs)) <= {"made", "deleted", "NotFoundException", "ResourceInUseException"}
    resources = patient.store.snapshot(KEY).resources
    for path, record in resources.items():
        if "/route/" in path:
            target = record.document["spec"]["http2Route"]["action"]["weightedTargets"][0]["virtualNode"]
            assert f"virtualNode/{target}" in resources


def test_insisting_on_a_version_lets_one_of_many_writers_through(patient):
    client = patient.client()
    client.create_virtual_node(meshName="apps", virtualNodeName="n", spec=NODE)

    def work(api):
        api.meta.events.register_first(
            "before-sign.app-mesh", lambda request, **_: request.headers.add_header("If-Match", "1")
        )
        return api.update_virtual_node(meshName="apps", virtualNodeName="n", spec=NODE)["virtualNode"][
            "virtualNodeName"
        ]

    assert sorted(together(patient, [work] * 8)) == ["ConflictException"] * 7 + ["n"]


def test_a_snapshot_is_of_one_moment_while_others_write(patient):
    client = patient.client()
    client.create_virtual_router(meshName="apps", virtualRouterName="r", spec=ROUTER)
    for index in range(20):
        client.create_virtual_node(meshName="apps", virtualNodeName=f"n{index:02}", spec=NODE)
    target = {"meshName": "apps", "virtualRouterName": "r", "routeName": "x"}
    client.create_route(**target, spec=route_spec({"n00": 1}))
    torn = {"left": 1}
    query = patient.store.client.query

    def interrupted(**arguments):
        answer = query(**arguments)
        if torn["left"]:
            torn["left"] = 0
            client.update_route(**target, spec=route_spec({"n01": 1}))
        return answer

    patient.store.client.query = interrupted
    snapshot = patient.store.snapshot(KEY)
    route = snapshot.resources["virtualRouter/r/route/x"].document["spec"]["http2Route"]
    assert route["action"]["weightedTargets"][0]["virtualNode"] == "n01"
    assert snapshot.changes == patient.store.changes(KEY)


def test_the_change_counter_rises_with_every_write_and_never_repeats(hosted):
    client = hosted.client()
    assert hosted.store.changes(KEY) is None
    assert hosted.store.snapshot(KEY) is None
    seen = []
    for _ in range(2):
        client.create_mesh(meshName="apps")
        seen.append(hosted.store.changes(KEY))
        client.update_mesh(meshName="apps", spec={})
        seen.append(hosted.store.changes(KEY))
        client.delete_mesh(meshName="apps")
    assert seen == sorted(set(seen))


def test_a_mesh_that_is_made_again_is_empty(hosted):
    client = hosted.client()
    for _ in range(2):
        client.create_mesh(meshName="apps")
        assert listed_nodes(client) == []
        client.create_virtual_node(meshName="apps", virtualNodeName="n", spec=NODE)
        client.delete_virtual_node(meshName="apps", virtualNodeName="n")
        client.delete_mesh(meshName="apps")
    left = boto3.client("dynamodb", "us-east-1").scan(TableName=TABLE)["Items"]
    assert not [item for item in left if item["pk"]["S"].startswith(("mesh/", "meshes"))]


def test_history_says_who_did_what_and_what_came_of_it(hosted):
    client = hosted.client(arn=f"arn:aws:sts::{OWNER}:assumed-role/deployer/me")
    client.create_mesh(meshName="apps")
    client.create_virtual_node(meshName="apps", virtualNodeName="n", spec=NODE)
    client.delete_virtual_node(meshName="apps", virtualNodeName="n")
    entries = list(hosted.store.history(KEY))
    assert [entry["operation"]["S"] for entry in entries] == ["CreateMesh", "CreateVirtualNode", "DeleteVirtualNode"]
    assert {entry["caller"]["S"] for entry in entries} == {f"arn:aws:sts::{OWNER}:assumed-role/deployer/me"}
    assert entries[2]["path"]["S"] == "virtualNode/n"
    assert json.loads(entries[2]["document"]["S"])["spec"] == NODE


# How many calls


@pytest.mark.parametrize(
    ("operation", "arguments", "calls"),
    [
        ("describe_mesh", {}, ["batch_get_item"]),
        ("describe_virtual_node", {"virtualNodeName": "n"}, ["batch_get_item"]),
        ("describe_route", {"virtualRouterName": "r", "routeName": "x"}, ["batch_get_item"]),
        ("list_virtual_nodes", {}, ["batch_get_item"]),
        ("list_routes", {"virtualRouterName": "r"}, ["batch_get_item"]),
        ("list_meshes", None, ["query"]),
        ("update_virtual_node", {"virtualNodeName": "n", "spec": NODE}, ["transact_get_items", "transact_write_items"]),
        (
            "update_route",
            {"virtualRouterName": "r", "routeName": "x", "spec": route_spec({"n": 1})},
            ["transact_get_items", "transact_write_items"],
        ),
        (
            "update_virtual_router",
            {"virtualRouterName": "r", "spec": ROUTER},
            ["transact_get_items", "transact_write_items"],
        ),
        ("delete_route", {"virtualRouterName": "r", "routeName": "x"}, ["transact_get_items", "transact_write_items"]),
    ],
)
def test_an_operation_takes_one_call_to_read_and_two_to_write(hosted, operation, arguments, calls):
    client = hosted.client()
    client.create_mesh(meshName="apps")
    client.create_virtual_node(meshName="apps", virtualNodeName="n", spec=NODE)
    client.create_virtual_router(meshName="apps", virtualRouterName="r", spec=ROUTER)
    client.create_route(meshName="apps", virtualRouterName="r", routeName="x", spec=route_spec({"n": 1}))
    hosted.dynamodb.calls.clear()
    getattr(client, operation)(**({} if arguments is None else {"meshName": "apps", **arguments}))
    assert hosted.dynamodb.calls == calls


def test_asking_whether_anything_changed_is_one_small_consistent_read(hosted):
    hosted.client().create_mesh(meshName="apps", tags=[{"key": f"k{index}", "value": "v" * 256} for index in range(50)])
    hosted.dynamodb.calls.clear()
    hosted.store.changes(KEY)
    assert hosted.dynamodb.calls == ["get_item"]
    item = hosted.dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": f"mesh/{OWNER}/apps"}, "sk": {"S": "changes"}})[
        "Item"
    ]
    assert len(json.dumps(item)) < 200


# Size


def test_a_resource_too_large_for_the_table_is_refused_in_time(hosted):
    client = hosted.client()
    client.create_mesh(meshName="apps")
    names = [{"key": f"k{index}", "value": "v" * 100} for index in range(4000)]
    spec = {**NODE, "logging": {"accessLog": {"file": {"path": "/dev/stdout", "format": {"json": names}}}}}
    with pytest.raises(client.exceptions.BadRequestException, match="bytes"):
        client.create_virtual_node(meshName="apps", virtualNodeName="n", spec=spec)


# Weather


class Stormy:
    """A client that fails a number of times before it works."""

    def __init__(self, client, failures):
        self.client, self.failures = client, failures

    def __getattr__(self, name):
        def call(**arguments):
            if self.failures:
                raise self.failures.pop()
            return getattr(self.client, name)(**arguments)

        return call


def client_error(code, *reasons):
    answer = {"Error": {"Code": code, "Message": code}, "CancellationReasons": [{"Code": reason} for reason in reasons]}
    return ClientError(answer, "TransactWriteItems")


WEATHER = [
    client_error("TransactionCanceledException", "None", "TransactionConflict"),
    client_error("TransactionCanceledException", "ThrottlingError"),
    client_error("TransactionCanceledException", "ConditionalCheckFailed", "None"),
    client_error("ProvisionedThroughputExceededException"),
    client_error("ThrottlingException"),
    client_error("TransactionInProgressException"),
    client_error("InternalServerError"),
    EndpointConnectionError(endpoint_url="https://dynamodb"),
]


@pytest.mark.parametrize("error", WEATHER, ids=lambda error: str(error)[-60:])
def test_weather_passes_unnoticed(hosted, error):
    hosted.store._client = Stormy(hosted.dynamodb, [error] * 3)
    assert hosted.client().create_mesh(meshName="apps")
    hosted.store._client.failures = [error] * 3
    assert hosted.client().describe_mesh(meshName="apps")


@pytest.mark.parametrize(
    ("error", "code"),
    [(error, "TooManyRequestsException") for error in WEATHER[:6]]
    + [(error, "ServiceUnavailableException") for error in WEATHER[6:]],
    ids=lambda value: str(value)[-60:],
)
def test_lasting_weather_is_the_clients_to_wait_for(hosted, error, code):
    hosted.store.patience = 0
    hosted.store._client = Stormy(hosted.dynamodb, [error] * 10)
    assert refusal(hosted.client().create_mesh, meshName="apps") == code


def test_a_fault_of_ours_is_logged_and_is_a_500(hosted):
    hosted.store.table = "no-such-table"
    answer = hosted.request("GET", "/v20190125/meshes")
    assert (answer["statusCode"], answer["headers"]["x-amzn-errortype"]) == (500, "InternalServerErrorException")


# Mesh cards


def test_a_mesh_has_a_card_for_as_long_as_it_exists(hosted):
    ssm = boto3.client("ssm", "us-east-1")
    client = hosted.client()
    client.create_mesh(meshName="apps")
    card = json.loads(ssm.get_parameter(Name="/meshift/meshes/apps")["Parameter"]["Value"])
    assert card == {
        "mesh": "apps",
        "owner": OWNER,
        "region": "us-east-1",
        "api": {"endpoint": "https://meshurl.lambda-url.us-east-1.on.aws/", "signingName": "lambda"},
        "discovery": {"endpoint": "https://discover.example/", "signingName": "lambda"},
    }
    tiers = [parameter["Tier"] for parameter in ssm.describe_parameters()["Parameters"]]
    assert tiers == ["Advanced"]
    client.delete_mesh(meshName="apps")
    assert ssm.describe_parameters()["Parameters"] == []


def test_only_the_hosting_accounts_meshes_have_cards(hosted):
    hosted.client(CONSUMER).create_mesh(meshName="apps")
    assert boto3.client("ssm", "us-east-1").describe_parameters()["Parameters"] == []
