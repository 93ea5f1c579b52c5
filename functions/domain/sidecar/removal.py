"""The way back: a task definition as it was before injection, with what a person changed since."""

import copy
from collections.abc import Mapping
from typing import Any

from domain.sidecar.containers import proxy_environment
from domain.sidecar.record import Record, read_record
from domain.sidecar.wanted import ENVOY, is_ours


def remove(task_definition: Mapping[str, Any]) -> dict[str, Any]:
    """Take away what injection added, and put back what it changed; what was never injected comes back equal.

    A value that somebody changed after injection (a task's size, a proxy variable) stays as he left it.
    """
    bare = copy.deepcopy(dict(task_definition))
    if not any(is_ours(each) for each in bare["containerDefinitions"]):
        return bare
    record = read_record(bare["containerDefinitions"])
    containers = [each for each in bare["containerDefinitions"] if not is_ours(each)]
    for container in containers:
        _stop_waiting(container, record)
        _forget_proxy(container, record)
    if "container" in record.adopted:
        containers.insert(record.adopted.get("index", len(containers)), record.adopted["container"])
    bare["containerDefinitions"] = containers
    if (bare.get("proxyConfiguration") or {}).get("containerName") == ENVOY:
        del bare["proxyConfiguration"]
    if "proxyConfiguration" in record.adopted:
        bare["proxyConfiguration"] = record.adopted["proxyConfiguration"]
    for key, (before, after) in record.size.items():
        if bare.get(key) == after:
            bare[key] = before
    return bare


def _stop_waiting(container: dict[str, Any], record: Record) -> None:
    before = record.waited.get(container["name"])
    waits = [
        {**each, "condition": before} if each.get("containerName") == ENVOY and before else each
        for each in container.get("dependsOn") or []
        if before or each.get("containerName") != ENVOY
    ]
    _put(container, "dependsOn", waits, record)


def _forget_proxy(container: dict[str, Any], record: Record) -> None:
    before = record.environment.get(container["name"])
    if before is None:
        return
    wanted = proxy_environment(before)
    variables: list[dict[str, Any]] = []
    for each in container.get("environment") or []:
        if wanted.get(each["name"]) != each.get("value"):
            variables.append(each)
        elif each["name"] in before:
            variables.append({**each, "value": before[each["name"]]})
    _put(container, "environment", variables, record)


def _put(container: dict[str, Any], key: str, values: list[Any], record: Record) -> None:
    """Change a list where it changed; an empty one was there only if the record says so."""
    if values == (container.get(key) or []):
        return
    if values or key in record.empty.get(container["name"], []):
        container[key] = values
    else:
        del container[key]
