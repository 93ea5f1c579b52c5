"""Nodes: their listeners and applications, and their clusters as callers have them."""

import pytest

from domain.discovery.configuration import Fault, Instance, Options, cloud_map_queries, configuration
from tests.certificates import NAME, certificate
from tests.discovery_cases import CLOUD_MAP, HEALTH, INSTANCES, caller, everything, logging, policy, tls, told
from tests.discovery_meshes import dns, listening, mesh, node

A, B = "virtualNode/a", "virtualNode/b"


def cluster(view, name="apps/virtualNode/b/80/http2", path=A, **more):
    found = told(view, path)
    return next(each for each in found.clusters if each["name"] == name)


def addresses(found):
    (locality,) = found["load_assignment"]["endpoints"]
    sockets = [each["endpoint"]["address"]["socket_address"] for each in locality["lb_endpoints"]]
    return [(each["address"], each["port_value"]) for each in sockets]


def ingress(view, path=B, mode="transparent"):
    found = told(view, path, mode)
    return next(each for each in found.listeners if each["name"] == "ingress"), found


# Clusters


@pytest.mark.parametrize(
    ("discovery", "type_", "family"),
    [
        (dns("b"), "LOGICAL_DNS", "AUTO"),
        (dns("b", responseType="LOADBALANCER", ipPreference="IPv4_ONLY"), "LOGICAL_DNS", "V4_ONLY"),
        (dns("b", responseType="ENDPOINTS", ipPreference="IPv4_PREFERRED"), "STRICT_DNS", "V4_PREFERRED"),
        (dns("b", ipPreference="IPv6_ONLY"), "LOGICAL_DNS", "V6_ONLY"),
    ],
)
def test_dns_is_resolved_as_the_node_says(discovery, type_, family):
    found = cluster(caller(listening(), serviceDiscovery=discovery))
    assert (found["type"], found["dns_lookup_family"]) == (type_, family)
    assert addresses(found) == [("b.apps.local", 80)]


def test_a_nodes_ip_preference_comes_before_its_meshs():
    spec = {"serviceDiscovery": {"ipPreference": "IPv6_ONLY"}}
    own = caller(listening(), serviceDiscovery=dns("b", ipPreference="IPv4_ONLY"))
    assert cluster(mesh(*own.resources.items(), spec=spec))["dns_lookup_family"] == "V4_ONLY"
    assert cluster(mesh(*caller(listening()).resources.items(), spec=spec))["dns_lookup_family"] == "V6_ONLY"


def test_cloud_maps_healthy_instances_are_endpoints_at_the_ports_that_they_registered():
    found = cluster(caller(listening(), serviceDiscovery=CLOUD_MAP))
    assert (found["type"], addresses(found)) == ("STATIC", [("10.0.0.1", 80), ("10.0.0.2", 31002)])


def test_instances_that_are_all_unhealthy_are_as_good_as_any():
    view = caller(listening(), serviceDiscovery=CLOUD_MAP)
    sick = [Instance("10.0.0.3", 31003, False, {})]
    answers = dict.fromkeys(cloud_map_queries(view, A), sick)
    found = configuration(view, A, Options("proxy", "us-east-1"), answers)
    assert [addresses(each) for each in found.clusters if "/b/" in each["name"]] == [[("10.0.0.3", 31003)]]


def test_the_port_that_an_instance_registered_says_nothing_of_a_node_with_several():
    view = caller(listening(80), serviceDiscovery=CLOUD_MAP)
    view.resources[B]["spec"]["listeners"].append(listening(81, "grpc"))
    assert addresses(cluster(view)) == [("10.0.0.1", 80), ("10.0.0.2", 80)]
    assert addresses(cluster(view, "apps/virtualNode/b/81/grpc")) == [("10.0.0.1", 81), ("10.0.0.2", 81)]


def test_ipv6_is_taken_from_cloud_map_where_it_is_preferred():
    discovery = {"awsCloudMap": {**CLOUD_MAP["awsCloudMap"], "ipPreference": "IPv6_ONLY"}}
    assert addresses(cluster(caller(listening(), serviceDiscovery=discovery))) == [("fd00::2", 31002)]


