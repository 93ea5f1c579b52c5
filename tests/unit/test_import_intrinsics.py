"""Intrinsic functions: what is known is resolved, what is not is refused by name, and nothing else happens."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshift.importing.resources import Refusal, Resource
from tests.mesh_templates import HERE, MESH, SECTIONS, dns, hostname_of, node, template

RESOLVED = [
    ({"Ref": "Name"}, "b"),
    ({"Ref": "AWS::Region"}, "eu-west-1"),
    ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
    ({"Ref": "Mesh"}, "arn:aws:appmesh:eu-west-1:111122223333:mesh/apps"),
    ({"Fn::GetAtt": ["Mesh", "MeshOwner"]}, "111122223333"),
    ({"Fn::GetAtt": "Route.Arn"}, "arn:aws:appmesh:eu-west-1:111122223333:mesh/apps/virtualRouter/r/route/x"),
    ({"Fn::Sub": "${Name}.${Mesh.MeshName}.${!Literal}"}, "b.apps.${Literal}"),
    ({"Fn::Sub": ["${Name}.${Own}", {"Own": {"Ref": "AWS::Partition"}}]}, "b.aws"),
    ({"Fn::Join": [".", ["a", {"Ref": "Name"}, 80, True]]}, "a.b.80.true"),
    ({"Fn::Join": [".", {"Ref": "Names"}]}, "a.b"),
    ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
    ({"Fn::FindInMap": ["Hosts", {"Ref": "Name"}, "dns"]}, "b.mapped"),
    ({"Fn::FindInMap": ["Hosts", "none", "dns", {"DefaultValue": "x"}]}, "x"),
    ({"Fn::If": ["Both", "yes", {"Ref": "Unknown"}]}, "yes"),
    ({"Fn::If": ["No", {"Ref": "Unknown"}, "no"]}, "no"),
    ({"Fn::ImportValue": {"Fn::Sub": "shop:Host"}}, "b.shop"),
]


@pytest.mark.parametrize(("value", "resolved"), RESOLVED, ids=lambda value: str(value)[:40])
def test_intrinsics_are_resolved(value, resolved):
    assert hostname_of(value, HERE, **{**SECTIONS, "Resources": dict(SECTIONS["Resources"])}) == resolved


WHERE = "Spec.ServiceDiscovery.DNS.Hostname: "
UNRESOLVED = [
    ({"Ref": "Nobody"}, WHERE + "the template has no parameter or resource Nobody"),
    ({"Ref": "Domain"}, WHERE + "parameter Domain has no value; give --parameter Domain=VALUE"),
    ({"Ref": "Latest"}, WHERE + "parameter Latest has no value; give --parameter Latest=VALUE"),
    ({"Ref": "Stage"}, WHERE + "parameter Stage is dev; allowed are test, prod"),
    ({"Ref": "AWS::StackName"}, WHERE + "AWS::StackName is not known; give --parameter AWS::StackName=VALUE"),
    ({"Ref": "AWS::Region"}, WHERE + "AWS::Region is not known; give --parameter AWS::Region=VALUE"),
    (
        {"Fn::GetAtt": ["Other", "Name"]},
        WHERE + "Other.Name is no App Mesh resource's; give --parameter Other.Name=VALUE",
    ),
    ({"Fn::GetAtt": ["Mesh", "Uid"]}, WHERE + "Mesh.Uid is not known before the resource is made"),
    (
        {"Fn::GetAtt": ["Nameless", "MeshName"]},
        WHERE + "Nameless.MeshName is left to CloudFormation; write the name that it gave",
    ),
    ({"Fn::GetAtt": ["Loop", "MeshName"]}, "Loop.MeshName: Loop.MeshName depends on itself"),
    ({"Fn::GetAtt": []}, WHERE + "the function takes a list of 2"),
    ({"Fn::ImportValue": "vpc"}, WHERE + "the export vpc is another stack's; give --export vpc=VALUE"),
    ({"Fn::FindInMap": ["Hosts", "c", "dns"]}, WHERE + "Mappings has no Hosts.c.dns"),
    ({"Fn::If": ["Never", 1, 2]}, WHERE + "Conditions has no Never"),
    ({"Fn::If": ["Round", 1, 2]}, "Conditions.Round: Round depends on itself"),
    ({"Fn::Select": [3, ["a"]]}, WHERE + "Fn::Select wants item 3 of 1"),
    ({"Fn::Join": [".", "text"]}, WHERE + "a list is needed where there is none"),
    ({"Fn::Sub": [1, 2]}, WHERE + "Fn::Sub takes a text and an object of variables"),
    ({"Fn::GetAZs": ""}, WHERE + "Fn::GetAZs is not among the functions that an import resolves"),
    (
        "{{resolve:ssm:/shop/host}}",
        WHERE + "{{resolve:ssm:/shop/host}} is a dynamic reference, whose value only AWS knows",
    ),
]


@pytest.mark.parametrize(("value", "reason"), UNRESOLVED, ids=lambda value: str(value)[:40])
def test_what_is_unresolved_is_refused_by_place_and_by_what_is_missing(value, reason):
    resources = {
        "Node": dns(value),
        "Mesh": MESH,
        "Other": {"Type": "AWS::ServiceDiscovery::HttpNamespace"},
    }
    if "Fn::GetAtt" in value:
        resources["Nameless"] = {"Type": "AWS::AppMesh::Mesh"}
        loop = {"Fn::GetAtt": ["Loop", "MeshName"]}
        resources["Loop"] = {"Type": "AWS::AppMesh::Mesh", "Properties": {"MeshName": loop}}
    sections = {
        "Parameters": {
            "Domain": {"Type": "String"},
            "Latest": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/shop/host"},
            "Stage": {"Type": "String", "Default": "dev", "AllowedValues": ["test", "prod"]},
        },
        "Conditions": {"Round": {"Fn::Not": [{"Condition": "Round"}]}},
        "Mappings": {"Hosts": {"b": {"dns": "x"}}},
    }
    found = template(resources, **sections)
    assert found[0].reasons == (reason,)
    assert (found[0].kind.name, found[0].origin) == ("virtualNode", "mesh.yaml: Node")


FUNCTIONS = ["Ref", "Condition"] + [
    f"Fn::{name}"
    for name in ("GetAtt", "Sub", "Join", "Select", "Split", "FindInMap", "If", "ImportValue", "And", "Not", "Equals")
]
WORDS = st.sampled_from(
    ["Name", "Mesh", "Mesh.Arn", "Both", "Hosts", "b", "${Name}", "${Mesh.Uid}", "AWS::NoValue", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 90) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*FUNCTIONS, "Listeners", "DNS"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_whatever_stands_in_a_template_is_read_or_refused(value):
    resources = {
        "Mesh": MESH,
        "Node": dns(value),
        "Other": {**node(), "Properties": {"MeshName": value, "Spec": value}},
    }
    sections = {**SECTIONS, "Conditions": {**SECTIONS["Conditions"], "Both": value}}
    sections.pop("Resources")
    found = template(resources, HERE, **sections)
    assert [type(item) in (Resource, Refusal) for item in found] == [True] * 3
