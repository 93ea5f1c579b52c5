"""Small CloudFormation templates for tests of the import, and what becomes of them."""

from meshift.importing.resources import Refusal, Resource
from meshift.importing.templates import Given, Template

MESH = {"Type": "AWS::AppMesh::Mesh", "Properties": {"MeshName": "apps"}}
ROUTE = {
    "Type": "AWS::AppMesh::Route",
    "Properties": {"MeshName": {"Fn::GetAtt": "Mesh.MeshName"}, "VirtualRouterName": "r", "RouteName": "x"},
}
HERE = Given({"AWS::AccountId": "111122223333", "Name": "b"}, {"shop:Host": "b.shop"}, "eu-west-1")
SECTIONS = {
    "Parameters": {"Name": {"Type": "String"}, "Names": {"Type": "List<String>", "Default": "a, b"}},
    "Mappings": {"Hosts": {"b": {"dns": "b.mapped"}}},
    "Conditions": {
        "Yes": {"Fn::Equals": [{"Ref": "Name"}, "b"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]},
        "Both": {"Fn::And": [{"Condition": "Yes"}, {"Fn::Or": [{"Condition": "No"}, {"Condition": "Yes"}]}]},
    },
    "Resources": {"Mesh": MESH, "Route": ROUTE},
}


def template(resources, given=None, **sections):
    given = given or Given()
    return list(Template({"Resources": resources, **sections}, "mesh.yaml", given).found())


def node(name="serviceB", **spec):
    return {
        "Type": "AWS::AppMesh::VirtualNode",
        "Properties": {"MeshName": "apps", "VirtualNodeName": name, "Spec": spec},
    }


def dns(hostname):
    return node(ServiceDiscovery={"DNS": {"Hostname": hostname}})


def hostname_of(value, given=None, **sections):
    """Let a value be resolved as a node's host name; other sections of the template may be given."""
    resources = {"Node": dns(value), **sections.pop("Resources", {})}
    found = next(iter(template(resources, given, **sections)))
    assert isinstance(found, Resource), found.reasons
    return found.spec["serviceDiscovery"]["dns"]["hostname"]


def reasons_of(resources, given=None, **sections):
    found = [item for item in template(resources, given, **sections) if isinstance(item, Refusal)]
    return [reason for item in found for reason in item.reasons]
