"""The size of a task: does everything fit, and which size would hold it.

Source: ECS developer guide, "Task CPU and memory"; RegisterTaskDefinition (the containers' sum must fit in the task).
"""

import re
from collections.abc import Mapping
from typing import Any

from domain.errors import Refused

_GIB = 1024
_FARGATE: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}
"""CPU units → MiB."""
_UNITS = {"cpu": ("vcpu", 1024), "memory": ("gb", _GIB)}

Size = dict[str, int]
"""`cpu` in units and `memory` in MiB, as far as the task has them."""


def size_of(task_definition: Mapping[str, Any]) -> Size:
    """Read the task's size.

    >>> size_of({"family": "a", "cpu": ".5 vCPU", "memory": "1GB"})
    {'cpu': 512, 'memory': 1024}

    Raises Refused when it is none.
    """
    return {
        key: _number(task_definition["family"], key, str(task_definition[key]))
        for key in ("cpu", "memory")
        if task_definition.get(key) not in (None, "")
    }


def demand_of(containers: list[Mapping[str, Any]]) -> Size:
    """Add up what the containers reserve."""
    return {
        "cpu": sum(each.get("cpu") or 0 for each in containers),
        "memory": sum(each.get("memoryReservation") or each.get("memory") or 0 for each in containers),
    }


def raised(task_definition: Mapping[str, Any]) -> Size:
    """Return what must be raised for the containers to fit, and to what; empty when they fit.

    Raises Refused when no size of Fargate holds them.
    """
    size, demand = size_of(task_definition), demand_of(task_definition["containerDefinitions"])
    needed = {key: max(value, demand[key]) for key, value in size.items()}
    if needed == size:
        return {}
    if _is_for_fargate(task_definition):
        needed = _next_fargate_size(task_definition["family"], needed)
    return {key: value for key, value in needed.items() if value != size[key]}


def shown(size: Size) -> str:
    """Say a size.

    >>> shown({"cpu": 256, "memory": 512})
    '256 CPU units and 512 MiB'
    """
    units = {"cpu": "CPU units", "memory": "MiB"}
    return " and ".join(f"{size[key]} {unit}" for key, unit in units.items() if key in size)


def _next_fargate_size(family: str, needed: Size) -> Size:
    """The smallest CPU that goes with enough memory is the cheapest size."""
    for cpu, memories in _FARGATE.items():
        for memory in memories:
            if cpu >= needed.get("cpu", 0) and memory >= needed.get("memory", 0):
                return {"cpu": cpu, "memory": memory}
    raise Refused(
        f"task definition {family} asks for {shown(needed)} together with its sidecar, and Fargate's largest size is "
        f"{shown({'cpu': max(_FARGATE), 'memory': _FARGATE[max(_FARGATE)][-1]})}; lower what its containers reserve"
    )


def _is_for_fargate(task_definition: Mapping[str, Any]) -> bool:
    """A definition that names no platform runs wherever ECS found that it can (`compatibilities`)."""
    named = task_definition.get("requiresCompatibilities") or task_definition.get("compatibilities") or []
    return "FARGATE" in named and "cpu" in task_definition and "memory" in task_definition


def _number(family: str, key: str, text: str) -> int:
    unit, factor = _UNITS[key]
    match = re.fullmatch(rf"(\d+)|(\d*\.?\d+)\s*{unit}", text.strip().lower())
    if match is None:
        raise Refused(f"task definition {family} has {key} {text!r}, which is no size; {key} is a number such as 512")
    return int(match[1]) if match[1] else round(float(match[2]) * factor)
