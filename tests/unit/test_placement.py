"""What runs on this machine is what was injected and what discovery answers, but for what is listed here."""

import json

import pytest

from domain.bootstrap import bootstrap
from domain.discovery.configuration import Options, configuration
from domain.enrolment import parse_enrolment
from domain.sidecar import Sidecar, inject
from local.placement import CLOSED, LOOPBACK, Place, check_here, command_here, ports_of, resources_here
from tests.discovery_meshes import listening, mesh, node, route, service_by_router
from tests.shapes import TAGS, task_definition

NODE = "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceA"
TASKS = {("b.apps.local", 80): [(LOOPBACK, 41001), (LOOPBACK, 41002)], ("b2.apps.local", 80): []}
ADMIN, APPLICATION = 40001, 40080


@pytest.fixture(scope="module")
def envoy():
    text = bootstrap(NODE, "http://127.0.0.1:4566/", "lambda", "us-east-1", 1)
    found = inject(task_definition(), parse_enrolment(TAGS, "serviceA"), Sidecar("envoy:1", NODE, (80,), text))
    return next(each for each in found.task_definition["containerDefinitions"] if each["name"] == "envoy")


def differences(before, after, path=""):
    """List what differs between two documents: path, value before, value after (None: not there)."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [
            each for key in keys for each in differences(before.get(key), after.get(key), f"{path}.{key}".strip("."))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for index, pair in pairs for each in differences(*pair, f"{path}[{index}]")]
    return [] if before == after else [(path, before, after)]


def test_the_bootstrap_differs_in_the_administrations_port_alone(envoy):
    before, after = (json.loads(each[3]) for each in (envoy["command"], command_here(envoy["command"], Place(ADMIN))))
    assert differences(before, after) == [("admin.address.socket_address.port_value", 9901, ADMIN)]


def test_the_command_differs_in_options_for_several_envoys_on_one_machine_alone(envoy):
    here = command_here(envoy["command"], Place(ADMIN))
    assert here[:2] + here[4:] == envoy["command"][:2] + envoy["command"][4:]
    assert here[2] == envoy["command"][2] + " --use-dynamic-base-id --log-level warn"


def test_the_health_check_differs_in_the_administrations_port_alone(envoy):
    check = envoy["healthCheck"]["command"]
    here = check_here(envoy["healthCheck"], Place(ADMIN))
    assert [check[0], *(word.replace(str(ADMIN), "9901") for word in here)] == check
    assert sum(word.count(str(ADMIN)) for word in here) == 1


def told(interception, response_type="LOADBALANCER", egress="DROP_ALL"):
    by_dns = {"dns": {"hostname": "b.apps.local", "responseType": response_type}}
    found = mesh(
        node("a", listening(80, "http"), backends=["b.local"]),
        node("b", serviceDiscovery=by_dns),
        node("b2"),
        *service_by_router("b.local", "b", route({"b": 75, "b2": 25})),
        spec={"egressFilter": {"type": egress}},
    )
    return configuration(found, "virtualNode/a", Options(interception, "us-east-1"), {})


def here(configuration, turn=1):
    """What is answered in the place of a configuration: its listeners and clusters."""
    place = Place(ADMIN, {80: APPLICATION}, STANDS_FOR)
    both = configuration.listeners, configuration.clusters
    return [resources_here(each, place, lambda *asked: TASKS.get(asked), turn) for each in both]


def address(port):
    return {"address": {"socket_address": {"address": LOOPBACK, "port_value": port}}}


def by_name(resources):
    return {each["name"]: each for each in resources}


STANDS_FOR = {
    ("ingress", 15000): 42000,
    ("ingress", 80): 42001,
    ("egress", 15001): 43000,
    ("egress", 80): 43001,
    ("egress", 443): 43002,
}


def test_intercepted_listeners_differ_in_addresses_and_ports_alone():
    before = told("transparent")
    assert {(each["name"], port) for each in before.listeners for port in ports_of(each)} == set(STANDS_FOR)
    found = differences(by_name(before.listeners), by_name(here(before)[0]))
    own = {
        ("ingress.address.socket_address.address", "0.0.0.0", LOOPBACK),
        ("ingress.address.socket_address.port_value", 15000, 42000),
        ("egress.address.socket_address.address", "0.0.0.0", LOOPBACK),
        ("egress.address.socket_address.port_value", 15001, 43000),
    }
    redirected = {path: new for path, _, new in found if path.endswith("additional_addresses")}
    assert redirected == {
        "ingress.additional_addresses": [address(42001)],
        "egress.additional_addresses": [address(43001), address(43002)],
    }
    rest = {each for each in found if each[0] not in redirected}
    assert own <= rest
    assert {(path.split(".")[0], path.split(".")[-1], old, new) for path, old, new in rest - own} == {
        ("ingress", "destination_port", 80, 42001),
        ("egress", "destination_port", 80, 43001),
        ("egress", "destination_port", 443, 43002),
        ("egress", "start", 80, 43001),
        ("egress", "end", 81, 43002),
        ("egress", "start", 443, 43002),
        ("egress", "end", 444, 43003),
    }


def test_a_forward_proxys_listeners_differ_in_their_own_address_alone():
    before = told("proxy")
    assert set(differences(by_name(before.listeners), by_name(here(before)[0]))) == {
        ("ingress.address.socket_address.address", "0.0.0.0", LOOPBACK),
        ("ingress.address.socket_address.port_value", 15000, 42000),
        ("egress.address.socket_address.port_value", 15001, 43000),
    }


@pytest.mark.parametrize("interception", ["transparent", "proxy"])
def test_clusters_lead_to_the_tasks_on_this_machine_and_differ_in_nothing_else(interception):
    before = told(interception)
    after = by_name(here(before)[1])
    found = {
        (path.partition(".load_assignment")[0], path.rpartition(".")[2]): new
        for path, _, new in differences(by_name(before.clusters), after)
    }
    ports = {name: new for (name, what), new in found.items() if what == "port_value"}
    assert ports == {
        "apps/ingress/a/80/http": APPLICATION,
        "apps/virtualNode/b/80/http2": 41002,
        "apps/virtualNode/b2/80/http2": CLOSED[1],
        **({"apps/egress": 43000} if interception == "proxy" else {}),
    }
    assert {what for _, what in found} <= {"address", "port_value", "original_dst_lb_config"}


def test_a_name_that_means_all_its_addresses_leads_to_all_tasks():
    before = told("transparent", "ENDPOINTS")
    cluster = by_name(here(before)[1])["apps/virtualNode/b/80/http2"]
    (group,) = cluster["load_assignment"]["endpoints"]
    found = [each["endpoint"]["address"]["socket_address"]["port_value"] for each in group["lb_endpoints"]]
    assert found == [41001, 41002]


def test_what_went_where_it_was_meant_to_is_refused_here():
    before = told("transparent", egress="ALLOW_ALL")
    found = differences(by_name(before.clusters), by_name(here(before)[1]))
    assert ("apps/passthrough.original_dst_lb_config", None, {"upstream_port_override": CLOSED[1]}) in found


def test_nothing_is_changed_in_place():
    before = told("transparent")
    copy = json.dumps([before.listeners, before.clusters])
    here(before)
    assert json.dumps([before.listeners, before.clusters]) == copy
