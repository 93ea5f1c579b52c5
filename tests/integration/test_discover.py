"""`discover` over moto's DynamoDB: who is answered what, what a poll costs, what is held back, what stays served."""

import base64
import gzip
import json
import zlib

import pytest
from botocore.exceptions import ClientError

from handlers import discover
from tests.app_mesh_sweep import BACKEND
from tests.hosted_mesh import CONSUMER, OWNER, STRANGER
from tests.polls import ROUTE, request_body, spec, weights


def message(answer):
    return json.loads(answer["body"])["message"]


# Answers


@pytest.mark.parametrize(("kind", "names"), [("clusters", ()), ("listeners", ()), ("routes", ("egress",))])
def test_an_answer_carries_its_type_and_resources_and_is_not_repeated_to_who_has_it(discovery, kind, names):
    answer = discovery.poll(kind, names=names)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/json")
    assert {each["@type"] for each in body["resources"]} == {body["type_url"]}
    again = discovery.poll(kind, body["version_info"], names)
    assert again == {"statusCode": 304}


def test_the_version_is_the_content(discovery, tutorial):
    before = json.loads(discovery.poll("clusters")["body"])["version_info"]
    tutorial.create_virtual_node(meshName="apps", virtualNodeName="other", spec=spec("other"))
    discovery.restart()
    assert discovery.poll("clusters", before)["statusCode"] == 304
    tutorial.update_virtual_node(meshName="apps", virtualNodeName="serviceB", spec=spec("elsewhere"))
    assert discovery.poll("clusters", before)["statusCode"] == 200


def test_a_change_of_weights_changes_routes_and_nothing_else(discovery, tutorial):
    versions = {kind: json.loads(discovery.poll(kind)["body"])["version_info"] for kind in ("clusters", "listeners")}
    assert discovery.weights() == {"serviceB": 75, "serviceBv2": 25}
    tutorial.update_route(**ROUTE, spec=weights(serviceB=50, serviceBv2=50))
    discovery.later = 0
    assert discovery.weights() == {"serviceB": 50, "serviceBv2": 50}
    for kind, version in versions.items():
        assert discovery.poll(kind, version) == {"statusCode": 304}


def test_an_unchanged_poll_is_one_small_read(discovery, hosted):
    discovery.resources("clusters")
    discovery.resources("routes", ("egress",))
    hosted.dynamodb.calls.clear()
    for kind, names in (("clusters", ()), ("listeners", ()), ("routes", ("egress",))):
        discovery.poll(kind, names=names)
    assert hosted.dynamodb.calls == ["get_item"] * 3


def test_a_change_is_read_once_for_all_envoys(discovery, tutorial, hosted):
    discovery.resources("clusters")
    tutorial.update_route(**ROUTE, spec=weights(serviceB=50, serviceBv2=50))
    hosted.dynamodb.calls.clear()
    discovery.resources("clusters")
    first = len(hosted.dynamodb.calls)
    for name in ("serviceA", "serviceB", "serviceBv2", "serviceC"):
        discovery.resources("listeners", resource=f"virtualNode/{name}")
    assert first == 3, "the counter, what was written since, what was written lately"
    assert hosted.dynamodb.calls[first:] == ["get_item"] * 4


# Refusals


def test_an_unknown_node_has_to_wait_and_is_told_why(discovery, tutorial):
    answer = discovery.poll("listeners", resource="virtualNode/new")
    assert answer["statusCode"] == 503
    assert "has no virtualNode/new" in message(answer)
    tutorial.create_virtual_node(meshName="apps", virtualNodeName="new", spec=spec("new"))
    assert discovery.names("listeners", resource="virtualNode/new")


@pytest.mark.parametrize(
    ("account", "told", "status"),
    [
        (OWNER, {"mesh": "none"}, 503),
        (STRANGER, {"mesh": "none"}, 403),
        (STRANGER, {}, 403),
        (STRANGER, {"resource": "virtualNode/none"}, 403),
        (CONSUMER, {}, 403),
        (CONSUMER, {"resource": "virtualNode/none"}, 403),
        (OWNER, {"meshOwner": CONSUMER}, 403),
        (None, {}, 403),
    ],
)
def test_only_the_account_that_owns_a_node_gets_its_configuration(discovery, account, told, status):
    assert discovery.poll("clusters", account=account, **told)["statusCode"] == status


def test_a_consumer_gets_the_configuration_of_its_own_node_while_the_mesh_is_shared(discovery, hosted):
    principals = "/meshift/v1/meshes/apps/principals"
    assert hosted.request("PUT", principals, json.dumps({"accounts": [CONSUMER]}))["statusCode"] == 200
    theirs = {"meshName": "apps", "meshOwner": OWNER, "virtualNodeName": "theirs"}
    hosted.client(CONSUMER).create_virtual_node(**theirs, spec=spec("theirs", BACKEND))
    node = {"resource": "virtualNode/theirs"}
    assert discovery.poll("clusters", account=CONSUMER, **node)["statusCode"] == 200
    assert discovery.poll("clusters", account=OWNER, **node)["statusCode"] == 403
    assert discovery.poll("clusters", account=CONSUMER)["statusCode"] == 403
    assert discovery.poll("clusters", account=CONSUMER, resource="virtualNode/none")["statusCode"] == 503
    hosted.request("PUT", principals, json.dumps({"accounts": []}))
    assert discovery.poll("clusters", account=CONSUMER, **node)["statusCode"] == 403


