"""Requests from outside through a virtual gateway's real Envoy, fed by the deployed `discover`, to virtual services."""

import threading
import time
from functools import partial

import pytest

from local.settings import OWNER, REGION
from tests.discovery_meshes import LOCAL, backend, listening, route
from tests.e2e import envoys
from tests.e2e.conftest import wait_for
from tests.e2e.test_hosted_mesh import MeshApi
from tests.running_envoy import application, free_port, get

MESH = "gateways"
SERVICE = "b.local"
BOUND = 3 + 4
"""Two polls and a second, and what a busy machine may add."""


@pytest.fixture
def edge(aws):
    """A mesh with a gateway, which leads /shop to a service of two nodes: its Envoy's port, what is told of the mesh,
    and how to move the weights.
    """
    mesh = MeshApi(aws.instance, aws.owner.outputs["MeshApiUrl"]).client()
    mesh.create_mesh(meshName=MESH)
    outside = free_port()
    with application("one") as (one, _), application("two") as (two, _):
        for name, port in (("one", one), ("two", two)):
            spec = {"listeners": [listening(port, "http")], "serviceDiscovery": LOCAL}
            mesh.create_virtual_node(meshName=MESH, virtualNodeName=name, spec=spec)
        named = {"meshName": MESH, "virtualRouterName": "b"}
        mesh.create_virtual_router(**named, spec={"listeners": [listening(80, "http")]})
        mesh.create_route(**named, routeName="all", spec=route({"one": 1, "two": 0}, "httpRoute"))
        provider = {"provider": {"virtualRouter": {"virtualRouterName": "b"}}}
        mesh.create_virtual_service(meshName=MESH, virtualServiceName=SERVICE, spec=provider)
        gateway = {"meshName": MESH, "virtualGatewayName": "edge"}
        mesh.create_virtual_gateway(**gateway, spec={"listeners": [listening(outside, "http")]})
        action = {"target": backend(SERVICE)}
        shop = {"httpRoute": {"match": {"prefix": "/shop"}, "action": action}}
        mesh.create_gateway_route(**gateway, gatewayRouteName="shop", spec=shop)
        yield outside, partial(mesh.update_route, **named, routeName="all")


def test_a_gateway_leads_requests_to_its_service_and_follows_the_weights_without_a_failure(aws, edge, tmp_path):
    outside, update_route = edge
    arn = f"arn:aws:appmesh:{REGION}:{OWNER}:mesh/{MESH}/virtualGateway/edge"
    with envoys.running(aws.instance.port, arn, tmp_path) as envoy:
        wait_for(envoy.healthy, 20)
        assert get(outside, "/shop/cart?x=1", "www.example.com") == (200, f"one /cart?x=1 {SERVICE}")
        assert get(outside, "/elsewhere", "www.example.com")[0] == 404
        answers, done = [], threading.Event()

        def customer():
            while not done.wait(0.01):
                answers.append(get(outside, "/shop", "www.example.com"))

        calling = threading.Thread(target=customer)
        calling.start()
        update_route(spec=route({"one": 0, "two": 1}, "httpRoute"))
        try:
            wait_for(lambda: answers and answers[-1] == (200, f"two / {SERVICE}"), BOUND)
            time.sleep(0.5)
        finally:
            done.set()
            calling.join(10)
    assert set(answers) == {(200, f"one / {SERVICE}"), (200, f"two / {SERVICE}")}
    assert answers[-10:] == [(200, f"two / {SERVICE}")] * 10
