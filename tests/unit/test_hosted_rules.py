"""The rules that App Mesh's model does not hold, each by a spec that breaks it."""

import copy

import pytest

from domain.access_log_formats import check_format
from domain.hosted.errors import ApiError
from domain.hosted.listeners import check_route_fits
from domain.hosted.pages import page
from domain.hosted.policy import matches, parse_policy, verdict
from domain.hosted.specs import check_spec, references
from tests.app_mesh_sweep import RESOURCES, camel, gateway_route_spec, node_spec, route_spec
from tests.envoy_tastes import REFUSED, REFUSED_FORMATS, TAKEN, TAKEN_FORMATS

ROUTE = route_spec({"a": 75, "b": 25})
TARGET = {"virtualNode": "a", "weight": 1}
LISTENER = {"portMapping": {"port": 80, "protocol": "http2"}}


def http2(**changes):
    return {"http2Route": {**ROUTE["http2Route"], **changes}}


def targets(*weighted):
    return http2(action={"weightedTargets": list(weighted)})


def gateway(match=None, **rewrite):
    spec = copy.deepcopy(gateway_route_spec("/"))
    spec["http2Route"]["action"] |= {"rewrite": rewrite} if rewrite else {}
    spec["http2Route"]["match"] = spec["http2Route"]["match"] if match is None else match
    return spec


GRPC = {"grpcRoute": {"match": {"methodName": "m"}, "action": {"weightedTargets": [TARGET]}}}
RETRY = {"maxRetries": 1, "perRetryTimeout": {"unit": "s", "value": 1}}
RANGE = {"prefix": "/", "headers": [{"name": "n", "match": {"range": {"start": 9, "end": 9}}}]}


@pytest.mark.parametrize(("kind", "spec"), [(camel(kind), spec) for kind, _, _, *specs in RESOURCES for spec in specs])
def test_sound_specs_pass(kind, spec):
    check_spec(kind, spec)


@pytest.mark.parametrize(
    ("kind", "spec", "says"),
    [
        ("route", {}, "exactly one of httpRoute, http2Route, grpcRoute, tcpRoute, not 0"),
        ("route", {**ROUTE, "httpRoute": ROUTE["http2Route"]}, "not 2"),
        ("route", http2(match={}), "match must hold prefix or path"),
        ("route", http2(match={"prefix": "/", "path": {"exact": "/"}}), "must not hold both prefix and path"),
        ("route", http2(match={"prefix": "x"}), "prefix must begin with /"),
        ("route", http2(match={"path": {}}), "path must hold exactly one of exact, regex"),
        ("route", http2(match={"path": {"exact": "x"}}), "path.exact must begin with /"),
        ("route", http2(match=RANGE), "headers[0].match.range.start must be less than its end"),
        ("route", GRPC, "methodName needs serviceName"),
        ("route", http2(retryPolicy=RETRY), "at least one of httpRetryEvents"),
        ("route", http2(retryPolicy={**RETRY, "httpRetryEvents": ["sometimes"]}), "httpRetryEvents[0] must be one of"),
        ("route", http2(timeout={"idle": {"value": 1}}), "timeout.idle must hold both unit and value"),
        ("route", targets(TARGET, TARGET), "[1] repeats virtual node a"),
        ("route", targets({**TARGET, "weight": 0}), "weigh 0 together"),
        ("route", targets({**TARGET, "weight": 60}, {"virtualNode": "b", "weight": 60}), "weigh 120 together"),
        ("route", targets({**TARGET, "virtualNode": "a/b"}), "[0].virtualNode is 'a/b'"),
        ("gatewayRoute", {}, "exactly one of"),
        ("gatewayRoute", gateway({"hostname": {}}), "hostname must hold exactly one of exact, suffix"),
        ("gatewayRoute", gateway(prefix={"value": "/"}, path={"exact": "/"}), "rewrite must not hold both"),
        ("gatewayRoute", gateway(prefix={}), "rewrite.prefix must hold exactly one"),
        ("virtualNode", {"listeners": [LISTENER]}, "serviceDiscovery is required"),
        ("virtualNode", {**node_spec("x"), "listeners": [LISTENER, LISTENER]}, "port 80 is listened on twice"),
        ("virtualNode", {"serviceDiscovery": {"dns": {"hostname": ""}}}, "hostname is empty"),
        (
            "virtualNode",
            {**node_spec("x"), "listeners": [{**LISTENER, "connectionPool": {"tcp": {"maxConnections": 1}}}]},
            "connectionPool must be of the listener's protocol, http2",
        ),
        ("virtualRouter", {"listeners": [LISTENER, LISTENER]}, "listened on twice"),
        ("virtualGateway", {"listeners": [{**LISTENER, "healthCheck": {"port": 81}}]}, "healthCheck.port is 81"),
        ("virtualService", {"provider": {"virtualNode": {"virtualNodeName": "a b"}}}, "virtualNodeName is 'a b'"),
    ],
)
def test_a_spec_that_breaks_a_rule_is_refused_by_name(kind, spec, says):
    with pytest.raises(ApiError) as error:
        check_spec(kind, spec)
    assert error.value.code == "BadRequestException"
    assert says in error.value.message


