"""Injection: a task definition in, the same one with Envoy beside the application out.

Only what Envoy needs is added; everything else comes back equal, fields included that nobody knows yet. Task
definitions are dicts in the shape of DescribeTaskDefinition.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.enrolment import Enrolment
from domain.sidecar.addition import add
from domain.sidecar.application import Container, application_container
from domain.sidecar.refusals import (
    refuse_foreign_proxy,
    refuse_interception,
    refuse_oversized,
    refuse_platform,
    refuse_shapeless,
    refuse_taken,
)
from domain.sidecar.removal import remove
from domain.sidecar.tags import INJECTED_AS
from domain.sidecar.wanted import ENVOY, MARK, Sidecar, is_ours

DESCRIBED_ONLY = frozenset(
    {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy",
     "deregisteredAt", "deleteRequestedAt"}
)  # fmt: skip
"""What DescribeTaskDefinition answers and RegisterTaskDefinition does not take."""
_OURS = frozenset(
    {"name", "image", "essential", "user", "cpu", "memoryReservation", "environment", "command", "healthCheck",
     "startTimeout", "ulimits", "logConfiguration"}
)  # fmt: skip
"""What Meshift says of its own containers; what ECS or a person adds to them is no reason to deploy again."""


@dataclass(frozen=True)
class Injection:
    """What injection makes of a task definition."""

    added: bool
    """False when the task definition had the wanted sidecar already."""
    task_definition: dict[str, Any]
    container: str
    """Name of the application's container."""
    application: str
    """Fingerprint of the task definition without Meshift's additions."""
    digest: str
    """Fingerprint of what there is to register: a revision that was made of the same need not be made again."""
    notes: tuple[str, ...] = ()
    """What a person would want to know: sizes raised, a hand-made Envoy replaced."""


def is_injected(task_definition: Mapping[str, Any]) -> bool:
    """Say whether Meshift put a sidecar into this revision, whatever sidecar it was."""
    return any(
        is_ours(container) and container["name"] == ENVOY for container in task_definition["containerDefinitions"]
    )


def has_wanted_sidecar(task_definition: Mapping[str, Any], tags: Mapping[str, str], injection: Injection) -> bool:
    """Say whether a revision, with its tags, has what injecting it would give it; ECS may have written it otherwise."""
    return not injection.added or (is_injected(task_definition) and tags.get(INJECTED_AS) == injection.digest)


def application_of(task_definition: Mapping[str, Any], enrolment: Enrolment) -> Container:
    """Return the application's container as it was before injection. Raises Refused when that could be several."""
    return _bare_application(remove(task_definition), enrolment)[0]


def refuse_uninjectable(task_definition: Mapping[str, Any], enrolment: Enrolment) -> None:
    """Refuse a task definition that cannot have a sidecar, whatever its node and the stack's parameters are."""
    refuse_shapeless(task_definition)
    refuse_platform(task_definition)
    bare = remove(task_definition)
    refuse_foreign_proxy(bare, enrolment.adopt)
    refuse_taken(bare["family"], _bare_application(bare, enrolment)[1])


def inject(task_definition: Mapping[str, Any], enrolment: Enrolment, sidecar: Sidecar) -> Injection:
    """Put the wanted sidecar into a task definition, once.

    Raises Refused, saying why this task definition cannot have it.
    """
    refuse_uninjectable(task_definition, enrolment)
    bare = remove(task_definition)
    application, others = _bare_application(bare, enrolment)
    refuse_interception(bare["family"], application, others, enrolment, sidecar)
    kept = task_definition.get("proxyConfiguration") or bare.get("proxyConfiguration")
    wanted, notes = add(bare, application, sidecar, kept)
    refuse_oversized(register_input(wanted))
    added = comparable(task_definition) != comparable(wanted)
    return Injection(
        added=added,
        task_definition=wanted if added else copy.deepcopy(dict(task_definition)),
        container=application["name"],
        application=_fingerprint(_settled(register_input(bare))),
        digest=_fingerprint(_settled(register_input(wanted))),
        notes=tuple(notes),
    )


def _bare_application(bare: Mapping[str, Any], enrolment: Enrolment) -> tuple[Container, list[Container]]:
    """Return the application's container, and all containers but a hand-made Envoy."""
    others = [each for each in bare["containerDefinitions"] if each["name"] != ENVOY]
    return application_container(bare["family"], others, enrolment.container), others


def register_input(task_definition: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what only DescribeTaskDefinition says; unknown fields stay, for they may be of the future."""
    return {key: value for key, value in task_definition.items() if key not in DESCRIBED_ONLY}


def comparable(task_definition: Mapping[str, Any]) -> Any:
    """Leave out what makes no difference between two task definitions; of Meshift's containers its own part stays."""
    containers = [_own_part(each) if is_ours(each) else each for each in task_definition["containerDefinitions"]]
    return _settled({**register_input(task_definition), "containerDefinitions": containers})


def _own_part(container: Mapping[str, Any]) -> dict[str, Any]:
    """The record in a label is not compared: where somebody changed a size since, it is only out of date."""
    own = {key: value for key, value in container.items() if key in _OURS}
    return {**own, "dockerLabels": {MARK: container["dockerLabels"][MARK]}}


def _settled(value: Any) -> Any:
    """Leave out what is empty, and order by name: how ECS answers empty fields and lists of names says nothing.

    >>> _settled({"cpu": 0, "links": [], "essential": False, "secrets": [{"name": "b"}, {"name": "a", "value": ""}]})
    {'essential': False, 'secrets': [{'name': 'a'}, {'name': 'b'}]}
    """
    if isinstance(value, Mapping):
        settled = {key: _settled(each) for key, each in value.items()}
        return {key: each for key, each in settled.items() if not _is_empty(each)}
    if isinstance(value, list):
        return sorted((_settled(each) for each in value), key=_name)
    return value


def _is_empty(value: Any) -> bool:
    return value is None or (not isinstance(value, bool) and value in ([], {}, "", 0))


def _name(item: Any) -> str:
    """Sorting by this leaves lists in their order whose items have no names."""
    return str(item.get("name") or item.get("containerName") or "") if isinstance(item, Mapping) else ""


def _fingerprint(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
