"""Translations of a mesh for one Envoy."""

from domain.discovery.configuration import Options, configuration
from tests.discovery_meshes import mesh, node, route, service_by_router

TRANSPARENT = Options("transparent", "us-east-1")


def tutorial():
    return mesh(
        node("serviceA", backends=["serviceb.apps.local"]),
        node("serviceB"),
        node("serviceBv2"),
        *service_by_router("serviceb.apps.local", "serviceB", route({"serviceB": 75, "serviceBv2": 25})),
    )


def test_a_backend_is_reached_by_its_weights():
    found = configuration(tutorial(), "virtualNode/serviceA", TRANSPARENT, {})
    (routes,) = found.routes
    action = routes["virtual_hosts"][0]["routes"][0]["route"]
    assert action["weighted_clusters"]["clusters"] == [
        {"name": "apps/virtualNode/serviceB/80/http2", "weight": 75},
        {"name": "apps/virtualNode/serviceBv2/80/http2", "weight": 25},
    ]
    assert found.faults == ()
