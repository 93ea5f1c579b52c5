"""`meshift fleet`: start an execution of the stack's fleet machine, and tell what it finds and does to its end."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from gateways.clients import client
from meshift.errors import DONE, FAILURE, Failed
from meshift.fleet_history import Follower
from meshift.options import add_aws, add_json, use_aws
from meshift.stack import read_stack

SECONDS_BETWEEN = 2.0
EPILOG = """\
examples:
  meshift fleet plan                                 what each enrolled service needs, and why; changes nothing
  meshift fleet run --cluster apps --wave 10         ten at a time, the services of one cluster

A run stops after a wave of which more than --tolerate percent failed. Run it again: it does what is left.
"""


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.epilog = EPILOG
    found.add_argument("verb", choices=("plan", "run"), help="say what there is to do, or do it a wave at a time")
    found.add_argument("--cluster", metavar="NAME", help="one cluster, by name or ARN; all when not given")
    found.add_argument("--wave", type=int, metavar="N", help="services at a time, 1 to 100 (default: 5)")
    found.add_argument("--tolerate", type=int, metavar="PERCENT", help="how much of a wave may fail (default: 20)")
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Start an execution and follow it to its end."""
    use_aws(options)
    asked = {name: getattr(options, name) for name in ("cluster", "wave", "tolerate")}
    request = {"dryRun": options.verb == "plan", **{name: value for name, value in asked.items() if value is not None}}
    states, machine = client("stepfunctions"), read_stack(options.stack).output("FleetStateMachineArn")
    execution = states.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"]
    follower = Follower(states, execution)
    try:
        for line in lines(follower):
            print(line, file=sys.stderr if options.json else sys.stdout, flush=True)
    except KeyboardInterrupt:
        print(f"meshift fleet: it goes on without you; stop it in Step Functions: {execution}", file=sys.stderr)
        raise
    end = follower.end
    if end["outcome"] == "Refused":
        raise Failed(end["reason"])
    if options.json:
        print(json.dumps({**end, "services": follower.services, "results": follower.results, "execution": execution}))
    else:
        print(f"{end['outcome']}: {end['reason']}")
        print(", ".join(f"{name} {number}" for name, number in end.get("tally", {}).items() if name != "failures"))
    good = end["outcome"] in ("Planned", "Brought In") and not end["tally"]["failed"]
    return DONE if good else FAILURE


def lines(follower: Follower) -> Iterator[str]:
    """Follow an execution to its end, a line for each service that was judged or has settled."""
    while True:
        ended = follower.look()
        yield from (line(each, "action") for each in follower.new_services)
        yield from (line(each, "outcome") for each in follower.new_results)
        if ended:
            return
        time.sleep(SECONDS_BETWEEN)


def line(entry: dict[str, Any], what: str) -> str:
    """Write one line: what, which service, why."""
    name = entry["service"].partition("service/")[2]
    return f"{entry.get(what, 'Failed'):14} {name}  {entry.get('reason', '')}"
