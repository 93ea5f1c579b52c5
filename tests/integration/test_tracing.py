"""Envoys of a hosted mesh hand segments to whoever takes them for X-Ray beside them, where the stack asks for it."""

import json
import socket

import pytest

from domain.bootstrap import bootstrap
from domain.discovery.configuration import Options, configuration
from domain.discovery.poll import poll_of
from domain.discovery.tracing import DAEMON_PORT
from domain.hosted.errors import ApiError
from tests.discovery_meshes import document, http_node, listening, mesh, node, route, service_by_router
from tests.envoy_static import complaint, static_bootstrap
from tests.running_envoy import application, free_port, get, running_envoy

NODE = "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceA"


def options_of(**metadata):
    """What discovery understands of what a bootstrap says, with some of it changed."""
    node = json.loads(bootstrap(NODE, "https://discovery.example/", "lambda", "us-east-1", 5, tracing=True))["node"]
    node["metadata"] |= metadata
    context = {"http": {"method": "POST"}}
    event = {"rawPath": "/v3/discovery:listeners", "requestContext": context, "body": json.dumps({"node": node})}
    return poll_of(event, "us-east-1").options


def shop(port, outside):
    to = {"target": {"virtualService": {"virtualServiceName": "b.local"}}}
    return mesh(
        http_node("b", port),
        node("a", listening(port, "http"), backends=["b.local"]),
        *service_by_router("b.local", "b", route({"b": 1}, "httpRoute"), listening(80, "http")),
        ("virtualGateway/g", document({"listeners": [listening(outside, "http")]})),
        ("virtualGateway/g/gatewayRoute/x", document({"httpRoute": {"match": {"prefix": "/"}, "action": to}})),
    )


@pytest.fixture
def daemon():
    """Who takes segments, in the place of X-Ray's daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(10)
        yield found


def segment(daemon):
    header, _, text = daemon.recv(65536).partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    return json.loads(text)


def told_here(view, path, options, daemon):
    """What an Envoy is told; its segments go to the daemon of this test."""
    text = json.dumps(static_bootstrap(configuration(view, path, options, {})))
    endpoint = f'"address": "127.0.0.1", "port_value": {DAEMON_PORT}'
    assert endpoint in text
    return json.loads(text.replace(endpoint, f'"address": "127.0.0.1", "port_value": {daemon.getsockname()[1]}'))


def test_what_the_bootstrap_says_is_understood_and_older_ones_say_nothing():
    assert options_of().tracing is True
    assert options_of(tracing=False).tracing is False
    older = json.loads(bootstrap(NODE, "https://discovery.example/", "lambda", "us-east-1", 5))["node"]["metadata"]
    assert "tracing" not in older
    with pytest.raises(ApiError, match=r"node\.metadata\.tracing is 'yes'; it must be true or false"):
        options_of(tracing="yes")


@pytest.mark.parametrize("mode", ["transparent", "proxy"])
@pytest.mark.parametrize("path", ["virtualNode/a", "virtualNode/b", "virtualGateway/g"])
def test_envoy_takes_the_tracer_wherever_it_takes_http_in_and_has_none_unasked(mode, path):
    asked, unasked = (
        configuration(shop(8080, 8000), path, Options(mode, "us-east-1", tracing=tracing), {})
        for tracing in (True, False)
    )
    assert complaint(static_bootstrap(asked)) is None
    assert "envoy.tracers.xray" in json.dumps(asked.listeners)
    assert "tracing" not in json.dumps(unasked.listeners)


def test_a_request_through_a_node_makes_a_segment_that_x_ray_knows(daemon, tmp_path):
    options = Options("proxy", "us-east-1", free_port(), free_port(), tracing=True)
    with application("one") as (one, asked):
        told = told_here(shop(one, free_port()), "virtualNode/a", options, daemon)
        with running_envoy(told, tmp_path, options.outbound_port):
            trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
            assert get(options.outbound_port, "/x", **{"x-amzn-trace-id": trace})[0] == 200
            found = segment(daemon)
    assert asked == ["/x"]
    assert found["name"] == "apps/a"
    assert found["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert found["origin"] == "AWS::AppMesh::Proxy"
    assert found["aws"]["app_mesh"] == {"mesh_name": "apps", "virtual_node_name": "a"}
    assert found["http"]["response"]["status"] == 200


def test_a_gateway_makes_one_segment_of_a_request_although_it_takes_two_steps(daemon, tmp_path):
    outside = free_port()
    options = Options("transparent", "us-east-1", free_port(), free_port(), tracing=True)
    with application("one") as (one, _):
        told = told_here(shop(one, outside), "virtualGateway/g", options, daemon)
        with running_envoy(told, tmp_path, outside, options.outbound_port):
            assert get(outside)[0] == 200
            assert segment(daemon)["name"] == "apps/g"
            daemon.settimeout(1)
            with pytest.raises(TimeoutError):
                segment(daemon)


def test_a_request_that_the_caller_does_not_want_traced_is_not(daemon, tmp_path):
    options = Options("proxy", "us-east-1", free_port(), free_port(), tracing=True)
    with application("one") as (one, _):
        told = told_here(shop(one, free_port()), "virtualNode/a", options, daemon)
        with running_envoy(told, tmp_path, options.outbound_port):
            root = "Root=1-5759e988-bd862e3fe1be46a994272793"
            assert get(options.outbound_port, **{"x-amzn-trace-id": f"{root};Sampled=0"})[0] == 200
            assert get(options.outbound_port, "/wanted", **{"x-amzn-trace-id": f"{root};Sampled=1"})[0] == 200
            assert segment(daemon)["http"]["request"]["url"].endswith("/wanted")
