"""What ECS checks of a task definition, as far as it is documented: an oracle for tests, written apart from Meshift.

Sources: botocore's model of RegisterTaskDefinition; ECS developer guide, "Task definition parameters for Fargate" and
"for EC2", "Service quotas", "Container dependencies".
"""

import json
import re
from functools import cache

import botocore.session
from botocore.validate import ParamValidator

SIZES = """
256: 512 1024 2048
512: 1024-4096/1024
1024: 2048-8192/1024
2048: 4096-16384/1024
4096: 8192-30720/1024
8192: 16384-61440/4096
16384: 32768-122880/8192
"""


@cache
def register_shape():
    service = botocore.session.get_session().get_service_model("ecs")
    return service.operation_model("RegisterTaskDefinition").input_shape


@cache
def described_only():
    """What DescribeTaskDefinition answers and RegisterTaskDefinition does not take."""
    service = botocore.session.get_session().get_service_model("ecs")
    described = service.operation_model("DescribeTaskDefinition").output_shape.members["taskDefinition"]
    return set(described.members) - set(register_shape().members)


@cache
def fargate_sizes():
    sizes = {}
    for line in SIZES.split("\n"):
        cpu, _, memories = line.partition(":")
        for part in memories.split():
            ends, _, step = part.partition("/")
            first, _, last = ends.partition("-")
            sizes.setdefault(int(cpu), set()).update(range(int(first), int(last or first) + 1, int(step or 1)))
    return sizes


def broken_rules(task_definition):
    """Name the rules that a task definition breaks, an empty list for none."""
    return [*_shape(task_definition), *_sizes(task_definition), *_containers(task_definition), *_proxy(task_definition)]


def _shape(task_definition):
    request = _known({k: v for k, v in task_definition.items() if k not in described_only()}, register_shape())
    report = ParamValidator().validate(request, register_shape())
    if report.has_errors():
        yield report.generate_report()
    if len(json.dumps(request)) > 65536:
        yield "larger than 64 KB"


def _known(value, shape):
    """Leave out the fields that botocore does not know, wherever they are."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {key: _known(each, shape.members[key]) for key, each in value.items() if key in shape.members}
    if shape.type_name == "list" and isinstance(value, list):
        return [_known(each, shape.member) for each in value]
    return value


def _sizes(task_definition):
    containers = task_definition["containerDefinitions"]
    cpu = _units(task_definition.get("cpu"), "vcpu")
    memory = _units(task_definition.get("memory"), "gb")
    known = cpu <= max(fargate_sizes())  # a larger one may be of the future
    fargate = "FARGATE" in task_definition.get("requiresCompatibilities", [])
    if fargate and known and memory not in fargate_sizes().get(cpu, ()):
        yield f"no size of Fargate: {cpu} and {memory}"
    if cpu and sum(each.get("cpu", 0) for each in containers) > cpu:
        yield "more CPU than the task has"
    if memory and sum(each.get("memoryReservation") or each.get("memory", 0) for each in containers) > memory:
        yield "more memory than the task has"
    if not memory and not all(each.get("memory") or each.get("memoryReservation") for each in containers):
        yield "neither the task nor a container says how much memory"


def _units(text, unit):
    number = re.fullmatch(rf"([\d.]+)\s*({unit})?", (text or "0").lower())
    return int(float(number[1]) * 1024) if number[2] else int(number[1])


def _containers(task_definition):
    containers = {each["name"]: each for each in task_definition["containerDefinitions"]}
    if len(containers) != len(task_definition["containerDefinitions"]):
        yield "two containers of one name"
    if len(containers) > 10:
        yield "more than ten containers"
    if not any(each.get("essential", True) for each in containers.values()):
        yield "no essential container"
    ports = [(m.get("containerPort"), m.get("protocol", "tcp")) for c in containers.values() for m in _mapped(c)]
    if len(ports) != len(set(ports)):
        yield "one port mapped twice"
    waits = {name: [each["containerName"] for each in c.get("dependsOn") or []] for name, c in containers.items()}
    for name, container in containers.items():
        if container.get("logConfiguration", {}).get("logDriver") == "awsfirelens":
            waits[name] += [router for router, each in containers.items() if each.get("firelensConfiguration")]
        for wait in container.get("dependsOn") or []:
            other = containers.get(wait["containerName"])
            if other is None:
                yield f"{name} waits for {wait['containerName']}, which is not there"
            elif wait["condition"] == "HEALTHY" and not other.get("healthCheck"):
                yield f"{name} waits for the health of {wait['containerName']}, which has no check"
            elif wait["condition"] in ("COMPLETE", "SUCCESS") and other.get("essential", True):
                yield f"{name} waits for the end of the essential {wait['containerName']}"
    if any(_leads_to(waits, name, name) for name in waits):
        yield "containers wait in a circle"


def _mapped(container):
    return [each for each in container.get("portMappings") or [] if "containerPort" in each]


def _leads_to(waits, start, goal, seen=()):
    following = [each for each in waits.get(start, []) if each not in seen]
    return goal in following or any(_leads_to(waits, each, goal, (*seen, each)) for each in following)


def _proxy(task_definition):
    proxy = task_definition.get("proxyConfiguration")
    if not proxy:
        return
    if task_definition.get("networkMode") != "awsvpc":
        yield "a proxy configuration without awsvpc"
    container = {each["name"]: each for each in task_definition["containerDefinitions"]}.get(proxy["containerName"])
    values = {each["name"]: each.get("value", "") for each in proxy["properties"]}
    if container is None or container.get("user") != values.get("IgnoredUID"):
        yield "the proxy's container is not there, or has another user"
    if any(" " in value for value in values.values()):
        yield "a list with spaces"
    if bool(values.get("ProxyIngressPort")) != bool(values.get("AppPorts")) or not values.get("ProxyEgressPort"):
        yield "ports of the proxy are missing"
    if len(values.get("EgressIgnoredPorts", "").split(",")) > 15:
        yield "more than fifteen ports are let pass"
