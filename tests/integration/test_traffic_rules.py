"""Rules of a mesh as requests meet them at the real Envoy: matches, retries, time-outs, ejections, ways out."""

import http.client
import json
import time
import urllib.request
from collections import Counter

import pytest

from domain.discovery.configuration import Instance, Options, cloud_map_queries, configuration
from local.application import listener as application_listener
from tests.discovery_meshes import listening, mesh, node, route, service_by_router
from tests.envoy_static import plain, static_bootstrap
from tests.running_envoy import free_port, running_envoy

VERSIONS = ("shop:1", "shop:2", "shop:bad")


@pytest.fixture(scope="module")
def applications(tmp_path_factory):
    """The applications of local AWS: a port for each version."""
    ports = {version: free_port() for version in VERSIONS}
    listeners = [plain(application_listener(version, version, port)) for version, port in ports.items()]
    bootstrap = {"node": {"id": "app", "cluster": "app"}, "static_resources": {"listeners": listeners}}
    with running_envoy(bootstrap, tmp_path_factory.mktemp("applications"), *ports.values()):
        yield ports


@pytest.fixture
def options():
    return Options("proxy", "us-east-1", free_port(), free_port())


def found_at(name, port, protocol="http2", **more):
    return node(name, listening(port, protocol, **more), serviceDiscovery={"dns": {"hostname": "127.0.0.1"}})


def two_versions(applications, protocol="http2"):
    return [found_at(f"v{n}", applications[f"shop:{n}"], protocol) for n in (1, 2)]


