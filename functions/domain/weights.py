"""Weights of a route's targets: only they change, everything else comes back as it was."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

from domain.errors import Refused

TOTAL = 100
_KINDS = ("httpRoute", "http2Route", "grpcRoute", "tcpRoute")


def read_weights(spec: Mapping[str, Any]) -> dict[str, int]:
    """Read the weight of each virtual node from a route's spec.

    Raises Refused when the spec has no weighted targets, or names a node twice (with two ports).
    """
    weights: dict[str, int] = {}
    for target in targets_of(spec):
        if target["virtualNode"] in weights:
            raise Refused(f"the route names virtual node {target['virtualNode']} twice; its weight would be ambiguous")
        weights[target["virtualNode"]] = target["weight"]
    return weights


def own_weights(spec: Mapping[str, Any], known: Collection[str]) -> dict[str, int]:
    """Read a route's weights without the targets at 0 that a plan does not know: nodes join while it is at work."""
    return {node: weight for node, weight in read_weights(spec).items() if weight or node in known}


def with_weights(spec: Mapping[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    """Return the spec with other weights and nothing else changed.

    A target that `weights` does not give has joined meanwhile, at 0, and stays there. Raises Refused when the targets
    differ otherwise, or `weights` is not what App Mesh takes: 0 to 100 each, 1 to 100 in total (a snapshot is written
    back as it was; the steps of a plan sum to 100).
    """
    if set(weights) != set(own_weights(spec, weights)):
        raise Refused(
            f"the route's targets are {', '.join(sorted(read_weights(spec)))}, not {', '.join(sorted(weights))}"
        )
    if not 1 <= sum(weights.values()) <= TOTAL or min(weights.values()) < 0:
        raise Refused(f"weights {dict(weights)} are not whole numbers from 0 to {TOTAL} with a total from 1 to {TOTAL}")
    result = copy.deepcopy(dict(spec))
    for target in targets_of(result):
        target["weight"] = weights.get(target["virtualNode"], 0)
    return result


def split(present: Mapping[str, int], candidate: str, weight: int) -> dict[str, int]:
    """Give the candidate `weight` and let the others share the rest in proportion to what they have.

    >>> split({"v1": 100, "v2": 0}, "v2", 25)
    {'v1': 75, 'v2': 25}
    >>> split({"a": 60, "b": 30, "c": 10}, "c", 50)
    {'a': 33, 'b': 17, 'c': 50}

    Whole numbers by the largest remainder; they sum to 100 exactly. When nobody else carries traffic there is
    nothing to split, and the candidate gets all of it.
    """
    others = {node: share for node, share in present.items() if node != candidate}
    carried = sum(others.values())
    if carried == 0:
        return {node: TOTAL if node == candidate else 0 for node in present}
    rest = TOTAL - weight
    result = {node: share * rest // carried for node, share in others.items()}
    by_remainder = sorted(others, key=lambda node: (-(others[node] * rest % carried), node))
    for node in by_remainder[: rest - sum(result.values())]:
        result[node] += 1
    result[candidate] = weight
    return {node: result[node] for node in present}


def targets_of(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a route's weighted targets themselves, whatever its protocol. Raises Refused when it has none."""
    for kind in _KINDS:
        if spec.get(kind):
            targets: list[dict[str, Any]] = spec[kind]["action"]["weightedTargets"]
            return targets
    raise Refused(f"the route is none of {', '.join(_KINDS)}")
