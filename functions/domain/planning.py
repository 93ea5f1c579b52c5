"""Planning a rollout: from the routes as they are and the policy to absolute weights for each step.

A plan travels through the state machine as JSON, so it is a plain dict: `{"virtualRouter", "routes": [name],
"candidate", "before": {route: {node: weight}}, "steps": [{"weights": {route: {node: weight}}, "tasks", "slices",
"waitSeconds"}], ...}` and the policy's rules. The first of the routes is the one that outcomes tell of.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from domain.discovery.ordering import settle_seconds
from domain.errors import Refused
from domain.policy import Gate, Policy, Step
from domain.weights import TOTAL, read_weights, split

Weights = Mapping[str, Mapping[str, int]]
"""Route → virtual node → weight."""


def routes_of(routes: Sequence[Mapping[str, Any]], candidate: str, virtual_service: str) -> list[Mapping[str, Any]]:
    """Choose the routes whose weights move: those that name the candidate.

    The first is the one that outcomes tell of: named after the virtual service, else the last to be matched.
    Raises Refused when no route names the candidate.
    """
    if not routes:
        raise Refused(f"virtual service {virtual_service} has no route")
    moving = [route for route in routes if candidate in read_weights(route["spec"])]
    if not moving:
        targets = sorted({node for route in routes for node in read_weights(route["spec"])})
        raise Refused(f"virtual node {candidate} is no target of the route; its targets are {', '.join(targets)}")
    last = max(route["spec"].get("priority", math.inf) for route in moving)

    def rank(route: Mapping[str, Any]) -> tuple[bool, bool, str]:
        name = route["routeName"]
        return name != virtual_service, route["spec"].get("priority", math.inf) != last, name

    return sorted(moving, key=rank)


def plan_steps(
    present: Weights,
    candidate: str,
    policy: Policy,
    tasks_per_percent: float,
    shares: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Turn the routes' present weights and a policy into absolute weights for each step.

    Empty when the candidate has all already; steps not above what it has are skipped. `shares` says, in percent, how
    much it is to have of each route in the end, where that is not all; what comes back so needs no approval, so there
    are no gates. `tasks_per_percent` is how many tasks the stable side has for each percent that it carries.
    """
    ends = {route: (shares or {}).get(route, TOTAL if shares is None else 0) for route in present}
    highest, bake = max(ends.values()), policy.steps[-1].bake_seconds
    wanted = [*(step for step in policy.steps if step.weight < highest), Step(highest, bake)]
    steps: list[dict[str, Any]] = []
    weights = present
    for step in wanted:
        following = {route: _raised(each, candidate, min(step.weight, ends[route])) for route, each in present.items()}
        if following != weights:
            tasks = max(1, math.ceil(round(step.weight * tasks_per_percent, 6)))
            gate = {"gate": _gate(step.gate, policy)} if step.gate and shares is None else {}
            steps.append({"weights": following, "tasks": tasks, **_baked(step, policy), **gate})
        weights = following
    return steps


def tasks_per_percent(before: Weights, candidate: str, healthy: Mapping[str, int]) -> float:
    """Return how many tasks the stable side has for each percent of the traffic that it carries.

    `healthy` counts the tasks of the nodes whose service is known; of others nothing is asked.

    >>> tasks_per_percent({"r": {"v1": 100, "v2": 0}}, "v2", {"v1": 10})
    0.1
    """
    densities = [0.0]
    for weights in before.values():
        carrying = {
            node: weight for node, weight in weights.items() if weight and node != candidate and node in healthy
        }
        if carrying:
            tasks = sum(healthy[node] for node in carrying)
            densities.append(tasks * sum(weights.values()) / (sum(carrying.values()) * TOTAL))
    return max(densities)


def rising(present: Weights, target: Weights) -> list[str]:
    """List the nodes that would get more weight than they have, in some route.

    >>> rising({"r": {"v1": 75, "v2": 25}}, {"r": {"v1": 100, "v2": 0}})
    ['v1']
    """
    return sorted(
        {
            node
            for route, weights in target.items()
            for node, weight in weights.items()
            if weight > present[route].get(node, 0)
        }
    )


def shares_of(weights: Weights, node: str) -> dict[str, int]:
    """Return a node's share of each route in percent."""
    return {route: round(each.get(node, 0) * TOTAL / sum(each.values())) for route, each in weights.items()}


def seconds_to_settle(routes: Sequence[Mapping[str, Any]], poll_seconds: int, now: float) -> int:
    """Return how long until every Envoy surely knows the targets that routes were last given.

    Discovery gives new targets no traffic before. `now` in seconds since the epoch.
    """
    newest = max(route["metadata"]["lastUpdatedAt"].timestamp() for route in routes)
    return max(0, math.ceil(float(newest) + settle_seconds(poll_seconds) - now))


def plan_away(
    before: Weights, candidate: str, healthy: Mapping[str, int], desired: int
) -> dict[str, dict[str, int]] | None:
    """Return the routes' weights with nothing left for the candidate, which is about to be redeployed.

    Its share goes to the healthy nodes beside it that carry traffic, in proportion; where none does, to the one healthy
    node. None when they have not tasks enough for it (`desired` is how many the candidate wants), or when several
    idle ones could take it: it is not for Meshift to choose then.
    """
    weights: dict[str, dict[str, int]] = {}
    for route, present in before.items():
        if present[candidate] == 0:
            weights[route] = dict(present)
            continue
        others = {node: weight for node, weight in present.items() if node != candidate and healthy.get(node)}
        carrying = {node: weight for node, weight in others.items() if weight}
        takers = carrying or dict.fromkeys(others, 1)
        if not carrying and len(takers) != 1:
            return None
        tasks = sum(healthy[node] for node in takers)
        if tasks * sum(present.values()) < desired * present[candidate]:
            return None
        untouched = {node: weight for node, weight in present.items() if node not in {*takers, candidate}}
        shared = split({**takers, candidate: 0}, candidate, sum(untouched.values()))
        weights[route] = {**untouched, **{node: shared[node] for node in takers}, candidate: 0}
    return weights


def _raised(present: Mapping[str, int], candidate: str, weight: int) -> Mapping[str, int]:
    return present if _has(present, candidate, weight) else split(present, candidate, weight)


def _has(present: Mapping[str, int], candidate: str, share: int) -> bool:
    return present[candidate] * TOTAL >= share * sum(present.values())


def _gate(gate: Gate, policy: Policy) -> dict[str, Any]:
    wait = gate.check_every_seconds(policy.check_every_seconds)
    return {"timeoutSeconds": gate.timeout_seconds, "onTimeout": gate.on_timeout, "waitSeconds": wait}


def _baked(step: Step, policy: Policy) -> dict[str, int]:
    slices = max(1, math.ceil(step.bake_seconds / policy.check_every_seconds))
    return {"slices": slices, "waitSeconds": math.ceil(step.bake_seconds / slices)}
