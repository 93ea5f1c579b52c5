"""What injection adds to a task definition, and the record of how things were."""

import copy
from collections.abc import Mapping
from typing import Any

from domain.sidecar.application import Container, tcp_ports, waiting
from domain.sidecar.collector import collector_container, has_daemon
from domain.sidecar.containers import envoy_container, named, proxy_configuration, proxy_environment, with_logs
from domain.sidecar.record import LABEL, Record
from domain.sidecar.sizes import raised, shown, size_of
from domain.sidecar.wanted import COLLECTOR, ENVOY, TRANSPARENT, Sidecar

_NFS = ("efsVolumeConfiguration", "s3filesVolumeConfiguration")


def add(
    bare: Mapping[str, Any], application: Container, sidecar: Sidecar, kept: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """Add the sidecar; `kept` is the proxyConfiguration that is there.

    Returns the new task definition, and notes for whoever wonders what became of his.
    """
    result, record, notes = copy.deepcopy(dict(bare)), Record(), list[str]()
    _set_aside_hand_made(result, record, notes)
    others = result["containerDefinitions"]
    wait = waiting(others, application["name"])
    for container in others:
        if container["name"] in wait:
            _make_wait(container, record)
            if sidecar.interception != TRANSPARENT:
                _tell_of_proxy(container, record)
    if sidecar.interception == TRANSPARENT:
        mounts_nfs = any(volume.get(kind) for volume in result.get("volumes") or [] for kind in _NFS)
        result["proxyConfiguration"] = proxy_configuration(sidecar.app_ports, kept, mounts_nfs)
    notes += _unmapped(others, sidecar)
    ours = _containers(application, others, sidecar, notes)
    result["containerDefinitions"] = [*others, *ours]
    notes += _raise_size(result, record)
    if record.text():
        ours[0]["dockerLabels"][LABEL] = record.text()
    return result, notes


def _containers(
    application: Container, others: list[dict[str, Any]], sidecar: Sidecar, notes: list[str]
) -> list[dict[str, Any]]:
    logs, reserves_cpu = application.get("logConfiguration"), bool(application.get("cpu"))
    ours = [envoy_container(sidecar, logs, reserves_cpu)]
    tracing = sidecar.tracing and not has_daemon(others)
    if sidecar.tracing and not tracing:
        notes.append("the task receives X-Ray segments already, so Envoy's go there")
    if sidecar.metrics or tracing:
        ours.append(with_logs(collector_container(sidecar, tracing, reserves_cpu), logs))
    return ours


def _set_aside_hand_made(result: dict[str, Any], record: Record, notes: list[str]) -> None:
    """Take out a hand-made Envoy, and remember everything about it."""
    proxy = result.pop("proxyConfiguration", None)
    if proxy:
        record.adopted["proxyConfiguration"] = proxy
    containers = result["containerDefinitions"]
    for index, container in enumerate(containers):
        if container["name"] == ENVOY:
            record.adopted |= {"container": container, "index": index}
            notes.append(f"Meshift's container {ENVOY} took the place of the one that was there")
    result["containerDefinitions"] = [each for each in containers if each["name"] != ENVOY]
    for container in result["containerDefinitions"]:
        for wait in container.get("dependsOn") or []:
            if wait.get("containerName") == ENVOY:
                record.waited[container["name"]] = wait["condition"]


def _make_wait(container: dict[str, Any], record: Record) -> None:
    waits, name = container.get("dependsOn"), container["name"]
    if waits == []:
        record.empty.setdefault(name, []).append("dependsOn")
    healthy = {"containerName": ENVOY, "condition": "HEALTHY"}
    if name in record.waited:
        container["dependsOn"] = [healthy if each.get("containerName") == ENVOY else each for each in waits or []]
    else:
        container["dependsOn"] = [*(waits or []), healthy]


def _tell_of_proxy(container: dict[str, Any], record: Record) -> None:
    variables, name = container.get("environment"), container["name"]
    if variables == []:
        record.empty.setdefault(name, []).append("environment")
    before = {each["name"]: each.get("value") or "" for each in variables or []}
    wanted = proxy_environment(before)
    had = {key: before[key] for key in wanted if key in before}
    record.environment[name] = had
    changed = [{**each, "value": wanted[each["name"]]} if each["name"] in had else each for each in variables or []]
    container["environment"] = changed + named({key: value for key, value in wanted.items() if key not in had})


def _raise_size(result: dict[str, Any], record: Record) -> list[str]:
    more = raised(result)
    if not more:
        return []
    before = size_of(result)
    for key, value in more.items():
        record.size[key] = [result[key], str(value)]
        result[key] = str(value)
    names = " and ".join(each["name"] for each in result["containerDefinitions"] if each["name"] in (ENVOY, COLLECTOR))
    return [f"the task's size was raised from {shown(before)} to {shown({**before, **more})}, to hold {names} too"]


def _unmapped(others: list[dict[str, Any]], sidecar: Sidecar) -> list[str]:
    mapped = [ports for each in others for ports in tcp_ports(each)]
    return [
        f"the virtual node listens on {port}, and no container maps that port"
        for port in sidecar.app_ports
        if not any(port in ports for ports in mapped)
    ]
