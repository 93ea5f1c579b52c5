"""CloudFormation templates as a source: the AWS::AppMesh::* resources in them, with their intrinsics resolved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.session import get_session

from domain.hosted.errors import ApiError
from domain.hosted.kinds import KINDS, Kind, MeshKey, arn_of, path_of
from meshift.errors import BadInput
from meshift.importing.intrinsics import NOTHING, Resolver, Unresolved, once
from meshift.importing.resources import Found, Refusal, key_of, resource_of
from meshift.importing.spelling import spelled

TYPES = {f"AWS::AppMesh::{kind.title}": kind for kind in KINDS}
SECTIONS = ("Parameters", "Mappings", "Conditions", "Resources")
PSEUDO = ("AccountId", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix")


@dataclass(frozen=True)
class Given:
    """What the command line says about templates: parameters, other stacks' exports, the Region (empty: unknown)."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    exports: Mapping[str, str] = field(default_factory=dict)
    region: str = ""


class Template:
    """One template. `origin` names its file in messages; `document` is what was parsed from it."""

    def __init__(self, document: Mapping[str, Any], origin: str, given: Given) -> None:
        self.origin = origin
        self.given = given
        sections = {name: section(document, name, origin) for name in SECTIONS}
        self.parameters = objects_in(sections, "Parameters", origin)
        self.resources = objects_in(sections, "Resources", origin)
        self.resolver = Resolver(sections, self.symbol, given.exports)
        self.looking_up: set[str] = set()

    def found(self) -> Iterator[Found]:
        """Read the App Mesh resources whose condition holds."""
        for logical, body in self.resources.items():
            kind = TYPES.get(str(body.get("Type")))
            if kind is None:
                continue
            try:
                if "Condition" not in body or self.resolver.condition(body["Condition"]):
                    yield self.resource(kind, logical, self.properties(logical))
            except Unresolved as error:
                yield self.refused(kind, logical, *error.texts)

    def resource(self, kind: Kind, logical: str, properties: Mapping[str, Any]) -> Found:
        try:
            members = spelled(
                self.resolver.all_of((key, item, key) for key, item in properties.items()), f"Create{kind.title}Input"
            )
        except ApiError as error:
            return self.refused(kind, logical, error.message)
        if kind.name_member not in members:
            member = f"{kind.title}Name"
            return self.refused(kind, logical, f"{member} is left to CloudFormation; write the name that it gave")
        return resource_of(kind, members, f"{self.origin}: {logical}", logical)

    def refused(self, kind: Kind, logical: str, *reasons: str) -> Refusal:
        try:
            key = key_of(kind, {member_of(part): self.attribute(logical, part) for part in names_in(kind)})
        except Unresolved:
            key = None
        return Refusal(kind, logical, f"{self.origin}: {logical}", reasons, key)

    def properties(self, logical: str) -> dict[str, Any]:
        found = self.resources[logical].get("Properties") or {}
        if not isinstance(found, dict):
            raise Unresolved(("Properties", "an object is needed"))
        return found

    def knows(self, name: str) -> bool:
        """Tell whether a `--parameter` of that name can mean something here."""
        logical = name.partition(".")[0]
        return name in self.parameters or logical in self.resources or name.removeprefix("AWS::") in PSEUDO

    def symbol(self, name: str, attribute: str | None) -> Any:
        """Look up a Ref (attribute None) or a GetAtt; what the command line gives comes first."""
        given = self.given.parameters.get(name if attribute is None else f"{name}.{attribute}")
        if name in self.parameters and attribute is None:
            return self.parameter(name, given)
        if given is not None:
            return given
        if name.startswith("AWS::") and attribute is None:
            return self.pseudo(name)
        if name not in self.resources:
            raise Unresolved(f"the template has no parameter or resource {name}")
        if str(self.resources[name].get("Type")) in TYPES:
            return self.attribute(name, attribute or "Arn")
        wanted = name if attribute is None else f"{name}.{attribute}"
        raise Unresolved(f"{wanted} is no App Mesh resource's; give --parameter {wanted}=VALUE")

    def parameter(self, name: str, given: str | None) -> Any:
        """The value of a declared parameter: given, or its default unless that only names an SSM parameter."""
        declared = self.parameters[name]
        kind = str(declared.get("Type", "String"))
        value = given if given is not None or kind.startswith("AWS::SSM::") else declared.get("Default")
        if value is None:
            raise Unresolved(f"parameter {name} has no value; give --parameter {name}=VALUE")
        allowed = declared.get("AllowedValues")
        if allowed and str(value) not in map(str, allowed):
            raise Unresolved(f"parameter {name} is {value}; allowed are {', '.join(map(str, allowed))}")
        return [item.strip() for item in str(value).split(",")] if "List" in kind else value

    def pseudo(self, name: str) -> Any:
        """A pseudo parameter: what follows from the Region is derived, the rest must be given."""
        if name == "AWS::NoValue":
            return NOTHING
        if name == "AWS::Region" and self.given.region:
            return self.given.region
        if name in ("AWS::Partition", "AWS::URLSuffix"):
            resolver = get_session().get_component("endpoint_resolver")
            try:
                partition = resolver.get_partition_for_region(self.symbol("AWS::Region", None))
            except BotoCoreError as error:
                raise Unresolved(str(error)) from error
            return partition if name == "AWS::Partition" else resolver.get_partition_dns_suffix(partition)
        raise Unresolved(f"{name} is not known; give --parameter {name}=VALUE")

    def attribute(self, logical: str, attribute: str) -> str:
        """What CloudFormation's `AWS::AppMesh::*` give back: their ARN for Ref, Arn and Id; names and owners."""
        kind = TYPES[self.resources[logical]["Type"]]
        properties = self.properties(logical)
        with once(f"{logical}.{attribute}", self.looking_up):
            if attribute in ("MeshOwner", "ResourceOwner"):
                owner = properties.get("MeshOwner") if attribute == "MeshOwner" else None
                return self.resolver.text(owner or {"Ref": "AWS::AccountId"}, f"{logical}.{attribute}")
            if attribute in ("Arn", "Id"):
                names = {part: self.attribute(logical, part) for part in names_in(kind)}
                mesh = MeshKey(self.attribute(logical, "MeshOwner"), names["MeshName"])
                path = path_of(kind, {member_of(part): value for part, value in names.items()})
                return arn_of(str(self.pseudo("AWS::Partition")), self.symbol("AWS::Region", None), mesh, path)
            if attribute not in names_in(kind):
                raise Unresolved(f"{logical}.{attribute} is not known before the resource is made")
            if attribute not in properties:
                raise Unresolved(f"{logical}.{attribute} is left to CloudFormation; write the name that it gave")
            return self.resolver.text(properties[attribute], f"{logical}.{attribute}")


