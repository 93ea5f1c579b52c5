"""The template as CloudFormation would resolve it: environments, rules, policies, for a choice of parameters."""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import yaml

from tests.hosted_mesh import OWNER, REGION
from tests.template import ROOT, template

Document = dict[str, Any]
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": OWNER,
    "AWS::StackName": "meshift",
    "AWS::URLSuffix": "amazonaws.com",
}
_SERVICE = {
    "AWS::Serverless::Function": "lambda",
    "AWS::Serverless::StateMachine": "states",
    "AWS::SQS::Queue": "sqs",
    "AWS::SNS::Topic": "sns",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::Logs::LogGroup": "logs",
    "AWS::Events::Rule": "events",
    "AWS::IAM::ManagedPolicy": "iam",
}
_PREFIX = {
    "lambda": "function:",
    "states": "stateMachine:",
    "dynamodb": "table/",
    "logs": "log-group:",
    "events": "rule/",
    "iam": "policy/",
}
_REF_IS_ARN = {"AWS::Serverless::StateMachine", "AWS::SNS::Topic", "AWS::IAM::ManagedPolicy"}
_NOTHING = object()


class Stack:
    """A stack of the template; physical names are the logical ones."""

    def __init__(self, **parameters: str) -> None:
        self.template: Document = template()
        self.parameters = parameters

    def resolved(self, value: Any) -> Any:
        """Resolve the intrinsic functions in a part of the template."""
        if isinstance(value, list):
            return [each for each in map(self.resolved, value) if each is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in ("Ref", "Condition") and isinstance(argument, str):
                return self._ref(argument) if name == "Ref" else self.holds(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        return {key: each for key, item in value.items() if (each := self.resolved(item)) is not _NOTHING}

    def holds(self, condition: str) -> bool:
        """Say whether a condition of the template holds."""
        return bool(self.resolved(self.template["Conditions"][condition]))

    def of_type(self, kind: str) -> dict[str, Document]:
        """The resources of a type that this stack has, by logical id."""
        return {
            name: each
            for name, each in self.template["Resources"].items()
            if each["Type"] == kind and ("Condition" not in each or self.holds(each["Condition"]))
        }

    @cached_property
    def functions(self) -> dict[str, Document]:
        """The functions by logical id: `{"Handler", "Environment", "Timeout", "Role", …}`, resolved."""
        common = self.resolved(self.template["Globals"]["Function"])
        found = {}
        for name, each in self.of_type("AWS::Serverless::Function").items():
            own = {key: self.resolved(item) for key, item in each["Properties"].items() if key != "VersionDescription"}
            variables = {
                **common["Environment"]["Variables"],
                **own.get("Environment", {}).get("Variables", {}),
                "AWS_REGION": REGION,
            }
            found[name] = {**common, **own, "Environment": {key: str(item) for key, item in variables.items()}}
        return found

    @cached_property
    def machines(self) -> dict[str, Document]:
        """The state machines' definitions by ARN, their functions by logical id."""
        found = {}
        for name, each in self.of_type("AWS::Serverless::StateMachine").items():
            text = (ROOT / each["Properties"]["DefinitionUri"]).read_text()
            for key, item in each["Properties"].get("DefinitionSubstitutions", {}).items():
                text = text.replace(f"${{{key}}}", str(self.resolved(item)))
            found[self.physical(name)] = yaml.safe_load(text)
        return found

    def statements(self, role: str) -> list[Document]:
        """The statements of a role's policies, also of those that name the role."""
        properties = self.template["Resources"][role]["Properties"]
        documents = [each["PolicyDocument"] for each in self.resolved(properties["Policies"])]
        for policy in self.of_type("AWS::IAM::Policy").values():
            if {"Ref": role} in policy["Properties"]["Roles"]:
                documents.append(self.resolved(policy["Properties"]["PolicyDocument"]))
        return [statement for document in documents for statement in document["Statement"]]

    def physical(self, name: str, attribute: str = "Ref") -> str:
        """Name a resource as Ref or GetAtt would."""
        name, _, version = name.partition(".")
        if name not in self.template["Resources"] and name.endswith("Url"):  # SAM makes it beside its function
            return f"https://{name.lower()}.lambda-url.{REGION}.on.aws/"
        kind = self.template["Resources"][name]["Type"]
        arn = self._arn(name, kind)
        if version:
            return f"{arn}:1"
        if attribute == "Arn" or (attribute == "Ref" and kind in _REF_IS_ARN):
            return arn
        if attribute == "Ref" and kind == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{OWNER}/{name}"
        return name

    def _arn(self, name: str, kind: str) -> str:
        service = _SERVICE.get(kind, "")
        region = "" if service == "iam" else REGION
        end = ":*" if service == "logs" else ""  # the ARN of a log group is that of its streams
        return f"arn:aws:{service}:{region}:{OWNER}:{_PREFIX.get(service, '')}{name}{end}"

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.template["Parameters"]:
            default = self.parameters.get(name, self.template["Parameters"][name].get("Default", ""))
            is_list = "List" in self.template["Parameters"][name]["Type"]
            return [each for each in str(default).split(",") if each] if is_list else default
        return self.physical(name)

    def _function(self, name: str, argument: Any) -> Any:
        if name == "Fn::If":
            return self.resolved(argument[1] if self.holds(argument[0]) else argument[2])
        if name == "Fn::GetAtt":
            return self.physical(*argument)
        if name == "Fn::Sub":
            text, more = argument if isinstance(argument, list) else (argument, {})
            return re.sub(r"\$\{([\w.:]+)\}", lambda found: self._substituted(found[1], more), text)
        if name == "Fn::Join":
            return str(argument[0]).join(str(each) for each in self.resolved(argument[1]))
        arguments = self.resolved(argument)
        if name == "Fn::Equals":
            return str(arguments[0]) == str(arguments[1])
        if name == "Fn::Not":
            return not arguments[0]
        if name in ("Fn::And", "Fn::Or"):
            return all(arguments) if name == "Fn::And" else any(arguments)
        raise NotImplementedError(name)

    def _substituted(self, name: str, more: Mapping[str, Any]) -> str:
        if name in more:
            return str(self.resolved(more[name]))
        base, _, attribute = name.partition(".")
        return self.physical(base, attribute) if attribute else str(self._ref(name))


@cache
def stack_of(**parameters: str) -> Stack:
    """The one stack with these parameters: reading its state machines takes long."""
    return Stack(**parameters)
