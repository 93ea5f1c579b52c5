"""CloudFormation templates become resources; what cannot be known is refused by name."""

import json
from pathlib import Path

import pytest

from meshift.errors import BadInput
from meshift.importing.files import read_files
from meshift.importing.resources import Resource
from meshift.importing.templates import Given
from tests.mesh_templates import HERE, MESH, dns, node, reasons_of, template

APPS = Path(__file__).parents[1] / "data" / "apps-mesh.yaml"
DOMAIN = {"Domain": "apps.local"}


def test_the_tutorials_template_becomes_its_ten_resources_in_the_apis_spelling():
    found = {item.path: item for item in read_files([APPS], Given(DOMAIN))}
    assert all(isinstance(item, Resource) for item in found.values())
    assert len(found) == 10
    assert found["virtualNode/serviceB"].spec["listeners"][0]["timeout"] == {
        "http2": {"idle": {"unit": "s", "value": 30}}
    }
    assert found["virtualNode/serviceB"].tags == {"release": "1"}
    assert found["virtualNode/serviceBv2"].spec["serviceDiscovery"]["awsCloudMap"]["serviceName"] == "servicebv2"
    assert found["virtualNode/serviceA"].spec["backends"] == [
        {"virtualService": {"virtualServiceName": "serviceb.apps.local"}}
    ]
    route = found["virtualRouter/serviceB/route/serviceB"].spec["http2Route"]
    assert [target["weight"] for target in route["action"]["weightedTargets"]] == [75, 25]
    assert route["retryPolicy"]["perRetryTimeout"] == {"unit": "s", "value": 10}
    assert found["virtualGateway/edge/gatewayRoute/shop"].names["meshName"] == "apps"


def test_a_condition_that_does_not_hold_leaves_its_resources_and_values_out():
    found = {item.path: item for item in read_files([APPS], Given({**DOMAIN, "WithEdge": "false"}))}
    assert not [path for path in found if path.startswith("virtualGateway")]
    assert "logging" not in found["virtualNode/serviceA"].spec


def test_json_and_yaml_templates_say_the_same(tmp_path):
    resources = {
        "Node": dns({"Fn::GetAtt": ["Space", "Name"]}),
        "Space": {"Type": "AWS::ServiceDiscovery::HttpNamespace"},
    }
    long = tmp_path / "mesh.json"
    long.write_text(json.dumps({"Resources": resources}, indent="\t"))
    short = tmp_path / "mesh.yaml"
    short.write_text(
        json.dumps({"Resources": resources}).replace('{"Fn::GetAtt": ["Space", "Name"]}', "!GetAtt Space.Name")
    )
    given = Given({"Space.Name": "b.apps.local"})
    first, second = (read_files([path], given)[0] for path in (long, short))
    assert first.spec == second.spec == {"serviceDiscovery": {"dns": {"hostname": "b.apps.local"}}}


def test_all_that_is_missing_in_a_resource_is_named_at_once():
    body = node({"Ref": "Name"}, ServiceDiscovery={"DNS": {"Hostname": {"Fn::Sub": "b.${Domain}"}}})
    assert reasons_of({"Node": body}) == [
        "VirtualNodeName: the template has no parameter or resource Name",
        "Spec.ServiceDiscovery.DNS.Hostname: the template has no parameter or resource Domain",
    ]


UNFIT = [
    ({"Listners": []}, "Spec.Listners is not known to App Mesh; known are backendDefaults, backends, listeners, "),
    ({"Listeners": [{"PortMapping": {"Port": 80, "Kind": "x"}}]}, "Spec.Listeners[0].PortMapping.Kind is not known"),
    ({"Listeners": [{"PortMapping": {"Port": 80}}]}, "spec.listeners[0].portMapping.protocol is required"),
    (
        {"Listeners": [{"PortMapping": {"Port": "web", "Protocol": "http"}}]},
        "spec.listeners[0].portMapping.port must be",
    ),
    ({"ServiceDiscovery": {"DNS": {"Hostname": "b"}, "Dns": {}}}, "Spec.ServiceDiscovery.Dns is given twice"),
    (
        {"Listeners": [{"PortMapping": {"Port": 80, "Protocol": "udp"}}]},
        "spec.listeners[0].portMapping.protocol is 'udp'",
    ),
]


@pytest.mark.parametrize(("spec", "reason"), UNFIT, ids=lambda value: str(value)[:40])
def test_what_the_api_does_not_know_is_refused_by_path(spec, reason):
    (found,) = reasons_of({"Node": node(**spec)})
    assert found.startswith(reason)


def test_a_name_that_cloudformation_would_make_up_is_refused():
    body = {"Type": "AWS::AppMesh::VirtualNode", "Properties": {"MeshName": "apps", "Spec": {}}}
    assert reasons_of({"Node": body}) == ["VirtualNodeName is left to CloudFormation; write the name that it gave"]


def test_a_ref_where_a_name_belongs_gives_the_arn_and_is_refused_as_by_aws():
    resources = {
        "Mesh": MESH,
        "Node": {**dns("b"), "Properties": {**dns("b")["Properties"], "MeshName": {"Ref": "Mesh"}}},
    }
    (reason,) = reasons_of(resources, HERE)
    assert reason.startswith("meshName is 'arn:aws:appmesh:eu-west-1:111122223333:mesh/apps'")


def test_a_loop_over_resources_is_bad_input():
    with pytest.raises(BadInput, match=r"Resources\.Fn::ForEach::Nodes makes entries of its own"):
        template({"Fn::ForEach::Nodes": ["Name", ["a"], {}]})


def test_a_parameter_that_no_template_has_is_bad_input():
    with pytest.raises(BadInput, match="--parameter Domian: no template has"):
        read_files([APPS], Given({"Domian": "apps.local"}))


MALFORMED = [
    ({"Node": ["a"]}, {}, r"Resources\.Node is no object"),
    (
        {"Node": {"Type": "AWS::AppMesh::Sidecar"}},
        {},
        r"Resources\.Node is of type AWS::AppMesh::Sidecar; App Mesh has",
    ),
    ({}, {"Parameters": {"Domain": "String"}}, r"Parameters\.Domain is no object"),
    ({}, {"Conditions": []}, None),
    ({}, {"Mappings": "a"}, "Mappings is no object"),
]


@pytest.mark.parametrize(("resources", "sections", "message"), MALFORMED)
def test_a_template_that_is_malformed_is_bad_input(resources, sections, message):
    if message is None:
        assert template(resources, **sections) == []
    else:
        with pytest.raises(BadInput, match=message):
            template(resources, **sections)


def test_properties_that_are_no_object_are_refused():
    assert reasons_of({"Node": {"Type": "AWS::AppMesh::VirtualNode", "Properties": [1]}}) == [
        "Properties: an object is needed"
    ]