def names_in(kind: Kind) -> list[str]:
    """The properties that name a resource: its mesh's, its parent's, its own."""
    parents = ["MeshName"] + ([f"{kind.parent[0].upper()}{kind.parent[1:]}Name"] if kind.parent else [])
    return [*dict.fromkeys([*parents, f"{kind.title}Name"])]


def member_of(part: str) -> str:
    """Spell one of those as the API does."""
    return part[0].lower() + part[1:]


def objects_in(sections: Mapping[str, dict[str, Any]], name: str, origin: str) -> dict[str, Any]:
    """A section whose entries are objects, and none a loop or an App Mesh type that is not there."""
    for key, body in sections[name].items():
        if str(key).startswith("Fn::"):
            raise BadInput(f"{origin}: {name}.{key} makes entries of its own; write them out")
        if not isinstance(body, dict):
            raise BadInput(f"{origin}: {name}.{key} is no object")
        kind = str(body.get("Type"))
        if kind.startswith("AWS::AppMesh::") and kind not in TYPES:
            raise BadInput(f"{origin}: {name}.{key} is of type {kind}; App Mesh has {', '.join(TYPES)}")
    return sections[name]


def section(document: Mapping[str, Any], name: str, origin: str) -> dict[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, dict):
        raise BadInput(f"{origin}: {name} is no object")
    return found
