"""Egress of nodes, intercepted or as a forward proxy, and gateways."""

import pytest

from domain.discovery.configuration import Options, configuration
from domain.discovery.gateway_routes import path_rewrite
from tests.discovery_cases import HOSTNAMES, gateway, gateway_route, tcp_services, tls, told
from tests.discovery_meshes import listening, mesh, node, service

A, G = "virtualNode/a", "virtualGateway/g"
ALLOW = {"egressFilter": {"type": "ALLOW_ALL"}}


def egress(view, mode="transparent", region="us-east-1"):
    found = configuration(view, A, Options(mode, region), {})
    return next(each for each in found.listeners if each["name"] == "egress"), found


def allowed(view):
    return mesh(*view.resources.items(), spec=ALLOW)


def chain(listener, **match):
    return next(each for each in listener["filter_chains"] if each["filter_chain_match"].items() >= match.items())


def hosts(found, name="egress"):
    (routes,) = [each for each in found.routes if each["name"] == name]
    return {each["name"]: each for each in routes["virtual_hosts"]}


# Intercepted


def test_only_ports_of_http_services_are_looked_into():
    listener, _ = egress(allowed(tcp_services()))
    original, inspector = listener["listener_filters"]
    assert original["name"] == "envoy.filters.listener.original_dst"
    assert inspector["name"] == "envoy.filters.listener.http_inspector"
    assert inspector["filter_disabled"] == {"not_match": {"destination_port_range": {"start": 80, "end": 81}}}
    assert listener["listener_filters_timeout"] == "0s"


def test_a_tcp_service_has_its_port_with_weights_and_idle_time():
    listener, _ = egress(tcp_services())
    config = chain(listener, destination_port=5432)["filters"][0]["typed_config"]
    assert config["idle_timeout"] == "30s"
    assert [each["weight"] for each in config["weighted_clusters"]["clusters"]] == [50, 50]


def test_http_and_tcp_on_one_port_are_told_apart_by_looking():
    listener, _ = egress(tcp_services())
    matches = [each["filter_chain_match"] for each in listener["filter_chains"]]
    assert {"destination_port": 80, "application_protocols": ["http/1.0", "http/1.1", "h2c"]} in matches
    assert {"destination_port": 80} in matches


def test_two_tcp_services_cannot_share_a_port():
    view = mesh(
        node("a", backends=["x.local", "y.local"]),
        *(node(name, listening(5432, "tcp")) for name in ("x", "y")),
        service("x.local", virtualNode="x"),
        service("y.local", virtualNode="y"),
    )
    _, found = egress(view)
    assert [each.path for each in found.faults] == ["virtualService/y.local"]
    assert egress(view, "proxy")[1].faults == ()


def test_allow_all_lets_everything_else_through_to_where_it_was_going():
    listener, found = egress(allowed(tcp_services()))
    assert listener["default_filter_chain"]["filters"][0]["typed_config"]["cluster"] == "apps/passthrough"
    assert hosts(found)["*"]["routes"][0]["route"] == {"cluster": "apps/passthrough", "timeout": "0s"}


@pytest.mark.parametrize(("region", "domain"), [("us-east-1", "*.amazonaws.com"), ("cn-north-1", "*.amazonaws.com.cn")])
def test_drop_all_lets_nothing_through_but_aws(region, domain):
    listener, found = egress(tcp_services(), region=region)
    assert "default_filter_chain" not in listener
    assert chain(listener, destination_port=443)["filter_chain_match"]["server_names"] == [domain]
    assert "*" not in hosts(found)
    assert hosts(found)[domain]["domains"] == [domain, f"{domain}:80", f"{domain}:443"]


# As a forward proxy


def test_a_forward_proxy_is_on_loopback_and_takes_connect():
    listener, found = egress(allowed(tcp_services()), "proxy")
    assert listener["address"]["socket_address"]["address"] == "127.0.0.1"
    tcp = hosts(found)["db.local:5432"]
    assert (tcp["domains"], tcp["routes"][0]["match"]) == (["db.local:5432"], {"connect_matcher": {}})
    assert tcp["routes"][0]["route"]["weighted_clusters"]["clusters"][0]["weight"] == 50
    assert [each["route"]["cluster"] for each in hosts(found)["*"]["routes"]] == ["apps/outside"] * 2
    tunnel, *_ = hosts(found)["b.local:80"]["routes"]
    assert (tunnel["match"], tunnel["route"]["cluster"]) == ({"connect_matcher": {}}, "apps/egress")