def test_a_mesh_policy_says_which_role_gets_it(discovery, hosted):
    arn = f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps/virtualNode/serviceA"
    stream = {"Action": "appmesh:StreamAggregatedResources", "Resource": arn}
    role = f"arn:aws:iam::{OWNER}:role/service-a"
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": role}, **stream},
        {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "meshift:*", "Resource": "*"},
    ]}  # fmt: skip
    assert hosted.request("PUT", "/meshift/v1/meshes/apps/policy", json.dumps({"policy": policy}))["statusCode"] == 200
    session = f"arn:aws:sts::{OWNER}:assumed-role/%s/0123456789abcdef"
    assert discovery.poll("clusters", arn=session % "service-a")["statusCode"] == 200
    assert discovery.poll("clusters", arn=session % "service-b")["statusCode"] == 403
    assert discovery.poll("clusters", arn=session % "service-a", resource="virtualNode/serviceB")["statusCode"] == 403


def without(name):
    body = request_body("clusters")
    del body["node"]["metadata"][name]
    return body


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "not JSON"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "not JSON"),
        ("{}", "node.metadata is missing"),
        ({"node": {"metadata": []}}, "node.metadata is missing"),
        (without("mesh"), "node.metadata.mesh is"),
        (without("pollSeconds"), "node.metadata.pollSeconds is"),
        (request_body("clusters", resource="route/x"), "must be virtualNode/NAME or virtualGateway/NAME"),
        (request_body("clusters", resource="virtualNode/../x"), "must be virtualNode/NAME or virtualGateway/NAME"),
        (request_body("clusters", mesh="apps/virtualNode"), "node.metadata.mesh is"),
        (request_body("clusters", interception="none"), "must be one of transparent, proxy"),
        (request_body("clusters", pollSeconds=0), "a number from 1 to 300"),
        (request_body("clusters", pollSeconds=float("nan")), "a number from 1 to 300"),
        (request_body("clusters", inboundPort=70000), "a number from 1 to 65535"),
        ({**request_body("clusters"), "resource_names": "egress"}, "must be a list of names"),
    ],
)
def test_what_is_no_poll_is_a_bad_request_that_names_the_field(discovery, body, says):
    answer = discovery.send("/v3/discovery:clusters", body)
    assert answer["statusCode"] == 400
    assert says in message(answer)


@pytest.mark.parametrize(
    "extensions",
    [[], [{"name": "}]"}], [{"name": "a", "more": [{"b": 1}]}, {"name": "c"}], [{"name": 'x","extensions":[{"y'}]],
)
def test_whatever_envoy_says_of_its_extensions_the_rest_is_understood(discovery, extensions):
    body = request_body("clusters")
    body["node"]["extensions"] = extensions
    text = json.dumps(body, separators=(",", ":"))
    assert discovery.send("/v3/discovery:clusters", text)["statusCode"] == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/v3/discovery:clusters"), ("POST", "/v3/discovery:secrets")])
def test_what_is_not_discovery_is_not_found(discovery, method, path):
    assert discovery.send(path, request_body("clusters"), method=method)["statusCode"] == 404


def test_compressed_polls_are_read(discovery):
    plain = json.dumps(request_body("clusters")).encode()
    packed = gzip.compress(plain)
    assert len(packed) < len(plain) / 5
    answer = discovery.send("/v3/discovery:clusters", packed, content_encoding="gzip")
    assert answer["body"] == discovery.poll("clusters")["body"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(b" " * 500_000_000, 9), 413),
        (gzip.compress(json.dumps(request_body("clusters")).encode())[:-50], 400),
        (zlib.compress(b"{}"), 400),
        (b"{}", 400),
    ],
    ids=["a bomb", "cut off", "zlib", "plain"],
)
def test_what_claims_to_be_gzip_is_unpacked_within_limits(discovery, body, status):
    assert discovery.send("/v3/discovery:clusters", body, content_encoding="gzip")["statusCode"] == status


def test_other_encodings_are_a_bad_request(discovery):
    assert discovery.send("/v3/discovery:clusters", b"{}", content_encoding="br")["statusCode"] == 400


def test_a_table_out_of_reach_is_a_503_and_envoys_keep_what_they_have(discovery, hosted):
    class Down:
        def get_item(self, **_):
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, "GetItem")

    hosted.store._client, hosted.store.patience = Down(), 0
    assert discovery.poll("clusters")["statusCode"] == 503


def test_what_is_refused_is_logged_without_what_envoy_says_about_itself(discovery, caplog):
    discovery.poll("clusters", account=STRANGER)
    said = vars(caplog.records[-1])
    assert (said["mesh"], said["path"], said["code"]) == ("apps", "virtualNode/serviceA", "ForbiddenException")
    assert "0123456789abcdef" in said["envoy"]
    assert "envoy.filters" not in str(said)


def test_the_handler_answers_an_event(discovery, hosted, monkeypatch, context):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("MESH_TABLE", hosted.store.table)
    discover.wiring.cache_clear()
    discover.wiring()[1]._client = hosted.dynamodb
    body = base64.b64encode(json.dumps(request_body("clusters")).encode()).decode()
    asked = {
        "rawPath": "/v3/discovery:clusters",
        "headers": {},
        "body": body,
        "isBase64Encoded": True,
        "requestContext": {
            "http": {"method": "POST"},
            "authorizer": {"iam": {"accountId": OWNER, "userArn": f"arn:aws:iam::{OWNER}:root"}},
        },
    }
    assert discover.handler(asked, context)["statusCode"] == 200
    discover.wiring.cache_clear()
