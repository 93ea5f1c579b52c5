"""What removal must know: how things were that injection changed, in a label of Envoy's container.

A label goes with the container wherever a pipeline copies it, tags do not. It holds exceptions only: without one,
removal takes away what injection adds.
"""

import json
from collections.abc import Callable
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
    """Read the record that Envoy's container carries; what somebody spoiled in it is not known."""
    for container in containers:
        if container["name"] == ENVOY and is_ours(container):
            try:
                known = json.loads(container["dockerLabels"].get(LABEL) or "{}")
            except ValueError:
                return Record()
            if isinstance(known, dict):
                return Record(
                    **{key: known[key] for key, sound in _SOUND.items() if key in known and sound(known[key])}
                )
    return Record()


def _each(value: Any, sound: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(sound(each) for each in value.values())


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_adoption(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("proxyConfiguration", {}), dict):
        return False
    container = value.get("container", {"name": ENVOY})
    return isinstance(container, dict) and container.get("name") == ENVOY and isinstance(value.get("index", 0), int)


_SOUND: dict[str, Callable[[Any], bool]] = {
    "waited": lambda value: _each(value, lambda each: isinstance(each, str)),
    "empty": lambda value: _each(value, _texts),
    "environment": lambda value: _each(value, lambda each: _each(each, lambda text: isinstance(text, str))),
    "size": lambda value: _each(value, lambda each: _texts(each) and len(each) == 2),
    "adopted": _is_adoption,
}