# Gateways


def gateway_hosts(view, port=8080):
    return hosts(told(view, G), f"gateway/{port}")


def test_host_names_are_exact_or_suffixes_and_routes_for_all_are_for_each():
    routes = {name: gateway_route({"prefix": f"/{name}", "hostname": match}) for name, match in HOSTNAMES.items()}
    found = gateway_hosts(gateway(every=gateway_route({"prefix": "/every"}), **routes))
    assert {name: {each["name"] for each in host["routes"]} for name, host in found.items()} == {
        "www.example.com": {"exact", "suffix", "every"},
        "*.example.com": {"suffix", "every"},
        "*.example.org": {"star", "every"},
        "*": {"every"},
    }


def test_a_gateway_without_routes_has_nothing_for_anybody():
    assert gateway_hosts(gateway()) == {}


def test_a_gateway_route_names_the_service_and_its_port_for_the_second_step():
    view = gateway(x=gateway_route(port=81))
    (route,) = gateway_hosts(view)["*"]["routes"]
    assert route["request_headers_to_add"][0]["header"] == {"key": "x-meshift-virtual-service", "value": "b.local:81"}
    assert route["route"] == {"cluster": "apps/services/8080", "timeout": "0s", "host_rewrite_literal": "b.local"}
    services = hosts(told(view, G), "services")
    assert services["b.local:81"]["domains"] == ["b.local:81"]
    assert services["b.local:81"]["routes"][0]["route"]["cluster"] == "apps/virtualNode/b/81/http2"
    assert "c.local" not in str(services)


def test_a_gateways_connection_pool_limits_what_its_listener_leads_on():
    found = told(gateway(listening(8080, connectionPool={"http2": {"maxRequests": 9}}), listening(8081)), G)
    limits = {
        each["name"]: each["circuit_breakers"]["thresholds"][0]["max_requests"]
        for each in found.clusters
        if "services" in each["name"]
    }
    assert limits == {"apps/services/8080": 9, "apps/services/8081": 2**31 - 1}


def test_gateway_routes_are_of_the_listener_that_they_match():
    view = gateway(
        listening(8080),
        listening(8443, "grpc", tls=tls()),
        x=gateway_route({"prefix": "/", "port": 8080}),
        y=gateway_route({"serviceName": "s", "port": 8443}, kind="grpcRoute"),
    )
    assert [each["name"] for each in gateway_hosts(view)["*"]["routes"]] == ["x"]
    assert [each["name"] for each in gateway_hosts(view, 8443)["*"]["routes"]] == ["y"]


@pytest.mark.parametrize(
    ("match", "rewrite", "pattern", "substitution"),
    [
        ({"prefix": "/"}, {}, None, None),
        ({"prefix": "/shop"}, {}, "^/shop/?", "/"),
        ({"prefix": "/shop/"}, {}, "^/shop/", "/"),
        ({"prefix": "/a.b"}, {"prefix": {"value": "/new"}}, r"^/a\.b", "/new"),
        ({"prefix": "/"}, {"prefix": {"value": "/new/"}}, "^/", "/new/"),
        ({"prefix": "/shop"}, {"prefix": {"defaultPrefix": "DISABLED"}}, None, None),
        ({"path": {"exact": "/x"}}, {}, None, None),
        ({"path": {"regex": "/x.*"}}, {"path": {"exact": r"/\1"}}, "^.*$", r"/\\1"),
    ],
)
def test_paths_are_rewritten_as_the_gateway_route_says(match, rewrite, pattern, substitution):
    found = path_rewrite(match, rewrite)
    if pattern is None:
        assert found == {}
    else:
        assert found["regex_rewrite"] == {"pattern": {"regex": pattern}, "substitution": substitution}
