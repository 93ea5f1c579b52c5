"""Every call of AWS that the gateways can make, read off their sources, and those that the flows make, recorded.

A gateway calls operations by their names, as methods of a client or to a paginator: so whatever in it has the name of
an operation of a service that it makes a client of, is one. `python -m tests.faults.called` prints those of each flow.
"""

import ast
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from botocore import xform_name
from botocore.session import get_session

from tests.cloud.cloud import in_force
from tests.faults.flows import FLOWS, Flow
from tests.template import ROOT

GATEWAYS = ROOT / "functions" / "gateways"


@dataclass(frozen=True)
class Recorded:
    """One flow without a fault."""

    calls: tuple[str, ...]
    """`service:Operation` each, in the order of their first time."""
    states: Mapping[str, frozenset[str]]
    """The states that were entered, by state machine."""


@cache
def recorded(flow: Flow) -> Recorded:
    """Let a flow happen, and see what it calls and which states it enters."""
    cloud = flow.fresh()
    since = len(cloud.states.executions)
    with in_force(cloud):
        flow.act(cloud)
        cloud.run()
    states: dict[str, frozenset[str]] = {}
    for each in list(cloud.states.executions.values())[since:]:
        machine = each.machine.rpartition(":")[2]
        states[machine] = states.get(machine, frozenset()) | set(each.path)
    return Recorded(
        tuple(dict.fromkeys(f"{each.service}:{each.operation}" for each in cloud.asked if each.function)), states
    )


def of_gateways() -> dict[str, set[str]]:
    """The calls that each gateway can make, by the name of its module."""
    return {path.stem: set(_calls(path)) for path in sorted(GATEWAYS.glob("*.py"))}


def _calls(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    names = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    names |= {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    for service in set(_services(tree)):
        model = get_session().get_service_model(service)
        for operation in model.operation_names:
            if xform_name(operation) in names:
                yield f"{model.service_id.hyphenize()}:{operation}"


def _services(tree: ast.AST) -> Iterator[str]:
    """The services that a module makes clients of: `client("ecs")`, `boto3.client("lambda", …)`."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name | ast.Attribute) and each.args:
            name = each.func.id if isinstance(each.func, ast.Name) else each.func.attr
            if name == "client" and isinstance(each.args[0], ast.Constant):
                yield str(each.args[0].value)


def main() -> int:
    """Print the calls of each flow."""
    for flow in FLOWS:
        calls = recorded(flow).calls
        print(f"{flow.name}: {len(calls)} calls of AWS")
        print(
            textwrap.fill(
                ", ".join(sorted(calls)), 118, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
