import copy
import re

import pytest

from domain.bootstrap import bootstrap, command
from domain.enrolment import parse_enrolment
from domain.errors import Refused
from domain.sidecar import Sidecar, envoy_image, inject, is_injected, listener_ports
from tests.shapes import TAGS, task_definition

ENROLMENT = parse_enrolment(TAGS, "serviceBv2")
NODE = "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceBv2"
SIDECAR = Sidecar("envoy:1", NODE, (80, 8080))


def injected(**changes):
    return inject(task_definition(**changes), ENROLMENT, SIDECAR)


def test_envoy_is_added_beside_the_application():
    result = injected()
    assert result.added
    envoy = result.task_definition["containerDefinitions"][-1]
    assert (envoy["name"], envoy["image"], envoy["user"], envoy["essential"]) == ("envoy", "envoy:1", "1337", True)
    assert {"name": "APPMESH_RESOURCE_ARN", "value": NODE} in envoy["environment"]


def test_the_application_waits_for_a_healthy_envoy_and_keeps_what_it_waited_for():
    bare = task_definition()
    bare["containerDefinitions"][0]["dependsOn"] = [{"containerName": "init", "condition": "SUCCESS"}]
    bare["containerDefinitions"].append({"name": "init", "image": "init", "essential": False})
    result = inject(bare, ENROLMENT, SIDECAR).task_definition
    assert result["containerDefinitions"][0]["dependsOn"] == [
        {"containerName": "init", "condition": "SUCCESS"},
        {"containerName": "envoy", "condition": "HEALTHY"},
    ]


def test_traffic_is_redirected_to_envoy_with_lists_that_hold_no_spaces():
    proxy = injected().task_definition["proxyConfiguration"]
    properties = {each["name"]: each["value"] for each in proxy["properties"]}
    assert (proxy["type"], proxy["containerName"]) == ("APPMESH", "envoy")
    assert properties["AppPorts"] == "80,8080"
    assert not any(" " in value for value in properties.values())


def test_everything_foreign_comes_back_equal():
    before = task_definition(fieldOfTheFuture={"a": [1, None]})
    untouched = copy.deepcopy(before)
    after = inject(before, ENROLMENT, SIDECAR).task_definition
    assert before == untouched
    after.pop("proxyConfiguration")
    after["containerDefinitions"].pop()
    after["containerDefinitions"][0].pop("dependsOn")
    assert after == before


def test_injecting_twice_changes_nothing_even_after_ecs_added_its_empty_fields():
    once = injected().task_definition
    for container in once["containerDefinitions"]:
        container.setdefault("mountPoints", [])
        container.setdefault("volumesFrom", [])
    once["proxyConfiguration"]["properties"].reverse()
    again = inject(once, ENROLMENT, SIDECAR)
    assert not again.added
    assert again.task_definition == once


def test_another_image_is_exactly_that_change():
    once = injected().task_definition
    newer = inject(once, ENROLMENT, Sidecar("envoy:2", NODE, (80, 8080)))
    assert newer.added
    once["containerDefinitions"][-1]["image"] = "envoy:2"
    assert newer.task_definition == once


def test_envoys_logs_go_where_the_applications_go():
    envoy = injected().task_definition["containerDefinitions"][-1]
    assert envoy["logConfiguration"]["options"]["awslogs-group"] == "/apps"


APP = task_definition()["containerDefinitions"][0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"networkMode": "host"}, "networkMode host"),
        ({"networkMode": "bridge"}, "networkMode bridge"),
        ({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, "WINDOWS_SERVER_2022_CORE"),
        ({"requiresCompatibilities": ["EXTERNAL"]}, "ECS Anywhere"),
        ({"containerDefinitions": [APP, {**APP, "name": "envoy"}]}, "a container envoy that Meshift did not put there"),
        (
            {"proxyConfiguration": {"type": "APPMESH", "containerName": "proxy"}},
            "a proxyConfiguration that Meshift did not",
        ),
        (
            {"containerDefinitions": [APP, {**APP, "name": "admin"}]},
            "2 essential containers with a port (of app, admin)",
        ),
        ({"containerDefinitions": [{**APP, "portMappings": []}]}, "no essential container with a port"),
        ({"memory": "512"}, "raise the task's memory"),
    ],
)
def test_a_task_definition_that_cannot_have_envoy_is_refused_with_the_reason(changes, says):
    with pytest.raises(Refused, match=re.escape(says)):
        injected(**changes)


def test_a_task_definition_without_a_network_mode_is_in_bridge_mode():
    bare = task_definition()
    del bare["networkMode"]
    with pytest.raises(Refused, match="bridge"):
        inject(bare, ENROLMENT, SIDECAR)


def test_the_tag_names_the_application_among_several_containers():
    enrolment = parse_enrolment({**TAGS, "meshift:container": "admin"}, "serviceBv2")
    two = task_definition(containerDefinitions=[{**APP, "memory": 100}, {**APP, "name": "admin", "memory": 100}])
    containers = inject(two, enrolment, SIDECAR).task_definition["containerDefinitions"]
    assert [("dependsOn" in each) for each in containers] == [False, True, False]


def test_a_container_that_does_not_exist_is_refused():
    enrolment = parse_enrolment({**TAGS, "meshift:container": "web"}, "serviceBv2")
    with pytest.raises(Refused, match="'web' is no container of task definition serviceBv2; it has app"):
        inject(task_definition(), enrolment, SIDECAR)


def test_a_node_without_a_listener_is_refused():
    with pytest.raises(Refused, match="has no listener"):
        inject(task_definition(), ENROLMENT, Sidecar("envoy:1", NODE, ()))


def test_ports_are_those_of_the_nodes_listeners():
    assert listener_ports({"spec": {"listeners": [{"portMapping": {"port": 80, "protocol": "http2"}}]}}) == (80,)


@pytest.mark.parametrize(
    ("region", "registry"),
    [
        ("eu-west-1", "840364872350.dkr.ecr.eu-west-1.amazonaws.com"),
        ("ap-east-1", "856666278305.dkr.ecr.ap-east-1.amazonaws.com"),
        ("cn-north-1", "919366029133.dkr.ecr.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_image_is_the_one_of_the_region(region, registry):
    assert envoy_image(region).startswith(registry + "/aws-appmesh-envoy:")


def test_a_revision_that_a_pipeline_copied_without_its_tags_is_known_again():
    copied = injected().task_definition
    copied["containerDefinitions"][0]["image"] = "serviceb:3"
    assert is_injected(copied)
    assert not inject(copied, ENROLMENT, SIDECAR).added


def test_the_application_is_the_same_with_and_without_envoy_and_another_with_another_image():
    once = injected()
    assert inject(once.task_definition, ENROLMENT, SIDECAR).application == once.application
    other = task_definition()
    other["containerDefinitions"][0]["image"] = "serviceb:3"
    assert inject(other, ENROLMENT, SIDECAR).application != once.application


def test_upstream_envoy_is_given_its_bootstrap_and_a_health_check_that_its_image_can_run():
    text = bootstrap(NODE, "https://discovery.example/", "lambda", "us-east-1", 5)
    envoy = inject(task_definition(), ENROLMENT, Sidecar("envoy:1", NODE, (80,), text)).task_definition[
        "containerDefinitions"
    ][-1]
    assert envoy["command"] == command(text)
    assert envoy["healthCheck"]["command"][:3] == ["CMD", "bash", "-c"]
    assert "environment" not in envoy