def header(**match):
    return http2(match={"prefix": "/", "headers": [{"name": "n", "match": match}]})


def node_with(**more):
    listener = {**LISTENER, **more}
    return {"listeners": [listener], "serviceDiscovery": {"dns": {"hostname": "b.local"}}}


EJECTED = {"maxServerErrors": 5, "interval": {"unit": "s", "value": 10}, "maxEjectionPercent": 50}
CHECKED = {"healthyThreshold": 2, "unhealthyThreshold": 2, "intervalMillis": 5000, "timeoutMillis": 2000}
BY_SDS = {"mode": "STRICT", "certificate": {"sds": {"secretName": ""}}}
LOG = {"logging": {"accessLog": {"file": {"path": "/dev/stdout", "format": {"json": [{"key": "k", "value": "100%"}]}}}}}


@pytest.mark.parametrize(
    ("kind", "spec", "says"),
    [
        ("route", header(regex="(?=x)"), "spec.http2Route.match.headers[0].match.regex is '(?=x)', which Envoy's"),
        ("route", http2(match={"path": {"regex": "["}}), "spec.http2Route.match.path.regex is '['"),
        ("route", http2(match={"prefix": "/", "headers": [{"name": "a\n"}]}), "headers[0].name is 'a\\n'; it must not"),
        ("route", http2(match={"prefix": "/", "queryParameters": [{"name": ""}]}), "queryParameters[0].name must hold"),
        ("gatewayRoute", gateway(path={"exact": "/\r"}), "action.rewrite.path.exact is '/\\r'"),
        ("gatewayRoute", gateway({"hostname": {"exact": "a\0"}}), "match.hostname.exact is 'a\\x00'"),
        ("virtualNode", {"serviceDiscovery": {"dns": {"hostname": "a\x01"}}}, "spec.serviceDiscovery.dns.hostname is"),
        (
            "virtualNode",
            node_with(outlierDetection={**EJECTED, "baseEjectionDuration": {"unit": "s", "value": 0}}),
            "spec.listeners[0].outlierDetection.baseEjectionDuration must be longer than nothing",
        ),
        (
            "virtualNode",
            node_with(portMapping={"port": 80, "protocol": "http"}, healthCheck={**CHECKED, "protocol": "grpc"}),
            "spec.listeners[0].healthCheck.protocol is grpc, which a listener of http cannot answer",
        ),
        (
            "virtualNode",
            node_with(healthCheck={**CHECKED, "protocol": "http2", "path": "/\x7f"}),
            "spec.listeners[0].healthCheck.path is '/\\x7f'",
        ),
        ("virtualNode", node_with(tls=BY_SDS), "spec.listeners[0].tls.certificate.sds.secretName is empty"),
        ("virtualNode", LOG, "spec.logging.accessLog.file.format.json[0].value: the % at character 4 begins"),
    ],
)
def test_what_envoy_would_refuse_is_refused_by_the_fields_name(kind, spec, says):
    with pytest.raises(ApiError) as error:
        check_spec(kind, spec)
    assert error.value.code == "BadRequestException"
    assert says in error.value.message


@pytest.mark.parametrize("pattern", REFUSED)
def test_regular_expressions_that_envoy_refuses_are_refused_with_the_reason(pattern):
    with pytest.raises(ApiError, match="RE2"):
        check_spec("route", header(regex=pattern))


@pytest.mark.parametrize("pattern", TAKEN)
def test_regular_expressions_that_envoy_takes_pass(pattern):
    check_spec("route", header(regex=pattern))


@pytest.mark.parametrize("text", REFUSED_FORMATS)
def test_log_formats_that_envoy_refuses_are_refused(text):
    assert check_format(text) is not None


@pytest.mark.parametrize("text", TAKEN_FORMATS)
def test_log_formats_that_envoy_takes_pass(text):
    assert check_format(text) is None


def test_a_node_has_at_most_fifty_backends():
    backends = [{"virtualService": {"virtualServiceName": f"s{index}"}} for index in range(51)]
    with pytest.raises(ApiError) as error:
        check_spec("virtualNode", {"backends": backends})
    assert error.value.code == "LimitExceededException"