def test_only_instances_with_all_attributes_of_the_node_count():
    attributes = [{"key": "AWS_INSTANCE_IPV4", "value": INSTANCES[0].address}]
    discovery = {"awsCloudMap": {**CLOUD_MAP["awsCloudMap"], "attributes": attributes}}
    assert addresses(cluster(caller(listening(), serviceDiscovery=discovery))) == [("10.0.0.2", 31002)]


def test_a_node_without_service_discovery_has_no_endpoints_and_is_no_fault():
    view = caller(listening())
    del view.resources[B]["spec"]["serviceDiscovery"]
    assert addresses(cluster(view)) == []
    assert told(view, A).faults == ()


def test_health_checks_and_outlier_detection_are_the_callers():
    found = cluster(caller(everything(80, "http2")))
    (check,) = found["health_checks"]
    assert check["http_health_check"] == {"host": "b.apps.local", "path": "/health", "codec_client_type": "HTTP2"}
    assert (check["interval"], check["timeout"], check["unhealthy_threshold"]) == ("5s", "2s", 3)
    assert found["outlier_detection"]["consecutive_5xx"] == 5
    assert found["outlier_detection"]["base_ejection_time"] == "0.500s"
    assert found["circuit_breakers"]["thresholds"][0]["max_requests"] == 2**31 - 1


def test_a_grpc_health_check_of_an_http_listener_is_a_fault_of_that_node():
    found = told(caller(listening(80, "http", healthCheck={**HEALTH, "protocol": "grpc"})), A)
    assert [each.path for each in found.faults] == [B]


# Listeners


@pytest.mark.parametrize(
    ("protocol", "limits"),
    [
        ("http", {"max_connections": 7, "max_pending_requests": 8}),
        ("http2", {"max_requests": 9}),
        ("tcp", {"max_connections": 7}),
    ],
)
def test_a_connection_pool_guards_the_application(protocol, limits):
    found = cluster(caller(everything(80, protocol)), f"apps/ingress/b/80/{protocol}", B)
    assert limits.items() <= found["circuit_breakers"]["thresholds"][0].items()
    assert addresses(found) == [("127.0.0.1", 80)]


