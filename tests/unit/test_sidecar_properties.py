"""Whatever a task definition looks like: injected it may be registered, twice is once, and there is a way back."""

import copy

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from domain.errors import Refused
from domain.sidecar import inject, remove
from domain.sidecar.wanted import COLLECTOR, ENVOY
from tests.task_definitions import enrolment, sidecar
from tests.task_rules import broken_rules, fargate_sizes

JSON = st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.text("ab ", max_size=3), st.lists, max_leaves=3)
FUTURE = st.dictionaries(st.sampled_from(["hologram", "quantum", "x-ray-vision"]), JSON, max_size=1)
VARIABLES = st.sampled_from(["MODE", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy"])
VALUES = st.sampled_from(["", "live", "db.internal, localhost", "http://127.0.0.1:15001"])
LOGS = st.none() | st.sampled_from(
    [
        {"logDriver": "awslogs", "options": {"awslogs-group": "a", "awslogs-multiline-pattern": "^x"}},
        {"logDriver": "json-file"},
    ]
)


@st.composite
def task_definitions(draw):
    """Legal ones, with an application on port 80, equipment, and at times a hand-made Envoy."""
    names = ["app", *draw(st.lists(st.sampled_from(["agent", "worker", "init", "router"]), unique=True))]
    containers = [draw(containers_named(name)) for name in names]
    for container in containers[1:]:
        if container["name"] == "init" and draw(st.booleans()):
            waits = [{"containerName": "init", "condition": "SUCCESS"}]
            containers[0]["dependsOn"] = waits
    if draw(st.integers(0, 4)) == 0:
        condition = draw(st.sampled_from(["START", "HEALTHY"]))
        containers[-1].setdefault("dependsOn", []).append({"containerName": ENVOY, "condition": condition})
        containers.insert(draw(st.integers(0, len(containers))), hand_made())
    result = {
        "family": "orders",
        "networkMode": "awsvpc",
        "containerDefinitions": draw(st.permutations(containers)),
        **draw(FUTURE),
        **draw(sizes(containers)),
    }
    if draw(st.booleans()):
        efs = {"efsVolumeConfiguration": {"fileSystemId": "fs-1"}}
        result["volumes"] = draw(st.lists(st.just({"name": "data", **efs}), max_size=1))
    if any(each["name"] == ENVOY for each in containers):
        result["proxyConfiguration"] = hand_made_proxy()
    if draw(st.booleans()):
        result |= {"revision": 3, "status": "ACTIVE", "requiresAttributes": [], "compatibilities": ["EC2", "FARGATE"]}
    return result


@st.composite
def containers_named(draw, name):
    container = {"name": name, "image": f"{name}:1", **draw(FUTURE)}
    if name == "app":
        container["portMappings"] = [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]
    elif draw(st.booleans()):
        container["portMappings"] = []
    if name == "init":
        container["essential"] = False
    elif draw(st.booleans()):
        container["essential"] = name in ("app", "worker") or draw(st.booleans())
    if name == "router":
        container["firelensConfiguration"] = {"type": "fluentbit"}
    if draw(st.booleans()):
        environment = draw(st.dictionaries(VARIABLES, VALUES))
        container["environment"] = [{"name": key, "value": value} for key, value in environment.items()]
    for key in ("dependsOn", "mountPoints", "secrets"):
        if draw(st.integers(0, 3)) == 0:
            container[key] = []
    logs = draw(LOGS)
    if logs:
        container["logConfiguration"] = logs
    container["memoryReservation"] = draw(st.sampled_from([32, 64, 300, 512]))
    container["cpu"] = draw(st.sampled_from([0, 0, 64, 256]))
    return container


@st.composite
def sizes(draw, containers):
    """A size that holds the containers: of Fargate, of EC2 in full or in part, or none."""
    cpu, memory = (sum(each.get(key, 0) for each in containers) for key in ("cpu", "memoryReservation"))
    kind = draw(st.sampled_from(["fargate", "ec2", "memory", "none"]))
    if kind == "fargate":
        pairs = [(c, m) for c, ms in fargate_sizes().items() for m in sorted(ms) if c >= cpu and m >= memory]
        cpu, memory = draw(st.sampled_from(pairs[:12]))
        return {"cpu": str(cpu), "memory": str(memory), "requiresCompatibilities": ["FARGATE"]}
    needs = {"memory": str(memory + draw(st.integers(0, 200)))}
    if kind == "ec2":
        needs["cpu"] = str(max(cpu, 128))
    return {**(needs if kind != "none" else {}), "requiresCompatibilities": ["EC2"]}


def hand_made():
    check = {"command": ["CMD", "true"]}
    return {"name": ENVOY, "image": "mine:1", "user": "1337", "memoryReservation": 64, "healthCheck": check, "odd": [1]}


def hand_made_proxy():
    values = {"IgnoredUID": "1337", "ProxyEgressPort": "15001", "EgressIgnoredPorts": "5432"}
    properties = [{"name": name, "value": value} for name, value in values.items()]
    return {"type": "APPMESH", "containerName": ENVOY, "properties": properties}


SIDECARS = st.builds(
    sidecar,
    image=st.sampled_from(["envoy:1", "envoy:2"]),
    app_ports=st.sampled_from([(80,), (80, 8080)]),
    bootstrap=st.sampled_from([None, '{"node":{"id":"mesh/apps/virtualNode/orders"}}']),
    interception=st.sampled_from(["transparent", "proxy"]),
    metrics=st.booleans(),
    tracing=st.booleans(),
)
TAGS = enrolment(container="app", adopt="true")
MANY = settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def injected(task_definition, wanted):
    try:
        return inject(task_definition, TAGS, wanted)
    except Refused as refusal:
        assume("a proxy of its own" not in str(refusal))
        raise


def as_ecs_answers(task_definition):
    """What RegisterTaskDefinition got, as DescribeTaskDefinition gives it back."""
    answer = copy.deepcopy(task_definition)
    for container in answer["containerDefinitions"]:
        for key in ("environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"):
            container.setdefault(key, [])
        container.setdefault("cpu", 0)
        container["environment"].reverse()
    answer.setdefault("volumes", [])
    answer.get("proxyConfiguration", {}).get("properties", []).reverse()
    return {
        **answer,
        "revision": 9,
        "status": "ACTIVE",
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:1:task-definition/a:9",
    }


@MANY
@given(task_definitions(), SIDECARS)
def test_what_was_injected_may_be_registered(task_definition, wanted):
    assert broken_rules(injected(task_definition, wanted).task_definition) == []


@MANY
@given(task_definitions(), SIDECARS)
def test_injecting_twice_is_injecting_once(task_definition, wanted):
    once = injected(task_definition, wanted)
    for present in (once.task_definition, as_ecs_answers(once.task_definition)):
        twice = injected(present, wanted)
        assert not twice.added
        assert twice.task_definition == present
        assert (twice.digest, twice.application, twice.container) == (once.digest, once.application, once.container)


@MANY
@given(task_definitions(), SIDECARS)
def test_removing_what_was_injected_is_as_if_nothing_had_been(task_definition, wanted):
    assert remove(injected(task_definition, wanted).task_definition) == task_definition


@MANY
@given(task_definitions(), SIDECARS, SIDECARS)
def test_a_changed_wish_makes_what_it_would_have_made_at_once(task_definition, first, second):
    upgraded = injected(injected(task_definition, first).task_definition, second).task_definition
    assert upgraded == injected(task_definition, second).task_definition


@MANY
@given(task_definitions(), SIDECARS)
def test_nothing_foreign_changes(task_definition, wanted):
    untouched = copy.deepcopy(task_definition)
    after = injected(task_definition, wanted).task_definition
    assert task_definition == untouched
    own = {"containerDefinitions", "proxyConfiguration", "cpu", "memory"}
    assert {k: v for k, v in after.items() if k not in own} == {
        k: v for k, v in task_definition.items() if k not in own
    }
    containers = {each["name"]: each for each in after["containerDefinitions"]}
    for before in task_definition["containerDefinitions"]:
        if before["name"] != ENVOY:
            own = {"dependsOn"} | ({"environment"} if wanted.interception == "proxy" else set())
            now = containers.pop(before["name"])
            assert {k: v for k, v in now.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
            kept = [each for each in before.get("dependsOn", []) if each["containerName"] != ENVOY]
            assert [each for each in now.get("dependsOn", []) if each["containerName"] != ENVOY] == kept
    assert set(containers) <= {ENVOY, COLLECTOR}
