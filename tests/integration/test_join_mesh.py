"""join_mesh on the hosted mesh (moto knows no virtual services).

What is missing is made, what is there is left alone, what cannot fit is refused.
"""

import json

import pytest

from gateways.mesh import _client
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.join_mesh import handler
from tests.hosted_mesh import URL
from tests.integration.conftest import make_by_hand, make_service
from tests.shapes import TAGS

NAME = "serviceb.apps.local"
ACCOUNT = "123456789012"


@pytest.fixture
def apps(aws, hosted, monkeypatch):
    """An empty mesh, hosted by the service's own account, and a policy."""
    policy = {"steps": [{"weight": 25}]}
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(policy), Type="String", Overwrite=True)
    monkeypatch.setenv("MESH_ENDPOINT", URL)
    monkeypatch.setenv("MESH_SIGNING_NAME", "lambda")
    hosted.account = ACCOUNT
    api = hosted.answer_for(_client(URL, "lambda"), ACCOUNT)
    api.create_mesh(meshName="apps")
    return api


@pytest.fixture
def mesh(apps):
    """What an operator made by hand: the tutorial's nodes, router, route with retries and virtual service."""
    make_by_hand(apps)
    provider = {"virtualRouter": {"virtualRouterName": NAME}}
    apps.create_virtual_service(meshName="apps", virtualServiceName=NAME, spec={"provider": provider})
    return apps


def join(service, context):
    return handler(service.document(), context)


def route(api, name=NAME):
    return api.describe_route(meshName="apps", virtualRouterName=NAME, routeName=name)["route"]["spec"]


def everything(api):
    """All that the mesh holds, as JSON."""
    found = []
    for lister, key, describer, argument in (
        ("list_virtual_nodes", "virtualNodes", "describe_virtual_node", "virtualNodeName"),
        ("list_virtual_routers", "virtualRouters", "describe_virtual_router", "virtualRouterName"),
    ):
        for each in getattr(api, lister)(meshName="apps")[key]:
            answer = getattr(api, describer)(meshName="apps", **{argument: each[argument]})
            found.append(answer[key[:-1]]["spec"])
    return json.dumps(found, sort_keys=True)


def test_the_first_service_brings_node_router_route_and_virtual_service_and_gets_all_the_weight(aws, apps, context):
    tags = {**TAGS, "meshift:backends": "a.apps.local c.apps.local", "meshift:protocol": "http2"}
    answer = join(make_service(aws, tags), context)
    assert (answer["outcome"], answer["subject"]["virtualRouter"]) == ("Joined", NAME)
    node = apps.describe_virtual_node(meshName="apps", virtualNodeName="serviceBv2")["virtualNode"]["spec"]
    assert node["listeners"] == [{"portMapping": {"port": 80, "protocol": "http2"}}]
    assert node["serviceDiscovery"] == {"dns": {"hostname": NAME}}
    names = [each["virtualService"]["virtualServiceName"] for each in node["backends"]]
    assert names == ["a.apps.local", "c.apps.local"]
    assert route(apps) == {
        "http2Route": {
            "match": {"prefix": "/"},
            "action": {"weightedTargets": [{"virtualNode": "serviceBv2", "weight": 100}]},
        }
    }


def test_backends_that_no_tag_could_hold_are_read_from_a_parameter(aws, apps, context):
    names = [f"a-virtual-service-with-a-long-name-{number}.apps.local" for number in range(20)]
    service = make_service(aws, {**TAGS, "meshift:backends": "@/meshift/backends/b"})
    answer = join(service, context)
    assert answer["outcome"] == "Refused"
    assert "tag meshift:backends: '@/meshift/backends/b' is not the name of an SSM parameter" in answer["reason"]
    assert apps.list_virtual_nodes(meshName="apps")["virtualNodes"] == []
    aws("ssm").put_parameter(Name="/meshift/backends/b", Value="\n".join(names), Type="String")
    assert join(service, context)["outcome"] == "Joined"
    node = apps.describe_virtual_node(meshName="apps", virtualNodeName="serviceBv2")["virtualNode"]["spec"]
    assert [each["virtualService"]["virtualServiceName"] for each in node["backends"]] == names


