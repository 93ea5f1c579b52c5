"""The command line: start an execution of the stack's fleet machine, and tell what it finds and does.

Exit codes: 0 planned, or brought in; 1 something failed, or it was refused, stopped or not reached; 2 usage.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from meshift_fleet.history import Follower

DONE, FAILURE, INTERRUPTED = 0, 1, 130
SECONDS_BETWEEN = 2.0
EPILOG = """\
examples:
  %(prog)s plan                                 what each enrolled service needs, and why; changes nothing
  %(prog)s run --cluster apps --wave 10         ten at a time, the services of one cluster

A run stops after a wave of which more than --tolerate percent failed. Run it again: it does what is left.

exit codes: 0 planned, or brought in; 1 something failed, or it was refused, stopped or not reached; 2 usage
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    found = argparse.ArgumentParser(
        prog="python -m meshift_fleet",
        description="Bring all enrolled services to the wanted sidecar, in waves.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--stack", default="meshift", help="name of the stack (default: meshift)")
    found.add_argument("--region", help="AWS Region")
    found.add_argument("--profile", help="profile of the AWS configuration")
    verbs = found.add_subparsers(dest="verb", metavar="plan|run", required=True)
    plan = verbs.add_parser("plan", help="say what each service needs, and change nothing")
    run = verbs.add_parser("run", help="bring them in, a wave at a time")
    for verb in (plan, run):
        verb.add_argument("--cluster", metavar="NAME", help="one cluster, by name or ARN; all when not given")
        verb.add_argument("--json", action="store_true", help="print one JSON document at the end")
    run.add_argument("--wave", type=int, metavar="N", help="services at a time (1 to 100, default: 5)")
    run.add_argument("--tolerate", type=int, metavar="PERCENT", help="how much of a wave may fail (default: 20)")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Start an execution and follow it to its end."""
    options = parser().parse_args(arguments)
    asked = {name: getattr(options, name, None) for name in ("cluster", "wave", "tolerate")}
    request = {"dryRun": options.verb == "plan", **{name: value for name, value in asked.items() if value is not None}}
    execution = ""
    try:
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        states = session.client("stepfunctions")
        started = states.start_execution(stateMachineArn=machine_of(session, options.stack), input=json.dumps(request))
        execution = started["executionArn"]
        follower = Follower(states, execution)
        for line in lines(follower):
            print(line, file=sys.stderr if options.json else sys.stdout, flush=True)
    except (BotoCoreError, ClientError, LookupError) as error:
        print(f"meshift_fleet: {error}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        print(f"meshift_fleet: not followed any more; stop it in Step Functions: {execution}", file=sys.stderr)
        return INTERRUPTED
    end = follower.end
    if options.json:
        print(json.dumps({**end, "services": follower.services, "results": follower.results, "execution": execution}))
    else:
        print(f"{end['outcome']}: {end['reason']}")
        print(", ".join(f"{name} {number}" for name, number in end.get("tally", {}).items() if name != "failures"))
    good = end["outcome"] in ("Planned", "Brought In") and not end["tally"]["failed"]
    return DONE if good else FAILURE


def machine_of(session: boto3.Session, stack: str) -> str:
    """Read the stack's output FleetStateMachineArn. Raises LookupError without one."""
    (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    for output in found.get("Outputs", []):
        if output.get("OutputKey") == "FleetStateMachineArn":
            return output["OutputValue"]
    raise LookupError(f"stack {stack} has no output FleetStateMachineArn; give --stack NAME")


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
