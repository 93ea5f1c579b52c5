"""What a check finds, and what it looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gateways.clients import client
from meshift.stack import Stack
from settings import Settings

OK, WARNING, MISSING = "ok", "warning", "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the answer; `to_do` is empty where all is well."""

    level: str
    what: str
    to_do: str = ""


class Ground:
    """The stack and what it is made of, read once."""

    def __init__(self, stack: Stack) -> None:
        """Take the stack as CloudFormation describes it."""
        self.stack = stack

    @cached_property
    def settings(self) -> Settings:
        """What the stack tells its functions."""
        return self.stack.settings

    @cached_property
    def resources(self) -> Mapping[str, tuple[str, str]]:
        """Type and physical id of the stack's resources, by logical id."""
        pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack.name)
        return {
            each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", ""))
            for page in pages
            for each in page["StackResourceSummaries"]
        }

    def of_type(self, kind: str) -> dict[str, str]:
        """Return the physical ids of the stack's resources of a type, by logical id."""
        return {name: found for name, (each, found) in self.resources.items() if each == kind}
