"""Make before break: what was written lately is held back until every Envoy can know what it leads to."""

import pytest

from domain.discovery.ordering import settle_seconds
from tests.app_mesh_sweep import BACKEND, HTTP2
from tests.polls import ROUTE, ROUTER, spec, weights

SETTLED = settle_seconds(5)


@pytest.fixture
def fresh(discovery, tutorial):
    """The tutorial's mesh, all settled; then the clock stands just after what a test writes."""
    discovery.mesh.put_items([{**item, "at": {"N": "1"}} if "at" in item else item for item in discovery.mesh.items()])
    discovery.later = 0
    return discovery


def clusters(fresh, **told):
    return {name.split("/")[2] for name in fresh.names("clusters", **told) if "/virtualNode/" in name}


def test_a_target_that_is_new_in_a_route_gets_its_weight_when_every_envoy_can_know_its_cluster(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceB=60, serviceBv2=20, serviceC=20))
    assert fresh.weights() == {"serviceB": 60, "serviceBv2": 20}
    assert clusters(fresh) == {"serviceB", "serviceBv2", "serviceC"}
    fresh.later = SETTLED - 1
    assert "serviceC" not in fresh.weights()
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceB": 60, "serviceBv2": 20, "serviceC": 20}


def test_a_warm_container_lets_go_at_the_moment_and_a_cold_one_knows_it_too(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceB=50, serviceC=50))
    for later, seen in ((0, {"serviceB": 100}), (SETTLED + 1, {"serviceB": 50, "serviceC": 50})):
        fresh.later = later
        assert fresh.weights() == seen
        fresh.restart()
        assert fresh.weights() == seen


def test_a_target_that_was_known_at_no_weight_gets_it_at_once(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceB=100, serviceBv2=0))
    tutorial.update_route(**ROUTE, spec=weights(serviceB=0, serviceBv2=100))
    assert fresh.weights() == {"serviceBv2": 100}


def test_when_all_targets_are_new_the_old_ones_carry_the_traffic_until_then(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceC=100))
    tutorial.delete_virtual_node(meshName="apps", virtualNodeName="serviceB")
    assert fresh.weights() == {"serviceB": 75, "serviceBv2": 25}
    assert clusters(fresh) == {"serviceB", "serviceBv2", "serviceC"}
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceC": 100}
    assert clusters(fresh) == {"serviceC"}


def test_when_all_targets_are_new_after_a_roll_back_the_old_ones_carry_the_traffic_as_they_did_last(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceB=50, serviceBv2=50))
    tutorial.update_route(**ROUTE, spec=weights(serviceB=100, serviceBv2=0))
    tutorial.update_route(**ROUTE, spec=weights(serviceC=100))
    assert fresh.weights() == {"serviceB": 100}
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceC": 100}


def test_the_cluster_of_a_removed_target_stays_as_long_although_its_node_is_deleted(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceB=100))
    tutorial.delete_virtual_node(meshName="apps", virtualNodeName="serviceBv2")
    assert fresh.weights() == {"serviceB": 100}
    assert clusters(fresh) == {"serviceB", "serviceBv2"}
    fresh.restart()
    assert clusters(fresh) == {"serviceB", "serviceBv2"}
    fresh.later = SETTLED + 1
    assert clusters(fresh) == {"serviceB"}


def test_the_clusters_of_a_deleted_route_and_service_stay_as_long(fresh, tutorial):
    tutorial.delete_route(**ROUTE)
    tutorial.delete_virtual_service(meshName="apps", virtualServiceName="serviceb.apps.local")
    assert clusters(fresh) == {"serviceB", "serviceBv2"}
    fresh.later = SETTLED + 1
    assert clusters(fresh) == set()


def test_a_new_route_waits_behind_the_ones_that_were_there(fresh, tutorial):
    canary = {"http2Route": {"match": {"prefix": "/canary"}, **weights(serviceC=100)["http2Route"]}}
    canary["http2Route"]["match"] = {"prefix": "/canary"}
    tutorial.create_route(**ROUTER, routeName="canary", spec=canary)
    assert fresh.weights() == {"serviceB": 75, "serviceBv2": 25}
    assert "serviceC" in clusters(fresh)
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceC": 100}


def test_a_route_that_takes_the_place_of_another_takes_it_when_it_can(fresh, tutorial):
    tutorial.delete_route(**ROUTE)
    tutorial.create_route(**ROUTER, routeName="anew", spec=weights(serviceC=100))
    assert fresh.weights() == {"serviceB": 75, "serviceBv2": 25}
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceC": 100}


