"""What must be so at the end, whatever went wrong on the way."""

import json
from collections.abc import Mapping
from typing import Any

from domain.outcome import OUTCOMES
from tests.cloud.cloud import Cloud
from tests.cloud.faults import Asked

TOTAL = 100


class Watch:
    """Looks at every write of a route: the weights' total, and who gets more."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.seen, self.found = cloud, cloud.routes(), list[str]()
        cloud.watchers.append(self)

    def __call__(self, asked: Asked) -> None:
        if asked.operation != "UpdateRoute":
            return
        now = self.cloud.routes()
        for route, weights in now.items() if asked.function else ():  # what people set is theirs
            self.found += wrong_total(route, weights)
            for node, weight in weights.items():
                if weight > self.seen.get(route, {}).get(node, 0) and not self.cloud.answers(node):
                    self.found.append(f"{asked.function}: {route}: {node} got {weight} without one task that answers")
        self.seen = now


def wrong_total(route: str, weights: Mapping[str, int]) -> list[str]:
    if sum(weights.values()) == TOTAL:
        return []
    return [f"{route}: the weights {dict(weights)} are not {TOTAL} together"]


def illegal(cloud: Cloud, outage: bool = False) -> list[str]:
    """Say what is not as it must be when all is over, and recovery had its time.

    After an `outage`, which lasts longer than anybody tries, dead letters are right: they raise an alarm.
    """
    found = [f"{each.name} is still at work, in {each.path[-1]}" for each in cloud.states.running]
    for route, weights in cloud.routes().items():
        found += wrong_total(route, weights)
    found += [f"a claim is left: {each['sk']['S']} of {each['execution']['S']}" for each in cloud.claims()]
    if not outage:
        found += [f"{queue} has {number} dead letters" for queue, number in cloud.dead.items()]
    for each in cloud.executions():
        if each.status == "SUCCEEDED" and each.ending and each.output.get("outcome") != each.ending.state:
            found.append(f"{each.name} ended in {each.ending.state} with the outcome {each.output.get('outcome')}")
        if each.status == "FAILED" and each.ending and each.ending.state not in OUTCOMES:
            found.append(f"{each.name} failed in {each.ending.state}: {each.ending.error}")
    return [*found, *_unexplained(cloud)]


def _unexplained(cloud: Cloud) -> list[str]:
    """Say what history and announcements leave open."""
    found = []
    plans = {line["execution"]: line["document"] for line in cloud.history("#plan")}
    ends = {line["execution"]: line["document"] for line in cloud.history("#outcome")}
    told = {json.loads(each["Detail"]).get("execution") for each in cloud.told.events}
    for each in cloud.executions():
        known = "Finish Rollout failed" in str(each.output)  # told by its own output, in the console
        if each.arn in plans.keys() - ends.keys():
            found.append(f"{each.name} has a plan in its history, and no outcome")
        if each.arn not in told and (each.status == "SUCCEEDED" or each.arn in ends) and not known:
            found.append(f"the end of {each.name} was not told")
    if ends:
        arn, last = list(ends.items())[-1]
        plan = plans.get(arn)
        if plan and last["outcome"] in ENDS:
            found += _elsewhere(cloud, plan, last["outcome"])
    return found


ENDS = {"Promoted": -1, "Rolled Back": None, "Superseded": None}
"""The step whose weights an outcome leaves; None for those before the first."""


def _elsewhere(cloud: Cloud, plan: Mapping[str, Any], outcome: str) -> list[str]:
    """Say where the traffic is, if it is not where the last outcome says."""
    step = ENDS[outcome]
    wanted = plan["before"] if step is None else plan["steps"][step]["weights"]
    found = []
    for path, weights in cloud.routes().items():
        route = path.rpartition("/")[2]
        present = {node: weight for node, weight in weights.items() if weight}
        if route in wanted and present != {node: weight for node, weight in wanted[route].items() if weight}:
            found.append(f"the outcome is {outcome}, and {route} has {present}")
    return found


def endings(cloud: Cloud, since: int = 0) -> tuple[str, ...]:
    """How the executions ended, oldest first."""
    return tuple(
        each.ending.state if each.ending else each.status for each in list(cloud.states.executions.values())[since:]
    )
