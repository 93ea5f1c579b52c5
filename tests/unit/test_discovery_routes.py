"""Routes: which requests they are for, in which order, how long they may take, and where they go."""

import pytest

from domain.discovery.configuration import Fault, Moved, configuration
from domain.discovery.matches import grpc_match, http_match
from domain.discovery.priorities import in_order
from domain.discovery.retries import DEFAULT_RETRY_POLICY
from domain.errors import Untranslatable
from tests.discovery_goldens import TRANSPARENT
from tests.discovery_meshes import listening, mesh, node, route, service, service_by_router

S = {"unit": "s", "value": 3}


def hosts(view, moved=None):
    found = configuration(view, "virtualNode/a", TRANSPARENT, {}, *([moved] if moved else []))
    return {each["name"]: each for each in found.routes[0]["virtual_hosts"]}, found


def one_route(spec, *nodes, listener=None):
    listener = listener or listening()
    nodes = nodes or (node("b", listener),)
    view = mesh(node("a", backends=["b.local"]), *nodes, *service_by_router("b.local", "b", spec, listener))
    found, _ = hosts(view)
    (only,) = found[f"b.local:{listener['portMapping']['port']}"]["routes"]
    return only


@pytest.mark.parametrize(
    ("match", "written"),
    [
        ({"prefix": "/x"}, {"prefix": "/x"}),
        ({"path": {"exact": "/x"}}, {"path": "/x"}),
        ({"path": {"regex": "/x.*"}}, {"safe_regex": {"regex": "/x.*"}}),
        ({"prefix": "/", "method": "GET"}, {"headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
        ({"prefix": "/", "scheme": "https"}, {"headers": [{"name": ":scheme", "string_match": {"exact": "https"}}]}),
        ({"prefix": "/", "headers": [{"name": "n"}]}, {"headers": [{"name": "n", "present_match": True}]}),
        (
            {"prefix": "/", "headers": [{"name": "n", "match": {"suffix": "x"}, "invert": True}]},
            {"headers": [{"name": "n", "string_match": {"suffix": "x"}, "invert_match": True}]},
        ),
        (
            {"prefix": "/", "headers": [{"name": "n", "match": {"range": {"start": -1, "end": 9}}, "invert": False}]},
            {"headers": [{"name": "n", "range_match": {"start": "-1", "end": "9"}}]},
        ),
        (
            {"prefix": "/", "headers": [{"name": "n", "match": {"regex": "a+"}}]},
            {"headers": [{"name": "n", "string_match": {"safe_regex": {"regex": "a+"}}}]},
        ),
        (
            {"prefix": "/", "queryParameters": [{"name": "q", "match": {"exact": ""}}, {"name": "p"}]},
            {
                "query_parameters": [
                    {"name": "q", "string_match": {"exact": ""}},
                    {"name": "p", "present_match": True},
                ]
            },
        ),
    ],
)
def test_every_part_of_an_http_match_has_its_word(match, written):
    assert http_match(match, "where") == {**({"prefix": "/"} if "prefix" in match else {}), **written}


@pytest.mark.parametrize(
    ("match", "written"),
    [
        ({}, {"prefix": "/"}),
        ({"serviceName": "shop.Cart"}, {"prefix": "/shop.Cart/"}),
        ({"serviceName": "shop.Cart", "methodName": "Add"}, {"path": "/shop.Cart/Add"}),
        (
            {"metadata": [{"name": "n", "match": {"prefix": "x"}}]},
            {"prefix": "/", "headers": [{"name": "n", "string_match": {"prefix": "x"}}]},
        ),
    ],
)
def test_a_grpc_method_is_a_path(match, written):
    assert grpc_match(match, "where") == written


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ({"path": {"regex": "(?=x)"}}, r"where.path.regex is '\(\?=x\)'"),
        ({"headers": [{"name": "n", "match": {"regex": "["}}]}, r"where.headers\[0\].match.regex"),
        ({"headers": [{"name": "n", "match": {"range": {"start": 9, "end": 1}}}]}, "start is 9; it must be less"),
    ],
)
def test_what_envoy_would_refuse_is_not_said(match, says):
    with pytest.raises(Untranslatable, match=says):
        http_match(match, "where")


