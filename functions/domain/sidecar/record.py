"""What removal must know: how things were that injection changed, in a label of Envoy's container.

A label goes with the container wherever a pipeline copies it, tags do not. It holds exceptions only: without one,
removal takes away what injection adds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.sidecar.wanted import ENVOY, is_ours

LABEL = "meshift.undo"


@dataclass
class Record:
    """How things were before injection; container names lead to what is known of a container."""

    waited: dict[str, str] = field(default_factory=dict)
    """On which condition a container waited for a hand-made Envoy."""
    empty: dict[str, list[str]] = field(default_factory=dict)
    """Lists of a container that were there, and empty."""
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """The containers that were told of a proxy, and which of those variables they had before."""
    size: dict[str, list[str]] = field(default_factory=dict)
    """`cpu` and `memory` of the task: what it was, and what it was raised to."""
    adopted: dict[str, Any] = field(default_factory=dict)
    """The hand-made Envoy: `container` and its `index`, `proxyConfiguration`."""

    def text(self) -> str:
        """Write what there is to know; empty when that is nothing."""
        known = {key: value for key, value in vars(self).items() if value}
        return json.dumps(known, separators=(",", ":"), sort_keys=True) if known else ""


def read_record(containers: list[dict[str, Any]]) -> Record:
    """Read the record that Envoy's container carries; what cannot be read is not known."""
    for container in containers:
        if container["name"] == ENVOY and is_ours(container):
            try:
                known = json.loads(container["dockerLabels"].get(LABEL) or "{}")
            except ValueError:
                return Record()
            if isinstance(known, Mapping):
                fields = {key: value for key, value in known.items() if key in vars(Record())}
                return Record(**{key: value for key, value in fields.items() if isinstance(value, dict)})
    return Record()
