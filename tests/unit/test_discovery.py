"""What an Envoy is told of a mesh, as a whole. Parts have tests of their own beside this one."""

import copy

import pytest

from domain.discovery.configuration import Fault, Options, cloud_map_queries, configuration
from domain.errors import NotFound
from tests.discovery_goldens import FOLDER, GOLDENS, TRANSPARENT, told, tutorial, written
from tests.discovery_meshes import OTHER, dns, document, mesh, node, route, service, service_by_router


@pytest.mark.parametrize("name", GOLDENS)
def test_the_tutorials_envoys_are_told_what_is_written_down(name):
    assert written(told(name)) == (FOLDER / f"{name}.json").read_text(), "python -m tests.discovery_goldens"


@pytest.mark.parametrize("name", GOLDENS)
def test_the_same_mesh_gives_the_same_bytes_in_whatever_order_it_comes(name):
    path, options = GOLDENS[name]
    view = tutorial()
    turned = mesh(*reversed(view.resources.items()), spec=view.spec)
    before = copy.deepcopy(view.resources)
    assert written(configuration(view, path, options, {})) == written(configuration(turned, path, options, {}))
    assert view.resources == before


@pytest.mark.parametrize("path", ["virtualNode/x", "virtualService/b.local", "virtualRouter/b", ""])
def test_only_nodes_and_gateways_that_exist_are_told_anything(path):
    view = mesh(node("a"), *service_by_router("b.local", "b", route({"a": 1})))
    with pytest.raises(NotFound):
        configuration(view, path, TRANSPARENT, {})


def test_a_node_sees_the_backends_that_it_declares_and_nothing_else():
    view = mesh(
        node("a", backends=["b.local", "not.yet"]),
        node("b"),
        node("c"),
        service("b.local", virtualNode="b"),
        service("c.local", virtualNode="c"),
    )
    found = configuration(view, "virtualNode/a", TRANSPARENT, {})
    assert "apps/virtualNode/b/80/http2" in [each["name"] for each in found.clusters]
    assert "virtualNode/c" not in written(found)
    assert "not.yet" not in written(found)
    assert found.faults == ()


def test_a_broken_resource_leaves_the_rest_as_it_is():
    sound = service_by_router("b.local", "b", route({"b": 1}))
    broken = node("c", serviceDiscovery={"awsCloudMap": {"namespaceName": "n", "serviceName": "c"}}, owner=OTHER)
    before = configuration(mesh(node("a", backends=["b.local"]), node("b"), *sound), "virtualNode/a", TRANSPARENT, {})
    view = mesh(
        node("a", backends=["b.local", "c.local"]), node("b"), broken, *sound, service("c.local", virtualNode="c")
    )
    found = configuration(view, "virtualNode/a", TRANSPARENT, {})
    assert {each["name"]: each for each in before.clusters}.items() <= {
        each["name"]: each for each in found.clusters
    }.items()
    assert [each.path for each in found.faults] == ["virtualNode/c"]
    assert OTHER in found.faults[0].message


def test_a_target_that_is_gone_answers_503_and_is_a_fault():
    view = mesh(node("a", backends=["b.local"]), *service_by_router("b.local", "b", route({"gone": 1})))
    found = configuration(view, "virtualNode/a", TRANSPARENT, {})
    (answer,) = found.routes[0]["virtual_hosts"][0]["routes"]
    assert answer["direct_response"] == {"status": 503}
    assert found.faults == (Fault("virtualRouter/b/route/b", "the virtual node gone does not exist"),)


def test_cloud_map_is_asked_about_nodes_of_the_owners_account_only():
    by_cloud_map = {"namespaceName": "apps.local", "serviceName": "b"}
    attributes = [{"key": "z", "value": "1"}, {"key": "a", "value": "2"}]
    view = mesh(
        node("a", backends=["b.local"]),
        node("b1", serviceDiscovery={"awsCloudMap": {**by_cloud_map, "attributes": attributes}}),
        node("b2", serviceDiscovery={"awsCloudMap": by_cloud_map}, owner=OTHER),
        node("b3", serviceDiscovery=dns("b3")),
        node("unseen", serviceDiscovery={"awsCloudMap": by_cloud_map}),
        *service_by_router("b.local", "b", route({"b1": 1, "b2": 0, "b3": 0})),
    )
    (query,) = cloud_map_queries(view, "virtualNode/a")
    assert (query.namespace, query.service, query.node) == ("apps.local", "b", "virtualNode/b1")
    assert query.attributes == (("a", "2"), ("z", "1"))


def test_a_router_of_a_mesh_without_anything_else_is_served():
    view = mesh(("virtualNode/a", document({})))
    for mode in ("transparent", "proxy"):
        found = configuration(view, "virtualNode/a", Options(mode, "us-east-1"), {})
        assert [each["name"] for each in found.listeners] == ["egress"]
