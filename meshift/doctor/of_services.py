"""Can ECS services be enrolled, and which of them were refused?"""

import json
from collections.abc import Iterator
from typing import Any

from gateways import executions
from gateways.clients import client
from meshift.doctor.findings import MISSING, OK, WARNING, Finding, Ground

_MOST = 50


def tags(_: Ground) -> Iterator[Finding]:
    """Look whether services get the long ARNs without which they carry no tags."""
    answer = client("ecs").list_account_settings(name="serviceLongArnFormat", effectiveSettings=True)
    values = {each["value"] for each in answer["settings"]}
    if "disabled" in values:
        to_do = (
            "aws ecs put-account-setting-default --name serviceLongArnFormat --value enabled, then make services anew"
        )
        yield Finding(MISSING, "new ECS services get short ARNs, which carry no tags", to_do)
    else:
        yield Finding(OK, "new ECS services can carry tags (serviceLongArnFormat)")


def refused(ground: Ground) -> Iterator[Finding]:
    """Look how each service's last execution ended, as far as the newest ones tell."""
    machine = ground.stack.output("RolloutStateMachineArn")
    newest = client("stepfunctions").list_executions(stateMachineArn=machine, maxResults=_MOST)["executions"]
    last: dict[str, dict[str, Any]] = {}
    for listed in sorted(newest, key=lambda each: each["startDate"], reverse=True):
        found = executions.describe(listed["executionArn"])
        last.setdefault(json.loads(found["input"]).get("service", ""), found)
    bad = False
    for service, found in sorted(last.items()):
        name = "/".join(service.rpartition(":")[2].split("/")[1:])
        if found["status"] in ("FAILED", "TIMED_OUT"):
            bad = True
            yield Finding(
                MISSING, f"{name}: {found.get('cause') or found['status']}", "look at its route now: meshift mesh map"
            )
        output = json.loads(found.get("output") or "{}")
        if output.get("outcome") in ("Refused", "Frozen"):
            bad = True
            to_do = f"mend it, then: meshift start {' '.join(name.split('/'))}"
            yield Finding(WARNING, f"{name} was {output['outcome'].lower()}: {output['reason']}", to_do)
    if not bad:
        yield Finding(OK, f"of {len(last)} services none was refused last time")
