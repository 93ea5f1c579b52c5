"""Every operation of App Mesh's API through boto3, answered by the handler over moto's DynamoDB."""

import json

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.validate import ParamValidator

from tests.app_mesh_sweep import BACKEND, HTTP2, ROUTER, listed, node_spec, refusal, route_spec, sweep
from tests.hosted_mesh import CONSUMER, OWNER

NODE = node_spec("serviceb.apps.local")
SERVICE = {"provider": {"virtualNode": {"virtualNodeName": "serviceB"}}}


@pytest.fixture
def apps(hosted):
    """A mesh `apps` with the nodes serviceB and serviceBv2, the router `serviceb`, and a route between them."""
    client = hosted.client()
    client.create_mesh(meshName="apps")
    for node in ("serviceB", "serviceBv2"):
        client.create_virtual_node(meshName="apps", virtualNodeName=node, spec=NODE)
    client.create_virtual_router(meshName="apps", virtualRouterName="serviceb", spec=ROUTER)
    client.create_route(**ROUTE, spec=route_spec({"serviceB": 100, "serviceBv2": 0}))
    return client


ROUTE = {"meshName": "apps", "virtualRouterName": "serviceb", "routeName": "serviceb"}


def test_every_operation_of_the_model_works_through_boto3(hosted):
    client = hosted.client()
    assert sweep(client) == set(client.meta.service_model.operation_names)


def test_every_answer_fits_botocores_output_shapes(hosted):
    client = hosted.client()
    wrong = []

    def check(parsed, model, **_):
        if parsed["ResponseMetadata"]["HTTPStatusCode"] == 200:
            answer = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
            report = ParamValidator().validate(answer, model.output_shape)
            if report.has_errors():
                wrong.append((model.name, report.generate_report()))

    client.meta.events.register("after-call.app-mesh", check)
    sweep(client)
    assert wrong == []


def test_a_body_holds_nothing_that_the_output_shape_does_not_know(hosted, apps):
    shapes = Loader().load_service_model("appmesh", "service-2", "2019-01-25")["shapes"]
    node = json.loads(hosted.request("GET", "/v20190125/meshes/apps/virtualNodes/serviceB")["body"])
    refs = json.loads(hosted.request("GET", "/v20190125/meshes/apps/virtualRouter/serviceb/routes")["body"])
    assert set(node) == set(shapes["VirtualNodeData"]["members"])
    assert set(refs) == {"routes"}
    assert set(refs["routes"][0]) == set(shapes["RouteRef"]["members"])


def test_every_error_of_the_model_reaches_boto3_as_its_own_exception(apps):
    with pytest.raises(apps.exceptions.NotFoundException, match="VirtualNode with name nobody does not exist"):
        apps.describe_virtual_node(meshName="apps", virtualNodeName="nobody")
    with pytest.raises(apps.exceptions.ConflictException):
        apps.create_mesh(meshName="apps")
    with pytest.raises(apps.exceptions.ResourceInUseException):
        apps.delete_mesh(meshName="apps")
    with pytest.raises(apps.exceptions.BadRequestException):
        apps.update_route(**ROUTE, spec={})


def test_what_was_sent_comes_back_to_the_letter(apps):
    spec = route_spec({"serviceB": 75, "serviceBv2": 25})
    apps.update_route(**ROUTE, spec=spec)
    assert apps.describe_route(**ROUTE)["route"]["spec"] == spec


def test_metadata_says_whose_and_when_and_which_version(apps):
    first = apps.describe_route(**ROUTE)["route"]["metadata"]
    second = apps.update_route(**ROUTE, spec=route_spec({"serviceB": 1}))["route"]["metadata"]
    assert first["arn"] == f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps/virtualRouter/serviceb/route/serviceb"
    assert (first["meshOwner"], first["resourceOwner"], first["version"]) == (OWNER, OWNER, 1)
    assert (second["uid"], second["createdAt"], second["version"]) == (first["uid"], first["createdAt"], 2)
    assert second["lastUpdatedAt"] >= first["lastUpdatedAt"]


# What a spec names


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_route", {"virtualRouterName": "serviceb", "routeName": "x", "spec": route_spec({"nobody": 1})}),
        ("create_route", {"virtualRouterName": "nobody", "routeName": "x", "spec": route_spec({"serviceB": 1})}),
        ("update_route", {**ROUTE, "spec": route_spec({"serviceB": 1, "nobody": 1})}),
        (
            "create_virtual_service",
            {"virtualServiceName": "s", "spec": {"provider": {"virtualRouter": {"virtualRouterName": "nobody"}}}},
        ),
        ("create_virtual_node", {"meshName": "nomesh", "virtualNodeName": "x", "spec": NODE}),
        ("list_routes", {"virtualRouterName": "nobody"}),
        ("list_virtual_nodes", {"meshName": "nomesh"}),
    ],
)
def test_what_a_request_names_must_exist(apps, operation, arguments):
    assert refusal(getattr(apps, operation), **{"meshName": "apps", **arguments}) == "NotFoundException"