def test_a_later_service_joins_at_0_with_its_siblings_port_and_the_route_keeps_everything_else(aws, mesh, context):
    before = route(mesh)
    service = make_service(aws, {**TAGS, "meshift:virtual-node": "serviceBv3"})
    assert join(service, context)["outcome"] == "Joined"
    after = route(mesh)
    added = after["http2Route"]["action"]["weightedTargets"].pop()
    assert added == {"virtualNode": "serviceBv3", "weight": 0, "port": 80}
    assert after == before


def test_joining_twice_is_joining_once(aws, apps, context):
    service = make_service(aws)
    join(service, context)
    once, items = everything(apps), aws("dynamodb").scan(TableName="rollouts")["Count"]
    assert join(service, context)["outcome"] == "Joined"
    assert (everything(apps), aws("dynamodb").scan(TableName="rollouts")["Count"]) == (once, items)


def test_what_is_there_is_left_alone_whatever_the_tags_say(aws, mesh, context):
    before = everything(mesh)
    tags = {**TAGS, "meshift:protocol": "grpc", "meshift:backends": "x.local", "meshift:hostname": "other.local"}
    assert join(make_service(aws, tags), context)["outcome"] == "Joined"
    assert everything(mesh) == before


def test_the_virtual_services_router_is_found_whatever_its_name(aws, mesh, context):
    listeners = [{"portMapping": {"port": 80, "protocol": "http2"}}]
    mesh.create_virtual_router(meshName="apps", virtualRouterName="orders-v1-2", spec={"listeners": listeners})
    mesh.create_virtual_service(
        meshName="apps",
        virtualServiceName="orders.local",
        spec={"provider": {"virtualRouter": {"virtualRouterName": "orders-v1-2"}}},
    )
    answer = join(make_service(aws, {**TAGS, "meshift:virtual-service": "orders.local"}), context)
    assert answer["subject"]["virtualRouter"] == "orders-v1-2"
    made = mesh.describe_route(meshName="apps", virtualRouterName="orders-v1-2", routeName="orders.local")
    assert made["route"]["spec"]["http2Route"]["action"]["weightedTargets"][0]["virtualNode"] == "serviceBv2"


def test_a_service_that_only_calls_others_gets_a_node_and_nothing_else(aws, apps, context):
    tags = {"meshift:mesh": "apps", "meshift:hostname": "a.apps.local"}
    assert join(make_service(aws, tags), context)["subject"]["virtualRouter"] is None
    assert apps.list_virtual_routers(meshName="apps")["virtualRouters"] == []
    assert len(apps.list_virtual_nodes(meshName="apps")["virtualNodes"]) == 1


def test_without_a_hostname_the_cloud_map_service_is_used_and_its_own_instances_told_apart(aws, apps, context):
    discovery = aws("servicediscovery")
    discovery.create_http_namespace(Name="apps.local")
    (namespace,) = discovery.list_namespaces()["Namespaces"]
    registry = discovery.create_service(Name="serviceb", NamespaceId=namespace["Id"])["Service"]["Arn"]
    tags = {key: value for key, value in TAGS.items() if key != "meshift:hostname"}
    service = make_service(aws, tags, registries=[{"registryArn": registry}])
    assert join(service, context)["outcome"] == "Joined"
    node = apps.describe_virtual_node(meshName="apps", virtualNodeName="serviceBv2")["virtualNode"]["spec"]
    assert node["serviceDiscovery"] == {
        "awsCloudMap": {
            "namespaceName": "apps.local",
            "serviceName": "serviceb",
            "attributes": [{"key": "ECS_SERVICE_NAME", "value": "serviceBv2"}],
        }
    }


