"""Task definitions as they come, from tests/data/task_definitions, and what injection made of one, in a line."""

from functools import cache
from pathlib import Path

import yaml

from domain.enrolment import parse_enrolment
from domain.sidecar import Sidecar
from domain.sidecar.sizes import size_of

FOLDER = Path(__file__).parent / "data" / "task_definitions"
NODE = "arn:aws:appmesh:us-east-1:111122223333:mesh/apps/virtualNode/orders"


@cache
def names():
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name):
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def enrolment(**tags):
    return parse_enrolment(
        {"meshift:mesh": "apps", **{f"meshift:{key}": value for key, value in tags.items()}}, "orders"
    )


def sidecar(**changes):
    return Sidecar(**{"image": "envoy:1", "resource_arn": NODE, "app_ports": (80,), **changes})


def in_a_line(before, after):
    """Say what a task definition has that it had not."""
    old = {each["name"]: each for each in before["containerDefinitions"]}
    new = {each["name"]: each for each in after["containerDefinitions"]}
    proxy = {each["name"]: each["value"] for each in after.get("proxyConfiguration", {}).get("properties", [])}
    told = [name for name in old if any(v["name"] == "HTTP_PROXY" for v in new[name].get("environment", []))]
    waits = [
        name
        for name, each in new.items()
        if {"containerName": "envoy", "condition": "HEALTHY"} in each.get("dependsOn", [])
    ]
    parts = [
        " ".join(f"+{name}" for name in new if name not in old),
        f"{', '.join(waits)} waits" if len(waits) == 1 else f"{', '.join(waits)} wait",
        f"ports {proxy['AppPorts']}" if proxy else "",
        f"{proxy['EgressIgnoredPorts']} passes" if "EgressIgnoredPorts" in proxy else "",
        f"{', '.join(told)} told of the proxy" if told else "",
        f"{new['envoy']['cpu']} CPU" if "cpu" in new["envoy"] else "",
        _size(before, after),
    ]
    return "; ".join(part for part in parts if part)


def _size(before, after):
    texts = ["/".join(str(value) for value in size_of(each).values()) for each in (before, after)]
    return texts[0] if texts[0] == texts[1] else " → ".join(texts)
