"""Requests take the way through the real Envoy that the mesh says."""

import http.client
from collections import Counter
from dataclasses import replace

import pytest

from domain.discovery.configuration import Instance, Options, cloud_map_queries, configuration
from tests.certificates import NAME, own_certificate, trust
from tests.discovery_meshes import (
    LOCAL,
    backend,
    document,
    http_node,
    listening,
    mesh,
    node,
    route,
    router,
    service,
    service_by_router,
)
from tests.envoy_static import static_bootstrap
from tests.running_envoy import application, free_port, get, running_envoy


@pytest.fixture
def options():
    return Options("proxy", "us-east-1", free_port(), free_port())


def test_weights_headers_retries_and_tunnels(options, tmp_path):
    with (
        application("one") as (one, _),
        application("two") as (two, _),
        application("sick", refuses=2) as (sick, asked),
    ):
        first = route({"b1": 75, "b2": 25}, "httpRoute")
        to_two = route({"b2": 1}, "httpRoute")
        to_two["httpRoute"]["match"]["headers"] = [{"name": "x-canary", "match": {"range": {"start": 5, "end": 9}}}]
        found = mesh(
            node("a", backends=["b.local", "sick.local", "raw.local", "nobody.local"]),
            *(http_node(name, port) for name, port in (("b1", one), ("b2", two), ("s", sick))),
            node("raw", listening(one, "tcp"), serviceDiscovery=LOCAL),
            *service_by_router("b.local", "b", first, listening(80, "http"), canary=to_two),
            *router("raw", listening(7000, "tcp"), raw=route({"raw": 1}, "tcpRoute")),
            service("raw.local", virtualRouter="raw"),
            service("sick.local", virtualNode="s"),
            service("nobody.local"),
        )
        told = configuration(found, "virtualNode/a", options, {})
        port = options.outbound_port
        with running_envoy(static_bootstrap(told), tmp_path, port):
            served = Counter(get(port)[1].split()[0] for _ in range(400))
            assert 240 <= served["one"] <= 360, served
            assert served.total() == 400
            assert {get(port, **{"x-canary": "7"})[1] for _ in range(20)} == {"two / b.local"}
            assert get(port, "/x", "b.local:8080")[1].endswith("/x b.local:8080")
            assert get(port, host="sick.local") == (200, "sick / sick.local")
            assert asked == ["/"] * 3
            assert get(port, host="nobody.local")[0] == 503
            assert get(port, host="elsewhere.local")[0] == 404
            tunnel = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            tunnel.set_tunnel("raw.local", 7000)
            tunnel.request("GET", "/inside")
            assert tunnel.getresponse().read().decode() == "one /inside raw.local:7000"
            tunnel.close()


def test_a_gateway_rewrites_and_leads_along_the_routes_of_the_service(options, tmp_path):
    outside = free_port()
    with application("one") as (one, _), application("two") as (two, _):
        to_two = route({"b2": 1}, "httpRoute")
        to_two["httpRoute"]["match"] = {"prefix": "/special"}
        to = {"target": {"virtualService": {"virtualServiceName": "b.local"}}}
        kept = {**to, "rewrite": {"hostname": {"defaultTargetHostname": "DISABLED"}}}
        by_host = {"prefix": "/", "hostname": {"suffix": ".example.com"}}
        found = mesh(
            http_node("b1", one),
            http_node("b2", two),
            *service_by_router("b.local", "b", route({"b1": 1}, "httpRoute"), listening(80, "http"), special=to_two),
            ("virtualGateway/g", document({"listeners": [listening(outside, "http")]})),
            ("virtualGateway/g/gatewayRoute/x", document({"httpRoute": {"match": {"prefix": "/shop"}, "action": to}})),
            ("virtualGateway/g/gatewayRoute/y", document({"httpRoute": {"match": by_host, "action": kept}})),
        )
        told = configuration(found, "virtualGateway/g", options, {})
        with running_envoy(static_bootstrap(told), tmp_path, outside, options.outbound_port):
            assert get(outside, "/shop/cart?x=1", "any")[1] == "one /cart?x=1 b.local"
            assert get(outside, "/shop", "any")[1] == "one / b.local"
            assert get(outside, "/shop/special", "any")[1] == "two /special b.local"
            assert get(outside, "/else", "www.example.com:80")[1] == "one /else www.example.com:80"
            assert get(outside, "/else", "any")[0] == 404
            assert get(outside, "/else", "any", **{"x-meshift-virtual-service": "b.local"})[0] == 404


def test_tls_is_spoken_and_names_are_checked(options, tmp_path):
    server = replace(options, inbound_port=free_port(), outbound_port=free_port())
    secured = {"mode": "STRICT", "certificate": {"file": own_certificate()}}
    found_by = {"awsCloudMap": {"namespaceName": "apps.local", "serviceName": NAME.split(".")[0]}}
    policy = {"tls": {"validation": {"trust": {"file": trust()}}}}
    another = {"exact": ["another.name"]}
    strict = {"tls": {"validation": {"trust": {"file": trust()}, "subjectAlternativeNames": {"match": another}}}}
    with application("one") as (one, _):
        found = mesh(
            node("b", listening(one, "http", tls=secured), serviceDiscovery=found_by),
            node("a", backendDefaults={"clientPolicy": policy}),
            node("c", backendDefaults={"clientPolicy": strict}),
            service("b.local", virtualNode="b"),
        )
        for name in ("a", "c"):
            found.resources[f"virtualNode/{name}"]["spec"]["backends"] = [backend("b.local")]
        here = Instance("127.0.0.1", server.inbound_port, True, {})
        instances = {query: [here] for query in cloud_map_queries(found, "virtualNode/a")}
        of_b = static_bootstrap(configuration(found, "virtualNode/b", server, {}))
        with running_envoy(of_b, tmp_path, server.inbound_port):
            for name, status in (("a", 200), ("c", 503)):
                mine = replace(options, inbound_port=free_port(), outbound_port=free_port())
                told = static_bootstrap(configuration(found, f"virtualNode/{name}", mine, instances))
                with running_envoy(told, tmp_path, mine.outbound_port):
                    assert get(mine.outbound_port)[0] == status
