"""In which order routes are tried, where several match.

Sources: RouteSpec.priority and GatewayRouteSpec.priority (0 is tried first); user guide, "Gateway routes" (the longest
prefix is preferred); aws/aws-app-mesh-roadmap#77 (routes are sorted by length). Those with a priority go first; the
others, by how much they ask for, so that a route for everything comes last; then by name, so that the order is one.
"""

from collections.abc import Mapping
from typing import Any

from domain.hosted.specs import ROUTE_PROTOCOLS

Spec = Mapping[str, Any]
NO_PRIORITY = 1001
CONDITIONS = ("headers", "queryParameters", "metadata")


def in_order(specs: Mapping[str, Spec]) -> list[str]:
    """Sort the paths of routes or gateway routes into the order they are tried.

    >>> prefix = lambda path: {"httpRoute": {"match": {"prefix": path}}}
    >>> in_order({"all": prefix("/"), "cart": prefix("/cart"), "first": {**prefix("/"), "priority": 5}})
    ['first', 'cart', 'all']
    """
    return sorted(specs, key=lambda path: (specs[path].get("priority", NO_PRIORITY), *vagueness(specs[path]), path))


def vagueness(route: Spec) -> tuple[int, int, int]:
    """How little a route asks for: kind of path match, length of the path, number of other conditions."""
    match: Spec = next((route[member].get("match", {}) for member in ROUTE_PROTOCOLS if member in route), {})
    if match.keys() <= {"prefix"}:
        return 2, -len(match.get("prefix", "")), 0
    others = sum(len(match.get(name, ())) for name in CONDITIONS) + sum(name in match for name in ("method", "scheme"))
    path = match.get("path", {})
    if "exact" in path or "methodName" in match:
        return 0, -len(path.get("exact", "")), -others
    if "regex" in path:
        return 1, -len(path["regex"]), -others
    return 2, -len(match.get("prefix", match.get("serviceName", ""))), -others
