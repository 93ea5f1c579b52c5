"""Whatever a client sends: a 4xx that says what is wrong, never a 500, and nothing done without an identity."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from tests.app_mesh_fuzz import requests
from tests.app_mesh_sweep import ROUTER, node_spec, route_spec
from tests.hosted_mesh import OWNER, event, hosted_mesh, iam_of

MESHES = "/v20190125/meshes"
NODES = f"{MESHES}/apps/virtualNodes"
EXPECTED = {200, 400, 403, 404, 409, 413}


@pytest.fixture(scope="module")
def apps():
    """A mesh with a node, a router and a route in it, to be knocked about."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with hosted_mesh() as hosted:
            client = hosted.client()
            client.create_mesh(meshName="apps")
            client.create_virtual_node(meshName="apps", virtualNodeName="serviceB", spec=node_spec("b"))
            client.create_virtual_router(meshName="apps", virtualRouterName="r", spec=ROUTER)
            route = {"meshName": "apps", "virtualRouterName": "r", "routeName": "x"}
            client.create_route(**route, spec=route_spec({"serviceB": 1}))
            yield hosted


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(request=requests())
def test_no_request_made_up_from_the_model_is_answered_with_a_500(apps, request):
    answer = apps.request(request["method"], request["path"], request["body"], query=request["query"])
    assert answer["statusCode"] in EXPECTED, answer
    body = json.loads(answer["body"])
    if answer["statusCode"] != 200:
        assert body["message"]
        assert answer["headers"]["x-amzn-errortype"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/", None, 404, "no operation"),
        ("GET", "/v20181001/meshes", None, 404, "no operation"),
        ("POST", MESHES, "{}", 404, "no operation"),
        ("GET", f"{MESHES}/", None, 404, "no operation"),
        ("GET", f"{MESHES}/a%2Fb", None, 400, "meshName is 'a/b'"),
        ("GET", f"{MESHES}/..", None, 400, "meshName is '..'"),
        ("GET", f"{MESHES}/apps%00", None, 400, "meshName is"),
        ("PUT", MESHES, "{", 400, "the body is not JSON"),
        ("PUT", MESHES, "[]", 400, "the body must be a JSON object"),
        ("PUT", MESHES, '{"meshName": "a", "limit": NaN}', 400, "the body is not JSON"),
        ("PUT", MESHES, "[" * 200_000, 400, "the body is not JSON"),
        ("PUT", MESHES, b"\xff\xfe", 400, "the body is not JSON"),
        ("PUT", MESHES, "{}", 400, "meshName is required"),
        ("PUT", MESHES, '{"meshName": 7}', 400, "meshName must be a string, not a number"),
        ("PUT", MESHES, '{"meshName": "a b"}', 400, "meshName is 'a b'"),
        ("PUT", MESHES, '{"meshName": "a", "colour": "red"}', 400, "'colour' is not known"),
        ("PUT", MESHES, '{"meshName": "a", "clientToken": "?"}', 400, "clientToken must be"),
        ("PUT", MESHES, '{"meshName": "a", "spec": {"egressFilter": {"type": "SOME"}}}', 400, "spec.egressFilter.type"),
        ("PUT", MESHES, '{"meshName": "a", "tags": [{"key": "\\ud800", "value": ""}]}', 400, "tags[0].key"),
        ("PUT", NODES, '{"virtualNodeName": "a"}', 400, "spec is required"),
        ("PUT", NODES, '{"virtualNodeName": "a", "spec": {}, "meshName": "b"}', 400, "meshName belongs into the URL"),
        ("PUT", MESHES, json.dumps({"meshName": "a", "x": "y" * 1_000_001}), 413, "allowed are 1000000"),
        ("PUT", "/meshift/v1/meshes/apps/policy", "{}", 400, "policy"),
        ("DELETE", "/meshift/v1/meshes/apps/policy", None, 404, "no operation"),
    ],
)
def test_a_refusal_says_what_is_wrong(apps, method, path, body, status, says):
    answer = apps.request(method, path, body)
    assert answer["statusCode"] == status
    assert says in json.loads(answer["body"])["message"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=ten", "limit=1&limit=2", "nextToken=x", "nextToken=", "colour=red", "%ff=%ff"],
)
def test_a_query_that_makes_no_sense_is_refused(apps, query):
    assert apps.request("GET", NODES, query=query)["statusCode"] == 400


@pytest.mark.parametrize("owner", ["12345678901", "1234567890123", "abcdefghijkl", "१२३४५६७८९०१२"])
def test_a_mesh_owner_is_an_account(apps, owner):
    answer = apps.request("GET", NODES, query=f"meshOwner={owner}")
    assert answer["statusCode"] == 400
    assert "meshOwner" in json.loads(answer["body"])["message"]


@pytest.mark.parametrize("version", ["x", '"1', "W/1", "-1", "1.0", ""])
def test_an_if_match_that_is_no_version_is_refused(apps, version):
    answer = apps.request("DELETE", f"{NODES}/serviceB", **{"If-Match": version})
    assert answer["statusCode"] == 400


def test_a_presigned_request_is_read_like_any_other(apps):
    assert apps.request("GET", NODES, query="X-Amz-Signature=0&limit=1")["statusCode"] == 200


def test_names_may_arrive_encoded_or_decoded(apps):
    apps.client().create_virtual_service(meshName="apps", virtualServiceName="serviceb.apps.local", spec={})
    for name in ("serviceb.apps.local", "serviceb%2eapps%2Elocal"):
        answer = apps.request("GET", f"{MESHES}/apps/virtualServices/{name}")
        assert json.loads(answer["body"])["virtualServiceName"] == "serviceb.apps.local"


@pytest.mark.parametrize("iam", [None, {}, {"accountId": OWNER}, {"userArn": "x", "accountId": ""}])
def test_without_an_identity_nothing_is_answered(apps, iam):
    answer = apps.answer(event("GET", MESHES, "", None, iam, {"x-amz-caller": OWNER}))
    assert (answer["statusCode"], answer["headers"]["x-amzn-errortype"]) == (403, "ForbiddenException")


def test_what_a_request_says_about_its_caller_counts_for_nothing(apps):
    claims = {"authorization": f"AWS4-HMAC-SHA256 Credential={OWNER}/20261001/us-east-1/lambda/aws4_request"}
    answer = apps.answer(event("GET", f"{MESHES}/apps", f"meshOwner={OWNER}", None, iam_of("333333333333"), claims))
    assert answer["statusCode"] == 403