def test_routes_are_tried_by_priority_then_by_how_much_they_ask_for():
    def http(priority=None, **match):
        return {"httpRoute": {"match": match}} | ({} if priority is None else {"priority": priority})

    specs = {
        "everything": http(prefix="/"),
        "long prefix": http(prefix="/shop/cart"),
        "short prefix": http(prefix="/shop"),
        "with a header": http(prefix="/shop", headers=[{"name": "n"}]),
        "regex": http(path={"regex": "/s.*"}),
        "exact": http(path={"exact": "/s"}),
        "last of those with priority": http(1000, prefix="/shop/cart/x"),
        "first": http(0, prefix="/"),
    }
    assert in_order(specs) == [
        "first",
        "last of those with priority",
        "exact",
        "regex",
        "long prefix",
        "with a header",
        "short prefix",
        "everything",
    ]


def test_a_method_is_tried_before_its_service_and_that_before_everything():
    specs = {
        name: {"grpcRoute": {"match": match}}
        for name, match in {
            "all": {},
            "service": {"serviceName": "s"},
            "method": {"serviceName": "s", "methodName": "m"},
        }.items()
    }
    assert in_order(specs) == ["method", "service", "all"]


def test_without_a_word_a_request_may_take_fifteen_seconds_and_has_app_meshs_retries():
    action = one_route(route({"b": 1}))["route"]
    assert action == {
        "cluster": "apps/virtualNode/b/80/http2",
        "timeout": "15s",
        "retry_policy": DEFAULT_RETRY_POLICY,
    }


def test_timeouts_are_taken_over_and_nothing_means_for_ever():
    none = {"unit": "ms", "value": 0}
    action = one_route(route({"b": 1}, timeout={"idle": {"unit": "ms", "value": 1500}, "perRequest": none}))["route"]
    assert (action["idle_timeout"], action["timeout"]) == ("1.500s", "0s")


@pytest.mark.parametrize(
    ("events", "retry_on", "codes"),
    [
        (
            {"httpRetryEvents": ["server-error"]},
            "reset,retriable-status-codes",
            [500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511],
        ),
        ({"httpRetryEvents": ["client-error"]}, "retriable-status-codes", [409]),
        ({"httpRetryEvents": ["stream-error"]}, "refused-stream", None),
        ({"tcpRetryEvents": ["connection-error"]}, "connect-failure", None),
        ({"grpcRetryEvents": ["unavailable", "cancelled"]}, "cancelled,unavailable", None),
    ],
)
def test_retry_events_are_said_in_envoys_words(events, retry_on, codes):
    policy = {"maxRetries": 5, "perRetryTimeout": S, **events}
    found = one_route(route({"b": 1}, retryPolicy=policy))["route"]["retry_policy"]
    assert (found["retry_on"], found.get("retriable_status_codes")) == (retry_on, codes)
    assert (found["num_retries"], found["per_try_timeout"]) == (5, "3s")


def test_a_target_names_one_of_its_nodes_ports():
    spec = route({"b": 1})
    spec["http2Route"]["action"]["weightedTargets"] = [
        {"virtualNode": "b", "weight": 60, "port": 81},
        {"virtualNode": "b", "weight": 40, "port": 80},
    ]
    action = one_route(spec, node("b", listening(80), listening(81, "grpc")))["route"]
    assert action["weighted_clusters"]["clusters"] == [
        {"name": "apps/virtualNode/b/81/grpc", "weight": 60},
        {"name": "apps/virtualNode/b/80/http2", "weight": 40},
    ]