def test_a_backend_may_be_named_before_it_exists(apps):
    apps.create_virtual_node(meshName="apps", virtualNodeName="serviceA", spec=node_spec("a", BACKEND))


def test_nothing_is_deleted_that_something_refers_to_or_that_holds_something(apps):
    apps.create_virtual_service(meshName="apps", virtualServiceName="b", spec=SERVICE)
    node, router = {"virtualNodeName": "serviceB"}, {"virtualRouterName": "serviceb"}
    assert refusal(apps.delete_virtual_node, meshName="apps", **node) == "ResourceInUseException"
    assert refusal(apps.delete_virtual_router, meshName="apps", **router) == "ResourceInUseException"
    apps.update_route(**ROUTE, spec=route_spec({"serviceBv2": 1}))
    assert refusal(apps.delete_virtual_node, meshName="apps", **node) == "ResourceInUseException"
    apps.delete_virtual_service(meshName="apps", virtualServiceName="b")
    apps.delete_virtual_node(meshName="apps", **node)
    apps.delete_route(**ROUTE)
    apps.delete_virtual_router(meshName="apps", **router)


def test_a_node_or_router_cannot_leave_its_routes_behind_by_changing_its_listeners(apps):
    two = [HTTP2, {"portMapping": {"port": 8080, "protocol": "http2"}}]
    with pytest.raises(apps.exceptions.BadRequestException, match="port match criteria"):
        apps.update_virtual_router(meshName="apps", virtualRouterName="serviceb", spec={"listeners": two})
    with pytest.raises(apps.exceptions.BadRequestException, match="is required"):
        apps.update_virtual_node(meshName="apps", virtualNodeName="serviceB", spec={**NODE, "listeners": two})
    tcp = {"listeners": [{"portMapping": {"port": 80, "protocol": "tcp"}}]}
    with pytest.raises(apps.exceptions.BadRequestException, match="protocol"):
        apps.update_virtual_router(meshName="apps", virtualRouterName="serviceb", spec=tcp)


def test_ports_move_by_way_of_two_listeners(apps):
    two = [HTTP2, {"portMapping": {"port": 8080, "protocol": "http2"}}]

    def targets(port):
        spec = route_spec({"serviceB": 100})
        spec["http2Route"]["action"]["weightedTargets"][0]["port"] = port
        return spec

    node = {"meshName": "apps", "virtualNodeName": "serviceB"}
    apps.update_route(**ROUTE, spec=targets(80))
    apps.update_virtual_node(**node, spec={**NODE, "listeners": two})
    apps.update_route(**ROUTE, spec=targets(8080))
    apps.update_virtual_node(**node, spec={**NODE, "listeners": two[1:]})
    with pytest.raises(apps.exceptions.BadRequestException, match="listens on 8080"):
        apps.update_route(**ROUTE, spec=targets(80))


# Quotas


def test_a_router_holds_fifty_routes(apps):
    for index in range(49):
        apps.create_route(**{**ROUTE, "routeName": f"r{index}"}, spec=route_spec({"serviceB": 1}))
    one_more = {**ROUTE, "routeName": "r50", "spec": route_spec({"serviceB": 1})}
    with pytest.raises(apps.exceptions.LimitExceededException, match="quota is 50"):
        apps.create_route(**one_more)
    apps.delete_route(**ROUTE)
    apps.create_route(**one_more)


def test_an_account_owns_fifteen_meshes(hosted):
    client = hosted.client()
    for index in range(15):
        client.create_mesh(meshName=f"m{index}")
    assert refusal(client.create_mesh, meshName="m15") == "LimitExceededException"
    hosted.client(CONSUMER).create_mesh(meshName="m15")
    client.delete_mesh(meshName="m3")
    client.create_mesh(meshName="m15")


# Lists


def test_a_list_loses_nothing_when_names_are_inserted_between_its_pages(apps):
    for name in ("b", "d", "f", "h"):
        apps.create_virtual_node(meshName="apps", virtualNodeName=name, spec={})
    first = apps.list_virtual_nodes(meshName="apps", limit=2)
    assert [ref["virtualNodeName"] for ref in first["virtualNodes"]] == ["b", "d"]
    for name in ("a", "c", "e", "g"):
        apps.create_virtual_node(meshName="apps", virtualNodeName=name, spec={})
    apps.delete_virtual_node(meshName="apps", virtualNodeName="d")
    rest = apps.list_virtual_nodes(meshName="apps", limit=10, nextToken=first["nextToken"])
    assert [ref["virtualNodeName"] for ref in rest["virtualNodes"]] == ["e", "f", "g", "h", "serviceB", "serviceBv2"]
    assert "nextToken" not in rest


