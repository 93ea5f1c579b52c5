"""The template and the state machine as data, for tests that look at them."""

from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short intrinsics (`!Ref x`) as the long ones (`{"Ref": "x"}`)."""


def _intrinsic(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template():
    return yaml.load((ROOT / "template.yaml").read_text(), _Loader)


@cache
def state_machine():
    return yaml.safe_load((ROOT / "statemachine" / "rollout.asl.yaml").read_text())


@cache
def fleet_machine():
    return yaml.safe_load((ROOT / "statemachine" / "fleet.asl.yaml").read_text())


def resources(kind):
    """The template's resources of one type, by logical id."""
    return {name: each for name, each in template()["Resources"].items() if each["Type"] == kind}


def statements(role):
    """All statements of a role's inline policies, those under a condition too."""
    found = [s for policy in role["Properties"]["Policies"] for s in policy["PolicyDocument"]["Statement"]]
    flat = [branch for each in found for branch in (each["Fn::If"][1:] if "Fn::If" in each else [each])]
    return [each for each in flat if each != {"Ref": "AWS::NoValue"}]