def test_a_router_with_several_ports_is_told_apart_by_host():
    by_port = {}
    for port in (8080, 9090):
        spec = route({"b": 1})
        spec["http2Route"]["match"]["port"] = port
        by_port[port] = spec
    several = service_by_router("b.local", "r", by_port[8080], listening(8080), listening(9090), x=by_port[9090])
    found, _ = hosts(mesh(node("a", backends=["b.local"]), node("b"), *several))
    assert found["b.local:8080"]["domains"] == ["b.local:8080", "b.local"]
    assert found["b.local:9090"]["domains"] == ["b.local:9090"]
    assert [each["name"] for each in found["b.local:9090"]["routes"]] == ["x"]


def test_a_router_without_listeners_is_where_its_targets_are():
    resources = service_by_router("b.local", "r", route({"b": 1}), x=route({"c": 1}))
    resources[1][1]["spec"].clear()
    found, _ = hosts(mesh(node("a", backends=["b.local"]), node("b"), node("c", listening(81)), *resources))
    assert {name for name in found if name.startswith("b.local")} == {"b.local:80", "b.local:81"}


def test_a_service_that_nobody_provides_answers_503_by_itself():
    found, told = hosts(mesh(node("a", backends=["b.local"]), service("b.local")))
    assert found["b.local"]["domains"] == ["b.local", "b.local:*"]
    assert found["b.local"]["routes"] == [{"match": {"prefix": "/"}, "direct_response": {"status": 503}}]
    assert told.faults == ()


def test_names_that_differ_in_case_only_cannot_both_be_served():
    view = mesh(node("a", backends=["b.local", "B.local"]), node("b"), service("b.local"), service("B.local"))
    found, told = hosts(view)
    assert "b.local" not in found
    assert [each.path for each in told.faults] == ["virtualService/b.local"]


# What moved lately

PATH = "virtualRouter/b/route/b"


def weights(moved, **targets):
    view = mesh(
        node("a", backends=["b.local"]),
        *(node(name) for name in targets),
        *service_by_router("b.local", "b", route(targets)),
    )
    found, told = hosts(view, moved)
    action = found["b.local:80"]["routes"][0]["route"]
    named = action.get("weighted_clusters", {"clusters": [{"name": action.get("cluster"), "weight": 1}]})["clusters"]
    clusters = {each["name"] for each in told.clusters}
    assert {f"apps/virtualNode/{name}/80/http2" for name in targets} <= clusters
    return {each["name"].split("/")[2]: each["weight"] for each in named}


def test_a_fresh_target_has_its_cluster_and_no_weight():
    fresh = Moved(fresh=frozenset({(PATH, "c")}))
    assert weights(fresh, b=60, c=30, d=10) == {"b": 60, "d": 10}
    assert weights(fresh, b=100, c=0) == {"b": 1}


def test_targets_that_are_all_fresh_are_served_as_they_are():
    assert weights(Moved(fresh=frozenset({(PATH, "b"), (PATH, "c")})), b=60, c=40) == {"b": 60, "c": 40}
    assert weights(Moved(fresh=frozenset({(PATH, "c")})), b=0, c=100) == {"c": 1}


def test_a_former_node_keeps_its_clusters():
    _, gone = node("gone", listening(80), listening(81, "grpc"))
    view = mesh(node("a", backends=["b.local"]), node("b"), service("b.local", virtualNode="b"))
    _, told = hosts(view, Moved(former={"virtualNode/gone": gone}))
    assert {"apps/virtualNode/gone/80/http2", "apps/virtualNode/gone/81/grpc"} < {
        each["name"] for each in told.clusters
    }


def test_a_route_that_cannot_be_matched_is_a_fault_of_its_own():
    bad = route({"b": 1})
    bad["http2Route"]["match"] = {"path": {"regex": "("}}
    view = mesh(
        node("a", backends=["b.local"]), node("b"), *service_by_router("b.local", "b", route({"b": 1}), bad=bad)
    )
    found, told = hosts(view)
    assert [each["name"] for each in found["b.local:80"]["routes"]] == ["b"]
    said = "spec.http2Route.match.path.regex is '(': it does not close a group"
    assert told.faults == (Fault("virtualRouter/b/route/bad", said),)
