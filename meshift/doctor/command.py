"""`meshift doctor`: a line for each thing that Meshift needs; exit code 1 if one is missing."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from rich.text import Text

from gateways.clients import client
from meshift.doctor import of_mesh, of_services, of_stack
from meshift.doctor.findings import MISSING, OK, WARNING, Finding, Ground
from meshift.drawing import console_for
from meshift.errors import DONE, FAILURE, Failed
from meshift.options import add_aws, add_json, use_aws
from meshift.stack import read_stack

CHECKS: tuple[Callable[[Ground], Iterator[Finding]], ...] = (
    of_stack.whole, of_stack.operators, of_mesh.mesh, of_mesh.policies, of_stack.rules, of_stack.dead_letters,
    of_stack.people, of_services.tags, of_stack.left_behind, of_services.refused,
)  # fmt: skip
_COLOURS = {OK: "green", WARNING: "yellow", MISSING: "red"}


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.epilog = "exit codes: 0 nothing is missing; 1 something is; 2 usage"
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Look at everything; what cannot be looked at is told, and keeps nothing else back."""
    use_aws(options)
    findings = list(examine(options.stack))
    if options.json:
        print(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        out = console_for(sys.stdout)
        for each in findings:
            out.print(Text.assemble((f"{each.level:<8}", _COLOURS[each.level]), f" {each.what}"), soft_wrap=True)
            if each.to_do:
                out.print(Text(f"         → {each.to_do}", "dim"), soft_wrap=True)
    return FAILURE if any(each.level == MISSING for each in findings) else DONE


def examine(name: str) -> Iterator[Finding]:
    """Look at an account, beginning with who asks."""
    caller = client("sts").get_caller_identity()
    yield Finding(OK, f"account {caller['Account']}, {client('sts').meta.region_name}, as {caller['Arn']}")
    try:
        stack = read_stack(name)
    except Failed as error:
        yield Finding(MISSING, str(error), "make deploy")
        return
    ground = Ground(stack)
    for check in CHECKS:
        try:
            yield from check(ground)
        except (NoCredentialsError, NoRegionError):
            raise
        except (ClientError, BotoCoreError, Failed) as error:
            yield Finding(WARNING, f"cannot be looked at: {error}", "allow these credentials to read it")
