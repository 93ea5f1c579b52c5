"""`meshift policy check`: the timeline that a rollout policy means, what it takes and what it costs."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from domain.checks import AlarmCheck, calls
from domain.policy import Policy, parse_policy
from domain.timeline import GB, PRICES_OF, SECONDS_TAKEN, Cost, cost, states_entered, steps_of, timeline
from gateways.parameters import POLICIES, read_policy
from meshift.drawing import bar, span
from meshift.errors import DONE, BadInput
from meshift.options import add_aws, add_json, use_aws


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    says = "understand a policy, and say what it means"
    verbs = found.add_subparsers(dest="verb", metavar="check", required=True)
    check = verbs.add_parser("check", help=says, description=says)
    known = f"a JSON file, - for standard input, or a policy's name below {POLICIES}"
    check.add_argument("source", metavar="FILE|NAME", help=known)
    add_aws(check)
    add_json(check)


def run(options: argparse.Namespace) -> int:
    """Check one."""
    use_aws(options)
    text, origin = read(options.source)
    found = meaning(parse_policy(text))
    print(json.dumps(found, indent=2) if options.json else "\n".join(told(found, origin)))
    return DONE


def read(source: str) -> tuple[str, str]:
    """Return a policy's text and where it is from. Raises BadInput for a file that cannot be read, NotFound."""
    if source == "-":
        return sys.stdin.read(), "standard input"
    path = Path(source)
    if not path.exists() and "/" not in source.removeprefix(POLICIES) and path.suffix != ".json":
        name = source.removeprefix(POLICIES)
        return read_policy(name), POLICIES + name
    try:
        return path.read_text(encoding="utf-8-sig"), source
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def alarms_of(policy: Policy) -> list[str]:
    """Name the alarms that a policy looks at."""
    return [check.alarm for check in policy.checks if isinstance(check, AlarmCheck)]


def meaning(policy: Policy) -> dict[str, Any]:
    """Say what a policy means, for machines."""
    steps, asked, cleans = steps_of(policy), calls(policy.checks), policy.clean_up != "retain"
    least = cost(states_entered(steps, cleans), asked)
    most = cost(states_entered(steps, cleans, gates_wait=True), asked)
    bake = sum(step["slices"] * step["waitSeconds"] for step in steps)
    return {
        "timeline": timeline(steps),
        "seconds": bake,
        "secondsAtGates": sum(step["gate"]["timeoutSeconds"] for step in steps if "gate" in step),
        "deadlineSeconds": policy.deadline_seconds,
        "checkEverySeconds": policy.check_every_seconds,
        "failureLimit": policy.failure_limit,
        "onNoData": policy.on_no_data,
        "onFailure": policy.on_failure,
        "cleanUp": policy.clean_up,
        "checks": [check.document for check in policy.checks],
        "cost": _priced(least),
        "costWhenGatesWait": _priced(most),
        "pricesOf": PRICES_OF,
    }


def _priced(found: Cost) -> dict[str, Any]:
    return {**asdict(found), "usd": round(found.usd, 6)}


def told(found: dict[str, Any], origin: str) -> list[str]:
    """Say it to people."""
    lines = [origin, ""]
    for step in found["timeline"]:
        if "gate" in step:
            gate = step["gate"]
            wait = f"up to {span(gate['timeoutSeconds'])}, then {gate['onTimeout']}"
            lines.append(f"  {'':>12}       waits for `meshift approve`, {wait}")
        checks = f"{step['checks']} check{'s' if step['checks'] != 1 else ''}"
        bake = f"bakes {span(step['bakeSeconds'])}, {checks}"
        lines.append(f"  {span(step['at']):>12} {step['weight']:>4} % {bar(step['weight'], 20)} {bake}")
    gates = f", and up to {span(found['secondsAtGates'])} at gates" if found["secondsAtGates"] else ""
    lines.append(f"  {span(found['seconds']):>12} promoted{gates}; given up after {span(found['deadlineSeconds'])}")
    checks = "; ".join(["ECS health", *map(_check, found["checks"])])
    ends = {"rollback": "takes the traffic back", "freeze": "leaves the weights as they are"}[found["onFailure"]]
    failures = "a failure" if found["failureLimit"] == 1 else f"{found['failureLimit']} failures"
    lines += ["", f"  checks     {checks}, every {span(found['checkEverySeconds'])}; no data: {found['onNoData']}"]
    lines.append(f"             {failures} {ends}")
    if found["cleanUp"] != "retain":
        lines.append("  after it   the services whose traffic was taken are scaled to zero")
    lines.append(f"  takes      {_takes(found['cost'])}")
    if found["costWhenGatesWait"] != found["cost"]:
        lines.append(f"             {_takes(found['costWhenGatesWait'])}, when gates wait to their end")
    return [*lines, f"             ({PRICES_OF}; {SECONDS_TAKEN:g} s of {GB:g} GB reckoned for each invocation)"]


def _check(document: dict[str, Any]) -> str:
    """Name a check by what it looks at, and its limits.

    >>> _check({"envoy": "errorRate", "above": 0.01, "dryRun": True}), _check({"metric": {}, "name": "slow", "max": 2})
    ('envoy errorRate above 0.01, told only', 'metric slow max 2')
    """
    said = {key: value for key, value in document.items() if key not in ("name", "dryRun", "onNoData")}
    kind = next(iter(said))
    words = [kind, str(document.get("name") or (said[kind] if isinstance(said[kind], str) else ""))]
    words += [f"{key} {value}" for key, value in said.items() if key != kind and isinstance(value, int | float | str)]
    return " ".join(filter(None, words)) + (", told only" if document.get("dryRun") else "")


def _takes(cost: dict[str, Any]) -> str:
    calls = f"{cost['transitions']} state transitions, {cost['invocations']} invocations"
    return f"{calls}, {cost['cloudwatch_calls']} CloudWatch calls: ${cost['usd']:.4f}"