def test_the_same_node_may_be_targeted_on_two_ports():
    spec = targets({**TARGET, "port": 80}, {**TARGET, "port": 81})
    check_spec("route", spec)
    assert references("route", spec) == {"virtualNode/a": (80, 81)}


@pytest.mark.parametrize(
    ("protocol", "port", "listeners", "fits"),
    [
        ("http2", None, {80: "http2"}, True),
        ("http2", 80, {80: "http2"}, True),
        ("http2", None, {}, True),
        ("http", None, {80: "http2"}, False),
        ("http2", 81, {80: "http2"}, False),
        ("http2", None, {80: "http2", 81: "grpc"}, False),
        ("grpc", 81, {80: "http2", 81: "grpc"}, True),
        ("http2", 81, {80: "http2", 81: "grpc"}, False),
    ],
)
def test_a_route_fits_the_listener_above_it(protocol, port, listeners, fits):
    try:
        check_route_fits("Route", protocol, port, listeners, "Virtual Router")
    except ApiError:
        assert not fits
    else:
        assert fits


def test_pages_hold_every_name_once_and_in_order():
    named = [(f"n{index:02}", index) for index in reversed(range(25))]
    found, token = page(named, "scope", 10, None)
    while token:
        more, token = page(named, "scope", 10, token)
        found += more
    assert found == list(range(25))


# The mesh policy

ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "appmesh:*", "Resource": "*"}
ARN = "arn:aws:appmesh:us-east-1:111122223333:mesh/apps/virtualNode/a"
SESSION = "arn:aws:sts::111122223333:assumed-role/b/i-1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Effect": "Maybe"}, "Effect must be Allow or Deny"),
        ({"Condition": {}}, "'Condition' is not supported"),
        ({"NotAction": "x"}, "'NotAction' is not supported"),
        ({"Principal": None}, "Principal must be"),
        ({"Principal": {"Service": "x"}}, "Principal must hold AWS only"),
        ({"Principal": {"AWS": "somebody"}}, "Principal holds 'somebody'"),
        ({"Principal": {"AWS": []}}, "Principal must be a string or a list of strings"),
        ({"Action": "s3:*"}, "Action holds 's3:*'"),
        ({"Resource": 7}, "Resource must be a string or a list of strings"),
        ({"Resource": "x" * 20_000}, "longer than"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(change, says):
    with pytest.raises(ApiError) as error:
        parse_policy({"Statement": [{**ALLOW, **change}]})
    assert says in error.value.message


@pytest.mark.parametrize("document", [None, [], {}, {"Statement": []}, {"Statement": ["x"]}, {"Version": "2008-10-17"}])
def test_a_policy_is_a_document_with_statements(document):
    with pytest.raises(ApiError, match="policy"):
        parse_policy(document)


@pytest.mark.parametrize(
    ("principal", "found"),
    [
        ("111122223333", "allow"),
        ("arn:aws:iam::111122223333:root", "allow"),
        ("arn:aws:iam::111122223333:role/b", "allow"),
        ("arn:aws:iam::111122223333:role/teams/x/b", "allow"),
        ("arn:aws:iam::111122223333:role/bb", "silent"),
        ("arn:aws:iam::444455556666:role/b", "silent"),
        ("arn:aws:iam::111122223333:user/b", "silent"),
        ("444455556666", "silent"),
    ],
)
def test_a_principal_is_an_account_a_role_or_a_user(principal, found):
    policy = parse_policy({"Statement": {**ALLOW, "Principal": {"AWS": principal}}})
    assert verdict(policy, "111122223333", SESSION, "appmesh:UpdateVirtualNode", ARN) == found


def test_a_denial_wins_wherever_it_stands():
    deny = {**ALLOW, "Effect": "Deny", "Action": "appmesh:Delete*"}
    for statements in ([ALLOW, deny], [deny, ALLOW]):
        policy = parse_policy({"Statement": statements})
        assert verdict(policy, "111122223333", SESSION, "appmesh:DeleteVirtualNode", ARN) == "deny"
        assert verdict(policy, "111122223333", SESSION, "appmesh:UpdateVirtualNode", ARN) == "allow"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("*", "", True),
        ("a*c", "abbc", True),
        ("a*c", "abbcd", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*a*a*a*a*b", "a" * 2000, False),
        ("[ab]", "a", False),
        ("", "a", False),
    ],
)
def test_wildcards_are_those_of_iam(pattern, text, found):
    assert matches(pattern, text) is found