def test_a_token_of_one_list_is_refused_by_another(apps):
    token = apps.list_virtual_nodes(meshName="apps", limit=1)["nextToken"]
    for operation, arguments in (
        (apps.list_virtual_routers, {"meshName": "apps"}),
        (apps.list_routes, {"meshName": "apps", "virtualRouterName": "serviceb"}),
        (apps.list_meshes, {}),
    ):
        assert refusal(operation, nextToken=token, **arguments) == "BadRequestException"


# Repeated requests


def test_a_repeated_request_gets_the_same_answer_and_happens_once(apps):
    request = {**ROUTE, "spec": route_spec({"serviceB": 7}), "clientToken": "again"}
    first, second = (apps.update_route(**request)["route"] for _ in range(2))
    assert first == second
    assert apps.describe_route(**ROUTE)["route"]["metadata"]["version"] == 2


def test_a_repeated_creation_is_no_conflict(hosted):
    client = hosted.client()
    made = [client.create_mesh(meshName="apps", clientToken="t")["mesh"] for _ in range(2)]
    assert made[0] == made[1]


def test_a_client_token_serves_one_request_only(apps):
    apps.update_route(**ROUTE, spec=route_spec({"serviceB": 7}), clientToken="t")
    other = {**ROUTE, "spec": route_spec({"serviceB": 8}), "clientToken": "t"}
    assert refusal(apps.update_route, **other) == "ConflictException"


def test_accounts_do_not_share_client_tokens(hosted):
    for account in (OWNER, CONSUMER):
        made = hosted.client(account).create_mesh(meshName="apps", clientToken="t")["mesh"]
        assert made["metadata"]["meshOwner"] == account


# Tags


def test_tags_are_set_on_creation_and_changed_later(apps):
    made = apps.create_virtual_node(
        meshName="apps", virtualNodeName="t", spec={}, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": ""}]
    )
    arn = made["virtualNode"]["metadata"]["arn"]
    apps.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "2"}])
    apps.untag_resource(resourceArn=arn, tagKeys=["b", "unknown"])
    assert apps.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "2"}]
    assert apps.describe_virtual_node(meshName="apps", virtualNodeName="t")["virtualNode"]["metadata"]["version"] == 1


def test_there_is_room_for_fifty_tags(apps):
    arn = apps.describe_mesh(meshName="apps")["mesh"]["metadata"]["arn"]
    apps.tag_resource(resourceArn=arn, tags=[{"key": f"k{index:02}", "value": ""} for index in range(50)])
    assert refusal(apps.tag_resource, resourceArn=arn, tags=[{"key": "more", "value": ""}]) == "TooManyTagsException"
    assert len(listed(apps, "list_tags_for_resource", "tags", resourceArn=arn)) == 50


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("nonsense", "BadRequestException"),
        (f"arn:aws:appmesh:eu-west-1:{OWNER}:mesh/apps", "BadRequestException"),
        (f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps/virtualNode", "BadRequestException"),
        (f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/apps/virtualNode/nobody", "NotFoundException"),
        (f"arn:aws:appmesh:us-east-1:{OWNER}:mesh/nomesh", "NotFoundException"),
        (f"arn:aws:appmesh:us-east-1:{CONSUMER}:mesh/apps", "ForbiddenException"),
    ],
)
def test_tags_need_the_arn_of_something(apps, arn, code):
    assert refusal(apps.list_tags_for_resource, resourceArn=arn) == code


def test_reserved_tags_are_refused(apps):
    with pytest.raises(ClientError, match=r"tags\[0\].key begins with aws:"):
        apps.create_mesh(meshName="x", tags=[{"key": "aws:owner", "value": ""}])


# If-Match


def with_version(client, version):
    client.meta.events.register_first(
        "before-sign.app-mesh", lambda request, **_: request.headers.add_header("If-Match", f'"{version}"')
    )
    return client


def test_an_update_that_insists_on_a_version_fails_when_it_moved_on(hosted, apps):
    apps.update_route(**ROUTE, spec=route_spec({"serviceB": 1}))
    late = with_version(hosted.client(), 1)
    assert refusal(late.update_route, **ROUTE, spec=route_spec({"serviceB": 2})) == "ConflictException"
    assert refusal(late.delete_route, **ROUTE) == "ConflictException"
    timely = with_version(hosted.client(), 2)
    answer = timely.update_route(**ROUTE, spec=route_spec({"serviceB": 3}))
    assert answer["ResponseMetadata"]["HTTPHeaders"]["etag"] == '"3"'
