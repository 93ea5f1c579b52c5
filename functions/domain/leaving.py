"""Leaving a mesh: what Meshift knows of a service whose tags were taken away or changed, and what follows from it.

Tags make no events of their own, so the tags that were last acted on are remembered and compared with those of now.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from domain.deployment import FAILED, DeploymentEvent, primary
from domain.enrolment import PREFIX, is_enrolled
from domain.errors import Refused

AT_ONCE = 10
"""How many services DescribeServices takes."""


@dataclass(frozen=True)
class Known:
    """What is remembered of a service that was enrolled once."""

    service: str
    """Its ARN."""
    tags: str
    """The tags that were last acted on, as `acted_on` writes them."""
    subject: Mapping[str, Any] | None
    """What it last joined as; None when it never did."""
    removed: str | None = None
    """The revision that its sidecar was last taken out of, with that result (ARN)."""
    removed_by: str | None = None
    """The execution that did it."""
    left: bool = False
    """Whether it has left: no sidecar is there any more, and its node's name was given back."""

    @property
    def cluster(self) -> str:
        """Its cluster's name; only long ARNs can carry tags, and they hold it."""
        return self.service.split("/")[1]


def acted_on(tags: Mapping[str, str]) -> str:
    """Write the tags that Meshift acts on; without `meshift:mesh` none of them counts.

    >>> acted_on({"team": "b", "meshift:mesh": "apps"})
    '{"meshift:mesh": "apps"}'
    >>> acted_on({"meshift:virtual-node": "orders"})
    '{}'
    """
    own = {key: value for key, value in tags.items() if key.startswith(PREFIX)} if is_enrolled(tags) else {}
    return json.dumps(own, sort_keys=True)


def batches(known: Iterable[Known]) -> Iterator[list[Known]]:
    """Group services by their cluster, as many at a time as can be described at once."""
    for _, group in groupby(sorted(known, key=lambda each: each.service), key=lambda each: each.cluster):
        services = list(group)
        yield from (services[start : start + AT_ONCE] for start in range(0, len(services), AT_ONCE))


def reason_to_stay(event: DeploymentEvent, service: Mapping[str, Any], rolled_back: str | None) -> str | None:
    """Say why an event of a service that is not enrolled any more starts nothing, whatever its revision is.

    `rolled_back` is the deployment by which ECS last went back to an earlier revision of the service.
    """
    current = primary(service)
    if current is None or current["id"] != event.deployment:
        return "the deployment is not the service's primary one any more"
    if event.name == FAILED:
        return f"{event.name} starts nothing"
    if event.rolls_back or rolled_back == event.deployment:
        return "ECS went back to this deployment by itself; it is left alone until you deploy again or change the tags"
    return None


def refuse_encrypted(virtual_node: Mapping[str, Any]) -> None:
    """Refuse to take Envoy away from a node that carries traffic and whose listeners speak TLS; only Envoy can."""
    for listener in virtual_node["spec"].get("listeners", []):
        if listener.get("tls", {}).get("mode", "DISABLED") != "DISABLED":
            raise Refused(
                f"virtual node {virtual_node['virtualNodeName']} carries traffic that nobody else can take, and its "
                "listener speaks TLS, which its Envoy does for it; move its weight to other nodes, then deploy again"
            )