def test_a_listeners_timeouts_are_those_of_its_requests():
    listener, _ = ingress(caller(everything(80, "http2")))
    (entry,) = listener["filter_chains"][0]["filters"]
    (route,) = entry["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    assert route["route"] == {"cluster": "apps/ingress/b/80/http2", "timeout": "0.500s", "idle_timeout": "30s"}


def test_ports_are_told_apart_where_traffic_is_intercepted_and_only_there():
    view = mesh(node("b", listening(80), listening(81, "tcp")))
    listener, _ = ingress(view)
    matches = [each["filter_chain_match"] for each in listener["filter_chains"]]
    assert matches == [{"destination_port": 80}, {"destination_port": 81}]
    assert listener["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 15000}
    (chain,) = ingress(view, mode="proxy")[0]["filter_chains"]
    assert "filter_chain_match" not in chain


def test_where_ipv6_is_preferred_envoy_and_application_have_it():
    view = mesh(node("b"), spec={"serviceDiscovery": {"ipPreference": "IPv6_PREFERRED"}})
    listener, found = ingress(view)
    assert listener["address"]["socket_address"] == {"address": "::", "port_value": 15000, "ipv4_compat": True}
    assert addresses(next(each for each in found.clusters if "ingress" in each["name"])) == [("::1", 80)]


@pytest.mark.parametrize(("mode", "chains"), [("DISABLED", [False]), ("STRICT", [True]), ("PERMISSIVE", [False, True])])
def test_a_listener_takes_tls_as_its_mode_says(mode, chains):
    listener, _ = ingress(mesh(node("b", listening(tls=tls(mode)))))
    assert ["transport_socket" in each for each in listener["filter_chains"]] == chains
    inspected = "tls_inspector" in str(listener["listener_filters"])
    assert inspected == (mode == "PERMISSIVE")


def test_mutual_tls_asks_for_a_certificate_by_name():
    listener, _ = ingress(mesh(node("b", listening(tls=tls("STRICT", "file", "spiffe://x/y", mutual=True)))))
    context = listener["filter_chains"][0]["transport_socket"]["typed_config"]
    assert context["require_client_certificate"] is True
    trusted = context["common_tls_context"]["validation_context"]
    assert trusted["match_typed_subject_alt_names"] == [{"san_type": "URI", "matcher": {"exact": "spiffe://x/y"}}]


def test_a_certificate_of_acms_closes_that_port_and_says_so():
    view = mesh(node("b", listening(80, tls=tls("STRICT", "acm")), listening(81)))
    listener, found = ingress(view)
    assert [each["filter_chain_match"]["destination_port"] for each in listener["filter_chains"]] == [81]
    said = "spec.listeners[0].tls.certificate.acm: Envoy cannot get ACM's certificates; use file or sds"
    assert found.faults == (Fault(B, said),)


# Client policies


def context_of(view, name="apps/virtualNode/b/80/http2", path=A):
    socket = cluster(view, name, path).get("transport_socket")
    return socket and socket["typed_config"]


def names(context):
    trusted = context["common_tls_context"]["validation_context"]
    return [each["matcher"]["exact"] for each in trusted["match_typed_subject_alt_names"]]


def test_without_a_policy_tls_is_spoken_where_it_is_taken():
    assert context_of(caller(listening())) is None
    for mode in ("STRICT", "PERMISSIVE"):
        assert "validation_context" not in context_of(caller(listening(tls=tls(mode))))["common_tls_context"]
    assert context_of(caller(listening(tls=tls("DISABLED")))) is None


def test_an_enforced_policy_speaks_tls_and_checks_the_name():
    context = context_of(caller(listening(), default=policy()))
    assert (names(context), context["sni"]) == (["b.apps.local"], "b.apps.local")
    assert context["common_tls_context"]["validation_context"]["trusted_ca"] == {"filename": certificate()[0]}
    by_cloud_map = caller(listening(), default=policy(), serviceDiscovery=CLOUD_MAP)
    assert names(context_of(by_cloud_map)) == [NAME]
    assert names(context_of(caller(listening(), default=policy("file", "x", "10.0.0.1")))) == ["x", "10.0.0.1"]


def test_a_policy_is_for_its_ports_and_only_when_enforced():
    assert context_of(caller(listening(), default=policy(ports=[443]))) is None
    assert context_of(caller(listening(), default=policy(ports=[443, 80]))) is not None
    assert context_of(caller(listening(), default=policy(enforce=False))) is None


def test_a_backends_own_policy_has_a_cluster_of_its_own():
    view = caller(listening(), own=policy("file", "own"), default=policy("file", "default"))
    name = "apps/virtualNode/b/80/http2/b.local"
    assert names(context_of(view, name)) == ["own"]
    assert cluster(view, name)["alt_stat_name"] == "apps/virtualNode/b/80/http2"
    hosts = told(view, A).routes[0]["virtual_hosts"]
    assert hosts[0]["routes"][0]["route"]["cluster"] == name


def test_trust_in_acms_authorities_is_a_fault_of_the_caller_and_never_plain_text():
    found = told(caller(listening(), default=policy("acm")), A)
    assert [each["name"] for each in found.clusters if "/b/" in each["name"]] == []
    assert [each.path for each in found.faults] == [A]
    assert "spec.backendDefaults.clientPolicy.tls.validation" in found.faults[0].message


# Access logs


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ({}, {}),
        ({"text": "%PROTOCOL%\n"}, {"log_format": {"text_format_source": {"inline_string": "%PROTOCOL%\n"}}}),
        ({"json": [{"key": "k", "value": "%PROTOCOL%"}]}, {"log_format": {"json_format": {"k": "%PROTOCOL%"}}}),
    ],
)
def test_access_logs_go_to_the_file_in_the_format_that_is_asked_for(form, written):
    listener, found = ingress(mesh(node("b", logging=logging(**form))))
    config = listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"][0]["typed_config"]
    assert {key: value for key, value in config.items() if key != "@type"} == {"path": "/dev/null", **written}
    assert found.faults == ()


def test_a_format_that_envoy_does_not_take_is_left_out_and_is_a_fault():
    listener, found = ingress(mesh(node("b", logging=logging(text="100%"))))
    assert "log_format" not in str(listener)
    assert [each.path for each in found.faults] == [B]
