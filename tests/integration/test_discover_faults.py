"""What cannot be translated: the rest is served as ever, its last good version in its place, and the fault is seen."""

import json

from tests.polls import ROUTE, spec, weights

# App Mesh takes it; where its certificate comes from, no Envoy but AWS's knows.
ACM = {"mode": "STRICT", "certificate": {"acm": {"certificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/1"}}}


def with_acm(name):
    listener = {"portMapping": {"port": 80, "protocol": "http2"}, "tls": ACM}
    return {**spec(name), "listeners": [listener]}


def faults(caplog):
    return [(said["path"], said["served"]) for said in map(vars, caplog.records) if said["msg"] == "fault"]


def test_the_last_good_version_stays_served_and_the_fault_is_told_once(discovery, tutorial, caplog, capsys):
    there = {"resource": "virtualNode/serviceB"}
    before = discovery.poll("listeners", **there)["body"]
    tutorial.update_virtual_node(meshName="apps", virtualNodeName="serviceB", spec=with_acm("serviceB"))
    tutorial.update_virtual_node(meshName="apps", virtualNodeName="serviceB", spec=with_acm("serviceb"))
    for _ in range(2):
        assert discovery.poll("listeners", **there)["body"] == before
    assert faults(caplog) == [("virtualNode/serviceB", "version 1")]
    said = tutorial.describe_virtual_node(meshName="apps", virtualNodeName="serviceB")["virtualNode"]["status"]
    assert said == {"status": "INACTIVE"}
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "DiscoveryFaults" in line]
    assert [each["DiscoveryFaults"] for each in metrics] == [[1.0]]


def test_a_cold_container_finds_the_last_good_version_in_the_history(discovery, tutorial):
    there = {"resource": "virtualNode/serviceB"}
    before = discovery.poll("listeners", **there)["body"]
    tutorial.update_virtual_node(meshName="apps", virtualNodeName="serviceB", spec=with_acm("serviceB"))
    discovery.restart()
    assert discovery.poll("listeners", **there)["body"] == before


def test_what_was_never_good_is_left_out_and_takes_nothing_down(discovery, tutorial, caplog):
    tutorial.create_virtual_node(meshName="apps", virtualNodeName="never", spec=with_acm("never"))
    assert discovery.names("listeners", resource="virtualNode/never") == ["egress"]
    assert discovery.names("listeners") == ["egress", "ingress"]
    assert faults(caplog) == [("virtualNode/never", "nothing")]


def test_repairing_a_resource_ends_its_fault(discovery, tutorial, caplog):
    there = {"resource": "virtualNode/serviceB"}
    tutorial.update_virtual_node(meshName="apps", virtualNodeName="serviceB", spec=with_acm("serviceB"))
    discovery.poll("listeners", **there)
    caplog.clear()
    listener = {"portMapping": {"port": 8080, "protocol": "http2"}}
    tutorial.update_virtual_node(
        meshName="apps", virtualNodeName="serviceB", spec={**spec("serviceB"), "listeners": [listener]}
    )
    said = tutorial.describe_virtual_node(meshName="apps", virtualNodeName="serviceB")["virtualNode"]["status"]
    assert said == {"status": "ACTIVE"}
    assert "8080" in discovery.poll("listeners", **there)["body"]
    assert faults(caplog) == []


def test_a_route_that_leads_to_a_port_that_is_gone_leads_where_it_led_last(discovery, tutorial, caplog):
    """The API refuses that; what was written before a rule existed, or by hand, is still in the table."""
    (item,) = [each for each in discovery.mesh.items() if each["sk"]["S"].endswith("/route/all")]
    document = json.loads(item["document"]["S"])
    tutorial.update_route(**ROUTE, spec=weights(serviceB=100))
    document["spec"]["http2Route"]["action"]["weightedTargets"][0]["virtualNode"] = "gone"
    discovery.mesh.put_items([{**item, "document": {"S": json.dumps(document)}}])
    assert discovery.weights() == {"serviceB": 75, "serviceBv2": 25}
    assert faults(caplog) == [("virtualRouter/serviceb/route/all", "version 1")]