def send(port, path="/", method="GET", host="b.local", **headers):
    """Send a request; status, version of who answered, and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers={"Host": host, **named})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("x-version"), answer


def matching(match, weights, kind="http2Route", **more):
    found = route(weights, kind, **more)
    found[kind]["match"] = match
    return found


def test_headers_paths_and_methods_choose_the_route(applications, options, tmp_path):
    two = {"v2": 1}
    header = [{"name": "x-beta", "match": {"exact": "yes"}}]
    regex = {"path": {"regex": "/items/[0-9]+"}}
    found = mesh(
        node("a", backends=["b.local"]),
        *two_versions(applications),
        *service_by_router(
            "b.local",
            "b",
            route({"v1": 1}),
            listening(80),
            header=matching({"prefix": "/", "headers": header}, two),
            prefix=matching({"prefix": "/special"}, two),
            path=matching(regex, two),
            method=matching({"prefix": "/", "method": "DELETE"}, two),
        ),
    )
    told = configuration(found, "virtualNode/a", options, {})
    port = options.outbound_port
    with running_envoy(static_bootstrap(told), tmp_path, port):
        assert send(port)[:2] == (200, "shop:1")
        assert send(port, x_beta="no")[1] == send(port, "/spec")[1] == send(port, "/items/x")[1] == "shop:1"
        assert send(port, x_beta="yes")[1] == "shop:2"
        assert send(port, "/special/offer")[1] == "shop:2"
        assert send(port, "/items/12")[1] == "shop:2"
        assert send(port, method="DELETE")[1] == "shop:2"


def test_grpc_finds_its_route_by_service_and_method(applications, options, tmp_path):
    by_method = matching({"serviceName": "shop.Cart", "methodName": "Add"}, {"v2": 1}, "grpcRoute")
    found = mesh(
        node("a", backends=["b.local"]),
        *two_versions(applications, "grpc"),
        *service_by_router("b.local", "b", route({"v1": 1}, "grpcRoute"), listening(80, "grpc"), add=by_method),
    )
    told = configuration(found, "virtualNode/a", options, {})
    port = options.outbound_port
    with running_envoy(static_bootstrap(told), tmp_path, port):
        for path, version in (
            ("/shop.Cart/Add", "shop:2"),
            ("/shop.Cart/List", "shop:1"),
            ("/shop.Bill/Add", "shop:1"),
        ):
            status, answered, answer = send(port, path, "POST", content_type="application/grpc")
            assert (status, answered, answer.headers["grpc-status"]) == (200, version, "0")


def statistic(admin, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats?format=json&filter={name}", timeout=5) as answer:
        return sum(each["value"] for each in json.load(answer)["stats"])


def with_admin(told):
    """Put an administration into a bootstrap; its port."""
    admin = free_port()
    address = {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
    return {**static_bootstrap(told), "admin": {"address": address}}, admin


def test_a_retry_policy_is_followed_and_no_more(applications, options, tmp_path):
    policy = {"maxRetries": 3, "perRetryTimeout": {"unit": "s", "value": 2}, "httpRetryEvents": ["server-error"]}
    patient = route({"v1": 1}, retryPolicy=policy)
    found = mesh(
        node("a", backends=["b.local"]),
        *two_versions(applications),
        *service_by_router("b.local", "b", patient, listening(80)),
    )
    told = configuration(found, "virtualNode/a", options, {})
    bootstrap, admin = with_admin(told)
    port, tries = options.outbound_port, r"virtualNode/v1/.*\.upstream_rq_total$"
    with running_envoy(bootstrap, tmp_path, port):
        assert send(port, x_envoy_fault_abort_request="500")[0] == 500
        assert statistic(admin, tries) == 4
        assert send(port, x_envoy_fault_abort_request="404")[0] == 404
        assert statistic(admin, tries) == 5


def test_a_request_takes_no_longer_than_its_route_allows(applications, options, tmp_path):
    hasty = route({"v1": 1}, timeout={"perRequest": {"unit": "ms", "value": 300}})
    found = mesh(
        node("a", backends=["b.local"]),
        *two_versions(applications),
        *service_by_router("b.local", "b", hasty, listening(80)),
    )
    told = configuration(found, "virtualNode/a", options, {})
    port = options.outbound_port
    with running_envoy(static_bootstrap(told), tmp_path, port):
        assert send(port, x_envoy_fault_delay_request="50")[0] == 200
        began = time.monotonic()
        assert send(port, x_envoy_fault_delay_request="3000")[0] == 504
        assert 0.29 <= time.monotonic() - began < 2  # Envoy's clock ticks in milliseconds


def test_an_endpoint_that_answers_with_server_errors_is_left_out_for_a_while(applications, options, tmp_path):
    detection = {
        "maxServerErrors": 5,
        "interval": {"unit": "ms", "value": 200},
        "baseEjectionDuration": {"unit": "s", "value": 30},
        "maxEjectionPercent": 50,
    }
    by_map = {"awsCloudMap": {"namespaceName": "apps.local", "serviceName": "b"}}
    found = mesh(
        node("a", backends=["b.local"]),
        node("v", listening(80, outlierDetection=detection), serviceDiscovery=by_map),
        *service_by_router("b.local", "b", route({"v": 1}), listening(80)),
    )
    here = [Instance("127.0.0.1", applications[version], True, {}) for version in ("shop:1", "shop:bad")]
    instances = dict.fromkeys(cloud_map_queries(found, "virtualNode/a"), here)
    told = configuration(found, "virtualNode/a", options, instances)
    port = options.outbound_port
    with running_envoy(static_bootstrap(told), tmp_path, port):
        end = time.monotonic() + 10
        while True:
            answered = Counter(send(port)[1] for _ in range(50))
            if set(answered) == {"shop:1"}:
                break
            assert time.monotonic() < end, answered
        assert Counter(send(port)[:2] for _ in range(50)) == {(200, "shop:1"): 50}


@pytest.mark.parametrize(("egress", "status"), [("DROP_ALL", 404), ("ALLOW_ALL", 200)])
def test_what_is_in_no_mesh_is_reached_only_where_all_is_allowed(applications, options, tmp_path, egress, status):
    outside = f"127.0.0.1:{applications['shop:1']}"
    found = mesh(node("a", backends=[]), spec={"egressFilter": {"type": egress}})
    told = configuration(found, "virtualNode/a", options, {})
    with running_envoy(static_bootstrap(told), tmp_path, options.outbound_port):
        assert send(options.outbound_port, host=outside)[0] == status


def test_a_service_of_the_mesh_that_was_not_declared_is_no_backend(applications, options, tmp_path):
    found = mesh(
        node("a", backends=["b.local"]),
        *two_versions(applications),
        *service_by_router("b.local", "b", route({"v1": 1}), listening(80)),
        *service_by_router("c.local", "c", route({"v2": 1}), listening(80)),
    )
    told = configuration(found, "virtualNode/a", options, {})
    with running_envoy(static_bootstrap(told), tmp_path, options.outbound_port):
        assert send(options.outbound_port, host="b.local")[:2] == (200, "shop:1")
        assert send(options.outbound_port, host="c.local")[:2] == (404, None)