def test_what_has_nothing_before_it_is_served_at_once(fresh, tutorial):
    tutorial.create_virtual_router(meshName="apps", virtualRouterName="d", spec={"listeners": [HTTP2]})
    tutorial.create_route(meshName="apps", virtualRouterName="d", routeName="d", spec=weights(serviceC=100))
    provider = {"provider": {"virtualRouter": {"virtualRouterName": "d"}}}
    tutorial.create_virtual_service(meshName="apps", virtualServiceName="d.apps.local", spec=provider)
    calls = {"virtualService": {"virtualServiceName": "d.apps.local"}}
    tutorial.create_virtual_node(meshName="apps", virtualNodeName="caller", spec=spec("caller", calls))
    assert fresh.weights(resource="virtualNode/caller") == {"serviceC": 100}


def test_a_virtual_service_stays_with_its_provider_until_the_next_is_known(fresh, tutorial):
    provider = {"provider": {"virtualNode": {"virtualNodeName": "serviceC"}}}
    tutorial.update_virtual_service(meshName="apps", virtualServiceName="serviceb.apps.local", spec=provider)
    tutorial.delete_route(**ROUTE)
    tutorial.delete_virtual_router(**ROUTER)
    assert fresh.weights() == {"serviceB": 75, "serviceBv2": 25}
    assert clusters(fresh) == {"serviceB", "serviceBv2", "serviceC"}
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceC": 100}
    assert clusters(fresh) == {"serviceC"}


def test_others_meet_a_node_at_its_old_port_until_the_new_one_is_known_and_it_listens_there_itself(fresh, tutorial):
    listener = {"portMapping": {"port": 8080, "protocol": "http2"}}
    tutorial.update_virtual_node(
        meshName="apps", virtualNodeName="serviceB", spec={**spec("serviceB"), "listeners": [listener]}
    )
    known = [name for name in fresh.names("clusters") if "/serviceB/" in name]
    assert known == ["apps/virtualNode/serviceB/80/http2", "apps/virtualNode/serviceB/8080/http2"]
    (routes,) = fresh.resources("routes", ("egress",))
    assert "serviceB/80/" in str(routes)
    assert "serviceB/8080/" not in str(routes)
    assert "apps/ingress/serviceB/8080/http2" in fresh.names("clusters", resource="virtualNode/serviceB")
    fresh.later = SETTLED + 1
    (routes,) = fresh.resources("routes", ("egress",))
    assert "serviceB/8080/" in str(routes)


def test_a_new_backend_waits_where_its_requests_get_through_without_it(fresh, tutorial):
    tutorial.update_mesh(meshName="apps", spec={"egressFilter": {"type": "ALLOW_ALL"}})
    tutorial.update_virtual_node(meshName="apps", virtualNodeName="serviceC", spec=spec("serviceC", BACKEND))
    there = {"resource": "virtualNode/serviceC"}
    assert clusters(fresh, **there) == {"serviceB", "serviceBv2"}
    assert "serviceb.apps.local" not in str(fresh.resources("routes", ("egress",), **there))
    fresh.later = SETTLED + 1
    assert "serviceb.apps.local" in str(fresh.resources("routes", ("egress",), **there))


def test_envoys_that_a_write_does_not_concern_are_told_nothing_new(fresh, tutorial):
    there = {"resource": "virtualNode/serviceC"}
    before = {kind: fresh.poll(kind, **there)["body"] for kind in ("clusters", "listeners")}
    tutorial.update_route(**ROUTE, spec=weights(serviceB=50, serviceC=50))
    assert {kind: fresh.poll(kind, **there)["body"] for kind in before} == before


def test_an_envoy_that_polls_seldom_waits_longer_whatever_the_stack_says_now(fresh, tutorial):
    tutorial.update_route(**ROUTE, spec=weights(serviceB=50, serviceC=50))
    fresh.later = SETTLED + 1
    assert fresh.weights() == {"serviceB": 50, "serviceC": 50}
    assert fresh.weights(pollSeconds=60) == {"serviceB": 100}
    fresh.later = settle_seconds(60) + 1
    assert fresh.weights(pollSeconds=60) == {"serviceB": 50, "serviceC": 50}


def test_a_mesh_that_was_made_again_remembers_nothing(fresh, tutorial):
    tutorial.delete_route(**ROUTE)
    tutorial.delete_virtual_service(meshName="apps", virtualServiceName="serviceb.apps.local")
    tutorial.delete_virtual_router(**ROUTER)
    for name in ("serviceA", "serviceB", "serviceBv2", "serviceC"):
        tutorial.delete_virtual_node(meshName="apps", virtualNodeName=name)
    tutorial.delete_mesh(meshName="apps")
    tutorial.create_mesh(meshName="apps")
    tutorial.create_virtual_node(meshName="apps", virtualNodeName="serviceA", spec=spec("serviceA", BACKEND))
    assert clusters(fresh) == set()
