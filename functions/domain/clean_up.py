"""Clean-up after a promotion: which nodes carry nothing any more, so that their services may be scaled to zero."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from domain.planning import Weights
from domain.weights import read_weights


def idle_nodes(
    before: Weights, candidate: str, routes: Iterable[Mapping[str, Any]], providers: Collection[str]
) -> list[str]:
    """Name the nodes that carried traffic before the rollout, and none in any route of the mesh since.

    `routes` in the shape of DescribeRoute, `providers` the nodes that themselves provide a virtual service.

    >>> idle_nodes({"r": {"v1": 100, "v2": 0}}, "v2", [], {"v1"})
    []
    """
    carrying = {node for route in routes for node, weight in read_weights(route["spec"]).items() if weight}
    carried = {node for weights in before.values() for node, weight in weights.items() if weight}
    return sorted(carried - carrying - set(providers) - {candidate})
