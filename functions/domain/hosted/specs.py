"""Rules about one spec by itself, which the model does not hold: each kind's own, found by `check_spec`."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.hosted.envoy import check_for_envoy
from domain.hosted.errors import bad_request, limit_exceeded
from domain.hosted.kinds import named
from domain.hosted.listeners import check_listeners

Spec = Mapping[str, Any]
MOST_BACKENDS = 50
ROUTE_PROTOCOLS = {"httpRoute": "http", "http2Route": "http2", "grpcRoute": "grpc", "tcpRoute": "tcp"}
HTTP_RETRY_EVENTS = ("server-error", "gateway-error", "client-error", "stream-error")


def check_spec(kind: str, spec: Spec) -> None:
    """Check a spec that fits its shape against the rules of its kind; what breaks one is a BadRequestException."""
    check_everywhere(spec, "spec")
    check = CHECKS.get(kind)
    if check:
        check(spec)
    check_for_envoy(spec, "spec")


def check_everywhere(value: Any, where: str) -> None:
    """Rules that hold wherever such an object stands: durations are whole, ranges rise."""
    if isinstance(value, Mapping):
        if set(value) <= {"unit", "value"} and len(value) < 2 and where.endswith(DURATIONS):
            raise bad_request(f"{where} must hold both unit and value")
        if set(value) == {"start", "end"} and value["start"] >= value["end"]:
            raise bad_request(f"{where}.start must be less than its end")
        for key, item in value.items():
            check_everywhere(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_everywhere(item, f"{where}[{index}]")


DURATIONS = (".idle", ".perRequest", ".perRetryTimeout", ".interval", ".baseEjectionDuration")


def check_virtual_node(spec: Spec) -> None:
    """A node with listeners says how it is discovered; at most fifty backends (quota)."""
    check_listeners(spec)
    if spec.get("listeners") and "serviceDiscovery" not in spec:
        raise bad_request("spec.serviceDiscovery is required when the virtual node has listeners")
    dns = spec.get("serviceDiscovery", {}).get("dns")
    if dns and not dns["hostname"]:
        raise bad_request("spec.serviceDiscovery.dns.hostname is empty")
    backends = spec.get("backends", ())
    if len(backends) > MOST_BACKENDS:
        raise limit_exceeded(
            f"spec.backends has {len(backends)} items; a virtual node has at most {MOST_BACKENDS} backends"
        )
    for index, backend in enumerate(backends):
        named(
            backend["virtualService"]["virtualServiceName"], f"spec.backends[{index}].virtualService.virtualServiceName"
        )


def check_virtual_service(spec: Spec) -> None:
    for provider in spec.get("provider", {}).values():
        for member, name in provider.items():
            named(name, f"spec.provider.{member}")


def check_route(spec: Spec) -> None:
    """One kind of route; match, retry policy and weighted targets that make sense."""
    member = only_route(spec, ("httpRoute", "http2Route", "grpcRoute", "tcpRoute"))
    route, where = spec[member], f"spec.{member}"
    match = route.get("match", {})
    if member in ("httpRoute", "http2Route"):
        check_path_match(match, f"{where}.match", required=True)
    if "methodName" in match and "serviceName" not in match:
        raise bad_request(f"{where}.match.methodName needs serviceName beside it")
    if "retryPolicy" in route:
        check_retry_policy(route["retryPolicy"], f"{where}.retryPolicy")
    check_weighted_targets(route["action"]["weightedTargets"], f"{where}.action.weightedTargets")


def check_weighted_targets(targets: list[Spec], where: str) -> None:
    """Each node and port once, and a total weight from 1 to 100: Envoy needs something to divide by."""
    seen = set()
    for index, target in enumerate(targets):
        named(target["virtualNode"], f"{where}[{index}].virtualNode")
        key = (target["virtualNode"], target.get("port"))
        if key in seen:
            raise bad_request(f"{where}[{index}] repeats virtual node {target['virtualNode']}")
        seen.add(key)
    total = sum(target["weight"] for target in targets)
    if not 1 <= total <= 100:
        raise bad_request(f"{where} weigh {total} together; the total must be from 1 to 100")


def check_retry_policy(policy: Spec, where: str) -> None:
    """At least one event to retry on, and known ones (API reference, HttpRetryPolicy)."""
    if not any(key.endswith("RetryEvents") for key in policy):
        raise bad_request(
            f"{where} must hold at least one of httpRetryEvents, tcpRetryEvents and, for gRPC, grpcRetryEvents"
        )
    for index, event in enumerate(policy.get("httpRetryEvents", ())):
        if event not in HTTP_RETRY_EVENTS:
            raise bad_request(f"{where}.httpRetryEvents[{index}] must be one of {', '.join(HTTP_RETRY_EVENTS)}")


def check_path_match(match: Spec, where: str, *, required: bool) -> None:
    """Prefix or path, not both; a path is exact or a regular expression; what is no expression begins with a slash."""
    if "prefix" in match and "path" in match:
        raise bad_request(f"{where} must not hold both prefix and path")
    if required and "prefix" not in match and "path" not in match:
        raise bad_request(f"{where} must hold prefix or path")
    if not match.get("prefix", "/").startswith("/"):
        raise bad_request(f"{where}.prefix must begin with /")
    path = match.get("path")
    if path is not None and len(path) != 1:
        raise bad_request(f"{where}.path must hold exactly one of exact, regex")
    if path and not path.get("exact", "/").startswith("/"):
        raise bad_request(f"{where}.path.exact must begin with /")


def check_gateway_route(spec: Spec) -> None:
    """One kind of gateway route; host name exact or suffix; a rewrite of the prefix or of the path."""
    member = only_route(spec, ("httpRoute", "http2Route", "grpcRoute"))
    route, where = spec[member], f"spec.{member}"
    match, rewrite = route["match"], route["action"].get("rewrite", {})
    if member != "grpcRoute":
        check_path_match(match, f"{where}.match", required=False)
    if "hostname" in match and len(match["hostname"]) != 1:
        raise bad_request(f"{where}.match.hostname must hold exactly one of exact, suffix")
    if "prefix" in rewrite and "path" in rewrite:
        raise bad_request(f"{where}.action.rewrite must not hold both prefix and path")
    if "prefix" in rewrite and len(rewrite["prefix"]) != 1:
        raise bad_request(f"{where}.action.rewrite.prefix must hold exactly one of defaultPrefix, value")
    target = route["action"]["target"]["virtualService"]["virtualServiceName"]
    named(target, f"{where}.action.target.virtualService.virtualServiceName")


def only_route(spec: Spec, members: tuple[str, ...]) -> str:
    found = [member for member in members if member in spec]
    if len(found) != 1:
        raise bad_request(f"spec must hold exactly one of {', '.join(members)}, not {len(found)}")
    return found[0]


CHECKS: dict[str, Callable[[Spec], None]] = {
    "virtualNode": check_virtual_node,
    "virtualRouter": check_listeners,
    "virtualGateway": check_listeners,
    "virtualService": check_virtual_service,
    "route": check_route,
    "gatewayRoute": check_gateway_route,
}


def protocol_and_port(spec: Spec) -> dict[str, Any]:
    """What a route or gateway route expects of the listener above it: `protocol`, and `port` when it matches one.

    >>> protocol_and_port({"tcpRoute": {"match": {"port": 80}}})
    {'protocol': 'tcp', 'port': 80}
    """
    member = next(member for member in ROUTE_PROTOCOLS if member in spec)
    port = spec[member].get("match", {}).get("port")
    return {"protocol": ROUTE_PROTOCOLS[member]} | ({"port": port} if port is not None else {})


def references(kind: str, spec: Spec) -> dict[str, tuple[int | None, ...]]:
    """The resources that must exist for a spec to make sense, as paths, with the ports that it names.

    Backends are not among them: App Mesh accepts one that does not exist yet, so that two services may call each other.
    """
    found: dict[str, tuple[int | None, ...]] = {}
    if kind == "virtualService":
        for member, provider in spec.get("provider", {}).items():
            found[f"{member}/{provider[f'{member}Name']}"] = ()
    member = next((member for member in ROUTE_PROTOCOLS if member in spec), None)
    if kind == "route" and member:
        for target in spec[member]["action"]["weightedTargets"]:
            path = f"virtualNode/{target['virtualNode']}"
            found[path] = (*found.get(path, ()), target.get("port"))
    if kind == "gatewayRoute" and member:
        target = spec[member]["action"]["target"]
        found[f"virtualService/{target['virtualService']['virtualServiceName']}"] = (target.get("port"),)
    return found
