import re

import pytest

from domain.enrolment import is_enrolled, parse_enrolment, read_tags, refuse_unfit, with_backends
from domain.errors import InvalidTag, Refused
from tests.shapes import TAGS, service


def test_a_service_without_the_mesh_tag_is_not_enrolled():
    assert not is_enrolled({"team": "checkout", "meshift:virtual-node": "x"})


def test_the_virtual_node_defaults_to_the_services_name_and_the_policy_to_default():
    enrolment = parse_enrolment({"meshift:mesh": "apps"}, "web")
    assert (enrolment.virtual_node, enrolment.policy, enrolment.virtual_service) == ("web", "default", None)


def test_all_tags_are_understood():
    enrolment = parse_enrolment(
        {
            "meshift:mesh": "apps@111122223333",
            "meshift:virtual-node": "orders-v1-2",
            "meshift:virtual-service": "orders.apps.local",
            "meshift:backends": "a.apps.local  b.apps.local",
            "meshift:container": "app",
            "meshift:protocol": "grpc",
            "meshift:hostname": "orders.apps.local",
            "meshift:policy": "careful",
            "team": "checkout",
        },
        "orders",
    )
    assert enrolment.mesh_owner == "111122223333"
    assert enrolment.virtual_node == "orders-v1-2"
    assert enrolment.backends == ("a.apps.local", "b.apps.local")
    assert (enrolment.container, enrolment.protocol, enrolment.policy) == ("app", "grpc", "careful")


@pytest.mark.parametrize(
    ("tag", "value", "says"),
    [
        ("meshift:mesh", "", "tag meshift:mesh: '' is not a mesh's name"),
        ("meshift:mesh", "apps@12345", "NAME@ACCOUNT with the owner's 12 digits"),
        ("meshift:mesh", "apps@", "NAME@ACCOUNT"),
        ("meshift:virtual-node", "a b", "tag meshift:virtual-node: 'a b' is not a name"),
        ("meshift:virtual-service", "", "tag meshift:virtual-service"),
        ("meshift:backends", "a.local a.local", "names each virtual service once"),
        ("meshift:backends", "@orders", "tag meshift:backends: '@orders' is not names of virtual services, or @ and"),
        ("meshift:backends", "@/other/list", "an SSM parameter under /meshift/backends/"),
        ("meshift:backends", "@/meshift/backends/../x y", "an SSM parameter under /meshift/backends/"),
        ("meshift:protocol", "HTTP", "one of http, http2, grpc, tcp"),
        ("meshift:hostname", "not a host", "a DNS name"),
        ("meshift:policy", "../default", "the name of a rollout policy"),
        ("meshift:adopt", "yes", "true or false"),
        ("meshift:virtual-nod", "x", "did you mean meshift:virtual-node?"),
        ("meshift:zzz", "x", "knows no such tag; known are meshift:mesh"),
    ],
)
def test_a_tag_that_makes_no_sense_is_refused_by_name(tag, value, says):
    with pytest.raises(InvalidTag, match=re.escape(says)):
        parse_enrolment({**TAGS, tag: value}, "web")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "deployed by CODE_DEPLOY"),
        ({"deploymentController": {"type": "EXTERNAL"}}, "deployed by EXTERNAL"),
        ({"schedulingStrategy": "DAEMON"}, "DAEMON service"),
        ({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}, "the strategy BLUE_GREEN"),
        ({"deploymentConfiguration": {"strategy": "LINEAR"}}, "the strategy LINEAR"),
        ({"deploymentConfiguration": {"strategy": "CANARY"}}, "the strategy CANARY"),
        ({"launchType": "EXTERNAL"}, "ECS Anywhere"),
        ({"platformFamily": "WINDOWS_SERVER_2022_CORE"}, "runs on WINDOWS_SERVER_2022_CORE"),
        ({"platformFamily": "Windows Server 2019"}, "runs on Windows Server 2019"),
        ({"deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": True}}]}, "Service Connect"),
    ],
)
def test_a_service_that_cannot_carry_a_sidecar_is_refused_by_name(change, says):
    with pytest.raises(Refused, match=says):
        refuse_unfit(service(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"deploymentController": {"type": "ECS"}, "schedulingStrategy": "REPLICA"},
        {"launchType": "FARGATE", "platformFamily": "Linux"},
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
        {"deploymentConfiguration": {"strategy": "ROLLING", "deploymentCircuitBreaker": {"enable": True}}},
        {"deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": False}}]},
        {"deployments": [{"status": "ACTIVE", "serviceConnectConfiguration": {"enabled": True}}]},
    ],
)
def test_an_ordinary_service_is_fit(change):
    refuse_unfit(service(**change))


def test_tags_are_read_from_the_shape_of_ecs():
    assert read_tags([{"key": "a", "value": "1"}, {"key": "b"}]) == {"a": "1", "b": ""}


LISTED = parse_enrolment({**TAGS, "meshift:backends": "@/meshift/backends/web"}, "web")


@pytest.mark.parametrize("value", ["a.local b.local", "a.local,b.local", " a.local,\n b.local\n"])
def test_backends_may_be_listed_in_a_parameter(value):
    assert (LISTED.backends, LISTED.backends_parameter) == ((), "/meshift/backends/web")
    assert with_backends(LISTED, {"Type": "StringList", "Value": value}).backends == ("a.local", "b.local")


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        (None, "'@/meshift/backends/web' is not the name of an SSM parameter (String or StringList) that exists"),
        ({"Type": "SecureString", "Value": "AQICAHh"}, "is not the name of an SSM parameter (String or StringList)"),
        ({"Type": "String", "Value": "a/b"}, "'a/b' is not a list of names of virtual services"),
        ({"Type": "String", "Value": "a a"}, "names each virtual service once"),
    ],
)
def test_a_parameter_that_lists_no_backends_is_refused_by_the_tag(parameter, says):
    with pytest.raises(InvalidTag, match=re.escape(says)) as refusal:
        with_backends(LISTED, parameter)
    assert str(refusal.value).startswith("tag meshift:backends: ")
