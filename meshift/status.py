"""`meshift status`: the rollouts that are at work, and those that wait."""

import argparse
import json
import sys

from meshift.drawing import console_for, draw
from meshift.errors import DONE
from meshift.options import add_aws, add_json, use_aws
from meshift.rollouts import at_work
from meshift.stack import read_stack


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.add_argument("mesh", nargs="?", help="of this mesh only (mesh, or mesh@owner)")
    found.add_argument("virtual_service", nargs="?", metavar="virtual-service", help="of this one only")
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Show them."""
    use_aws(options)
    rollouts = at_work(read_stack(options.stack).settings, options.mesh, options.virtual_service)
    if options.json:
        print(json.dumps([rollout.as_json() for rollout in rollouts], indent=2))
        return DONE
    out = console_for(sys.stdout)
    for rollout in rollouts:
        out.print(draw(rollout), soft_wrap=True, end="")
    if not rollouts:
        print("nothing is at work")
    return DONE
