"""What must be so at the end, whatever went wrong on the way."""

import json
from collections.abc import Mapping

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
        for route, weights in now.items():
            self.found += wrong_weights(self.cloud, route, weights, self.seen.get(route, {}))
        self.seen = now


def wrong_weights(cloud: Cloud, route: str, weights: Mapping[str, int], before: Mapping[str, int]) -> list[str]:
    """Say what is wrong with a route's weights, compared to those before."""
    found = []
    if sum(weights.values()) != TOTAL:
        found.append(f"{route}: the weights {dict(weights)} are not {TOTAL} together")
    for node, weight in weights.items():
        if weight > before.get(node, 0) and not cloud.healthy(node):
            found.append(f"{route}: {node} got {weight} without one healthy task")
    return found


def illegal(cloud: Cloud) -> list[str]:
    """Say what is not as it must be when all is over, and recovery had its time."""
    found = [f"{each.name} is still at work, in {each.path[-1]}" for each in cloud.states.running]
    for route, weights in cloud.routes().items():
        found += wrong_weights(cloud, route, weights, {})
    found += [f"a claim is left: {each['sk']['S']} of {each['execution']['S']}" for each in cloud.claims()]
    found += [f"{queue} has {number} dead letters" for queue, number in cloud.dead.items()]
    planned = {line["execution"] for line in cloud.history("#plan")}
    ended = {line["execution"] for line in cloud.history("#outcome")}
    told = {json.loads(each["Detail"]).get("execution") for each in cloud.told.events}
    for each in cloud.executions():
        if each.status == "SUCCEEDED" and each.ending and each.output.get("outcome") != each.ending.state:
            found.append(f"{each.name} ended in {each.ending.state} with the outcome {each.output.get('outcome')}")
        if each.status == "FAILED" and each.ending and each.ending.state not in OUTCOMES:
            found.append(f"{each.name} failed in {each.ending.state}: {each.ending.error}")
        if each.arn in planned - ended:
            found.append(f"{each.name} has a plan in its history, and no outcome")
        if each.arn in ended - told:
            found.append(f"the end of {each.name} was not told")
    return found


def endings(cloud: Cloud, since: int = 0) -> tuple[str, ...]:
    """How the executions ended, oldest first."""
    return tuple(
        each.ending.state if each.ending else each.status for each in list(cloud.states.executions.values())[since:]
    )