@pytest.mark.parametrize(
    ("tags", "changes", "says"),
    [
        ({**TAGS, "meshift:protocol": "soap"}, {}, "tag meshift:protocol: 'soap'"),
        ({**TAGS, "meshift:mesh": "nowhere"}, {}, "there is no mesh nowhere in this account"),
        ({**TAGS, "meshift:container": "web"}, {}, "'web' is no container"),
        ({**TAGS, "meshift:policy": "missing"}, {}, "there is no rollout policy missing"),
        ({"meshift:mesh": "apps"}, {}, "neither the tag meshift:hostname nor a Cloud Map service registry"),
        (TAGS, {"networkMode": "host", "requiresCompatibilities": ["EC2"]}, "networkMode host"),
        (TAGS, {"networkMode": "bridge", "requiresCompatibilities": ["EC2"]}, "networkMode bridge"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(aws, apps, context, tags, changes, says):
    service = make_service(aws, tags, **changes)
    answer = join(service, context)
    assert answer["outcome"] == "Refused"
    assert says in answer["reason"]
    assert apps.list_virtual_nodes(meshName="apps")["virtualNodes"] == []
    (remembered,) = aws("dynamodb").scan(TableName="rollouts")["Items"]
    assert set(remembered) == {"pk", "sk", "tags"}, "only which tags were refused"


def test_a_policy_with_an_alarm_that_does_not_exist_is_refused_before_anything_is_made(aws, apps, context):
    policy = {"checks": [{"alarm": "nobody"}]}
    aws("ssm").put_parameter(Name="/meshift/policies/odd", Value=json.dumps(policy), Type="String")
    answer = join(make_service(aws, {**TAGS, "meshift:policy": "odd"}), context)
    assert "alarms that do not exist: nobody" in answer["reason"]
    assert apps.list_virtual_nodes(meshName="apps")["virtualNodes"] == []


def test_nobody_takes_over_a_node_that_another_service_brought(aws, apps, context):
    """Who may tag a service must not thereby get another team's traffic, until an operator says so."""
    join(make_service(aws), context)
    before = everything(apps)
    other = make_service(aws, {**TAGS, "meshift:virtual-node": "serviceBv2"}, name="intruder")
    answer = join(other, context)
    assert answer["outcome"] == "Refused"
    assert (
        "virtual node serviceBv2 was brought by arn:aws:ecs:us-east-1:123456789012:service/apps/serviceBv2"
        in (answer["reason"])
    )
    assert everything(apps) == before
    Remembered("rollouts").hand_over("apps", "virtualNode", "serviceBv2", other.arn)
    assert join(other, context)["outcome"] == "Joined"


def test_a_virtual_service_belongs_to_one_cluster(aws, apps, context):
    join(make_service(aws), context)
    remembered = Remembered("rollouts")
    assert remembered.cluster_of("apps", NAME) == "arn:aws:ecs:us-east-1:123456789012:cluster/apps"
    remembered.hand_over("apps", "virtualService", NAME, "arn:aws:ecs:us-east-1:123456789012:cluster/other")
    answer = join(make_service(aws, {**TAGS, "meshift:virtual-node": "mine"}, name="mine"), context)
    assert "virtual service serviceb.apps.local was brought by" in answer["reason"]
    assert remembered.service_of("apps", "mine") is None


def test_a_router_of_others_is_not_taken_over_by_naming_it(aws, mesh, context):
    """The router serves a virtual service of another name; a tag that names the router must not move its weights."""
    for name, document in (("orders", {"listeners": [{"portMapping": {"port": 80, "protocol": "http2"}}]}),):
        mesh.create_virtual_router(meshName="apps", virtualRouterName=name, spec=document)
    targets = {"action": {"weightedTargets": [{"virtualNode": "serviceB", "weight": 100}]}, "match": {"prefix": "/"}}
    mesh.create_route(meshName="apps", virtualRouterName="orders", routeName="orders", spec={"http2Route": targets})
    answer = join(make_service(aws, {**TAGS, "meshift:virtual-service": "orders"}, name="intruder"), context)
    assert answer["outcome"] == "Refused"
    assert "virtual router orders is there, serves serviceB" in answer["reason"]
    assert mesh.list_virtual_services(meshName="apps")["virtualServices"][0]["virtualServiceName"] == NAME


def test_a_join_that_was_cut_off_is_finished_by_the_next_try(aws, apps, context):
    service = make_service(aws)
    join(service, context)
    apps.delete_virtual_service(meshName="apps", virtualServiceName=NAME)
    assert join(service, context)["outcome"] == "Joined"
    assert apps.describe_virtual_service(meshName="apps", virtualServiceName=NAME)


def test_an_older_deployment_joins_nothing(aws, apps, context):
    service = make_service(aws)
    assert handler(service.document(deployment="ecs-svc/older"), context)["outcome"] == "Superseded"
    assert apps.list_virtual_nodes(meshName="apps")["virtualNodes"] == []


def test_ones_own_account_behind_the_at_is_ones_own_mesh(aws, apps, context):
    answer = join(make_service(aws, {**TAGS, "meshift:mesh": "apps@123456789012"}), context)
    assert (answer["outcome"], answer["subject"]["meshOwner"]) == ("Joined", None)


def joined_anew(aws, service, context, **tags):
    """Change the service's tags, and let the execution that the sweep starts for them join."""
    changed = [{"key": f"meshift:{key}", "value": value} for key, value in tags.items()]
    aws("ecs").tag_resource(resourceArn=service.arn, tags=changed)
    return handler(service.document(execution=f"arn:of:the:execution:{json.dumps(tags)}"), context)


def test_a_service_whose_node_carries_traffic_cannot_be_another_node(aws, apps, context):
    """Its weight would stay with a node that nobody speaks for any more."""
    service = make_service(aws, {**TAGS})
    assert join(service, context)["outcome"] == "Joined"
    before = everything(apps)
    answer = joined_anew(aws, service, context, **{"virtual-node": "serviceBv3"})
    assert answer["outcome"] == "Refused"
    assert f"is virtual node serviceBv2 of mesh apps, which carries traffic of {NAME}" in answer["reason"]
    assert everything(apps) == before
    assert Remembered("rollouts").service_of("apps", "serviceBv3") is None


def test_a_service_whose_node_carries_nothing_may_be_another_and_gives_its_name_back(aws, mesh, context):
    service = make_service(aws, {**TAGS})
    assert join(service, context)["outcome"] == "Joined"
    assert Remembered("rollouts").service_of("apps", "serviceBv2") == service.arn
    for _ in range(2):
        answer = joined_anew(aws, service, context, **{"virtual-node": "serviceBv3"})
        assert (answer["outcome"], answer["subject"]["virtualNode"]) == ("Joined", "serviceBv3")
    assert Remembered("rollouts").service_of("apps", "serviceBv2") is None
    assert Remembered("rollouts").service_of("apps", "serviceBv3") == service.arn


def test_a_service_may_go_to_another_mesh_when_nothing_of_the_first_mesh_needs_it(aws, mesh, context):
    mesh.create_mesh(meshName="shop")
    service = make_service(aws, {**TAGS})
    assert join(service, context)["outcome"] == "Joined"
    assert joined_anew(aws, service, context, mesh="shop")["subject"]["mesh"] == "shop"
    assert Remembered("rollouts").service_of("apps", "serviceBv2") is None
    back = joined_anew(aws, service, context, mesh="apps")  # in the other mesh it was the first, and has all the weight
    assert "of mesh shop, which carries traffic" in back["reason"]


def test_a_node_that_a_roll_back_would_give_traffic_cannot_be_given_up(aws, mesh, context):
    service = make_service(aws, {**TAGS})
    assert join(service, context)["outcome"] == "Joined"
    table, claim = RolloutTable("rollouts"), ("apps", NAME, "another:execution")
    table.claim_virtual_router(*claim, NAME)
    table.keep_plan(*claim, {"service": "x", "deployment": "y", "plan": {"before": {NAME: {"serviceBv2": 100}}}})
    answer = joined_anew(aws, service, context, **{"virtual-node": "serviceBv3"})
    assert (answer["outcome"], "or would after a roll back" in answer["reason"]) == ("Refused", True)
    table.release_virtual_router(*claim)
    assert joined_anew(aws, service, context, **{"virtual-node": "serviceBv4"})["outcome"] == "Joined"


def test_a_node_that_itself_provides_a_virtual_service_cannot_be_given_up(aws, mesh, context):
    provider = {"virtualNode": {"virtualNodeName": "serviceBv2"}}
    mesh.update_virtual_service(meshName="apps", virtualServiceName=NAME, spec={"provider": provider})
    service = make_service(aws, {**TAGS})
    assert join(service, context)["subject"]["virtualRouter"] is None
    answer = joined_anew(aws, service, context, **{"virtual-node": "serviceBv3", "virtual-service": "new.apps.local"})
    assert (answer["outcome"], "carries traffic of" in answer["reason"]) == ("Refused", True)
