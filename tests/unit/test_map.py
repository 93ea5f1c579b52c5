"""The map of a mesh: made of what the Describe operations answer, as text and as a picture."""

import doctest
from xml.etree import ElementTree

from meshift.mapping import model
from meshift.mapping.model import map_of
from meshift.mapping.picture import draw
from meshift.mapping.text import lines
from meshift.svg import box
from tests.shapes import route_spec

SVG = "{http://www.w3.org/2000/svg}"
SERVICE_B = "serviceb.apps.local"


def node(name, *backends):
    spec = {"backends": [{"virtualService": {"virtualServiceName": each}} for each in backends]}
    return "virtualNode", {"virtualNodeName": name, "spec": spec}


def route(name, router=SERVICE_B, **spec):
    return "route", {"routeName": name, "virtualRouterName": router, "spec": spec or route_spec()}


def service(name, **provider):
    return "virtualService", {"virtualServiceName": name, "spec": {"provider": provider} if provider else {}}


TCP = {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "serviceB", "weight": 1}]}}}
EDGE = {"httpRoute": {"action": {"target": {"virtualService": {"virtualServiceName": "servicea.apps.local"}}}}}
APPS = [
    node("serviceBv2"),
    node("serviceB"),
    node("serviceA", SERVICE_B),
    ("virtualGateway", {"virtualGatewayName": "edge", "spec": {}}),
    ("gatewayRoute", {"gatewayRouteName": "shop", "virtualGatewayName": "edge", "spec": EDGE}),
    ("virtualRouter", {"virtualRouterName": SERVICE_B, "spec": {}}),
    route("plain", **TCP),
    route("by-header"),
    service(SERVICE_B, virtualRouter={"virtualRouterName": SERVICE_B}),
    service("servicea.apps.local", virtualNode={"virtualNodeName": "serviceA"}),
    service("nobody.apps.local"),
]


def test_the_text_has_services_with_their_routes_and_weights_then_who_calls_whom():
    assert list(lines(map_of("apps", APPS))) == [
        "mesh apps",
        "",
        "nobody.apps.local: nobody provides it",
        "",
        "servicea.apps.local: virtual node serviceA",
        "",
        "serviceb.apps.local: virtual router serviceb.apps.local",
        "  route by-header: http2 /, GET, header x-canary, priority 7",
        "    serviceB   100 ████████████████████",
        "    serviceBv2   0 ····················",
        "  route plain: tcp",
        "    serviceB   1 █···················",
        "",
        "virtual nodes",
        "  serviceA    → serviceb.apps.local",
        "  serviceB",
        "  serviceBv2",
        "",
        "virtual gateways",
        "  edge  → servicea.apps.local",
    ]


def test_the_picture_is_svg_with_every_name_and_a_line_for_each_weight():
    drawn = ElementTree.fromstring(draw(map_of("apps", APPS)))
    titles = [each.text for each in drawn.iter(f"{SVG}title")]
    assert titles.count("serviceA") == 2  # it calls, and is called
    assert {"edge", "nobody.apps.local", SERVICE_B, "serviceBv2", "by-header: http2 /, GET, header x-canary"} <= {
        *titles
    }
    weights = [each.text for each in drawn.iter(f"{SVG}text") if "weight" in each.get("class")]
    assert weights == ["100", "0", "1"]
    assert len([each for each in drawn.iter(f"{SVG}path") if each.get("class") == "edge idle"]) == 1


def test_a_mesh_with_nothing_in_it_is_drawn_all_the_same():
    empty = map_of("apps", [])
    assert list(lines(empty)) == ["mesh apps"]
    ElementTree.fromstring(draw(empty))


def test_names_are_escaped_and_cut_where_the_box_ends():
    drawn = ElementTree.fromstring(box(0, 20, 90, "<a>&b" * 5))
    assert (drawn.find("title").text, drawn.find("text").text) == ("<a>&b" * 5, "<a>&b<a>&…")


def test_the_examples_of_the_model_hold():
    assert doctest.testmod(model).failed == 0
