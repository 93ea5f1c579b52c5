import pytest

from domain.enrolment import parse_enrolment
from domain.errors import Refused
from domain.joining import (
    Joining,
    Listener,
    Seen,
    application_listener,
    listener_of,
    new_route,
    plan_join,
    refuse_foreign,
    route_to_join,
    router_of,
    service_discovery,
    with_target,
)
from tests.shapes import route_spec, service, task_definition

TAGS = {"meshift:mesh": "apps", "meshift:virtual-service": "b.local"}
HTTP = Listener(80, "http")
DNS = {"dns": {"hostname": "b.local"}}


def enrolment(**tags):
    return parse_enrolment({**TAGS, **{f"meshift:{name}": value for name, value in tags.items()}}, "v2")


def mapped(*mappings):
    definition = task_definition()
    definition["containerDefinitions"][0]["portMappings"] = list(mappings)
    return definition


def route(name, *nodes):
    targets = [{"virtualNode": node, "weight": 1} for node in nodes]
    return {
        "routeName": name,
        "virtualRouterName": "r",
        "spec": {"httpRoute": {"action": {"weightedTargets": targets}}},
    }


@pytest.mark.parametrize(
    ("mapping", "tags", "listener"),
    [
        ({"containerPort": 80}, {}, HTTP),
        ({"containerPort": 81, "appProtocol": "grpc"}, {}, Listener(81, "grpc")),
        ({"containerPort": 81, "appProtocol": "grpc"}, {"protocol": "tcp"}, Listener(81, "tcp")),
    ],
)
def test_port_and_protocol_come_from_the_port_mapping_and_the_tag_is_first(mapping, tags, listener):
    assert application_listener(mapped(mapping), enrolment(**tags)) == listener


@pytest.mark.parametrize(
    "mappings",
    [
        [{"containerPort": 80}, {"containerPort": 81}],
        [{"containerPort": 53, "protocol": "udp"}],
        [{"containerPortRange": "80-90"}],
        [],
    ],
)
def test_a_node_is_made_for_exactly_one_tcp_port(mappings):
    with pytest.raises(Refused, match="exactly one TCP port"):
        application_listener(mapped(*mappings), enrolment(container="app"))


def test_discovery_is_the_hostname_else_cloud_map_else_a_refusal():
    assert service_discovery(enrolment(hostname="b.local"), service(), ("ns", "b")) == DNS
    found = service_discovery(enrolment(), service(), ("ns", "b"))
    assert (found["awsCloudMap"]["namespaceName"], found["awsCloudMap"]["serviceName"]) == ("ns", "b")
    with pytest.raises(Refused, match=r"neither the tag meshift:hostname nor a Cloud Map service registry"):
        service_discovery(enrolment(), service(), None)


def test_nothing_is_made_of_what_is_there():
    seen = Seen({}, {"virtualServiceName": "b.local", "spec": provided("r")}, {"x": 1}, (route("any", "v2"),))
    assert plan_join(enrolment(), seen, HTTP, None) == Joining()


def provided(router):
    return {"provider": {"virtualRouter": {"virtualRouterName": router}}}


def test_only_what_is_missing_is_made():
    seen = Seen(None, {"virtualServiceName": "b.local", "spec": provided("r")}, {"x": 1}, (route("any", "v1"),))
    joining = plan_join(enrolment(backends="c.local"), seen, HTTP, DNS)
    assert joining.node["backends"] == [{"virtualService": {"virtualServiceName": "c.local"}}]
    assert (joining.router, joining.route, joining.virtual_service) == (None, None, None)
    assert joining.wider_spec["httpRoute"]["action"]["weightedTargets"][-1] == {"virtualNode": "v2", "weight": 0}


def test_a_virtual_service_that_a_node_provides_is_split_by_nobody():
    document = {"virtualServiceName": "b.local", "spec": {"provider": {"virtualNode": {"virtualNodeName": "v1"}}}}
    assert router_of(document, "v1") is None
    with pytest.raises(Refused, match=r"is provided by virtual node v1; give it a virtual router"):
        router_of(document, "v2")
    with pytest.raises(Refused, match="has no provider"):
        router_of({"virtualServiceName": "b.local", "spec": {}}, "v2")


def test_a_node_joins_the_only_route_or_the_one_named_after_the_virtual_service():
    only, named = route("any", "v1"), route("b.local", "v1")
    assert route_to_join([only], "v2", "b.local") == only
    assert route_to_join([only, named], "v2", "b.local") == named
    assert route_to_join([only, route("x", "v2")], "v2", "b.local") is None


def test_which_of_several_routes_a_node_is_meant_for_is_not_guessed():
    with pytest.raises(Refused, match="has the routes a, c, and none names virtual node v2; add it with weight 0"):
        route_to_join([route("a", "v1"), route("c", "v1")], "v2", "b.local")


def test_a_route_with_all_the_targets_it_may_have_is_refused():
    with pytest.raises(Refused, match="has 10 targets"):
        route_to_join([route("a", *[f"old-{number}" for number in range(10)])], "v2", "b.local")


def test_a_further_target_has_its_siblings_port_and_changes_nothing_else():
    before = route_spec()
    after = with_target(before, "v3")
    assert after["http2Route"]["action"]["weightedTargets"].pop() == {"virtualNode": "v3", "weight": 0, "port": 80}
    assert after == before == route_spec()


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc", "tcp"])
def test_a_first_route_is_of_the_nodes_protocol_with_all_the_weight(protocol):
    (kind, action), *_ = new_route(protocol, "v1").items()
    assert kind == f"{protocol}Route"
    assert action["action"]["weightedTargets"] == [{"virtualNode": "v1", "weight": 100}]


def test_what_is_another_accounts_is_refused():
    document = {"metadata": {"resourceOwner": "222222222222"}}
    refuse_foreign(document, "virtual node v1", "222222222222")
    with pytest.raises(Refused, match="virtual node v1 belongs to account 222222222222"):
        refuse_foreign(document, "virtual node v1", "111111111111")


def test_a_node_without_a_listener_is_refused():
    with pytest.raises(Refused, match="has no listener"):
        listener_of({"virtualNodeName": "v1", "spec": {}})
