"""Meshes that `mesh_api` would hold, made up from App Mesh's model: for properties of their translation.

Values come from the model's shapes. Where a rule between fields would almost never be met by chance, the shape has a
strategy of its own here; whatever else breaks a rule is left out, by `check_spec` itself.
"""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from domain.discovery.view import MeshView
from domain.hosted.errors import ApiError
from domain.hosted.model import shape
from domain.hosted.specs import ROUTE_PROTOCOLS, check_spec
from tests.certificates import own_certificate, trust
from tests.discovery_meshes import OTHER, OWNER, document

NODES, SERVICES = ("a", "B.2", "c~"), ("a.apps.local", "A.apps.local", "b", "none")
PORTS = (80, 443, 8080)
TEXT = st.sampled_from(["/", "/health", "*", "%", "a.b", "Ä", "x-y"]) | st.text(min_size=1, max_size=9)
REGEXES = st.sampled_from(["/v[0-9]+/.*", "(?i)a|b", r"\d{3}", "[[:alpha:]]+", "(?=x)", r"(a)\1", "[", "a**"])
FORMATS = st.sampled_from(
    [
        "%REQ(:PATH)% %RESPONSE_CODE%\n",
        "100%%",
        "%START_TIME(%Y-%m)%",
        "%UPSTREAM_HOST%",
        "no",
        "%",
        "%req%",
        "100%",
        "%NO%",
        "%REQ%",
        "%DURATION:5%",
    ]
)
DURATION = st.fixed_dictionaries(
    {"unit": st.sampled_from(["s", "ms"]), "value": st.sampled_from([0, 1, 15, 2500, 2**40, 2**63 - 1])}
)
SHAPES: dict[str, st.SearchStrategy[Any]] = {
    "Duration": DURATION,
    "MatchRange": st.tuples(st.integers(-(2**63), 0), st.integers(1, 2**63 - 1)).map(
        lambda ends: {"start": ends[0], "end": ends[1]}
    ),
    "HttpPathRegex": REGEXES,
    "TextFormat": FORMATS,
    "JsonValue": FORMATS,
    "HttpRetryPolicyEvent": st.sampled_from(["server-error", "gateway-error", "client-error", "stream-error"]),
    "PortNumber": st.sampled_from(PORTS),
    "ListenerPort": st.sampled_from(PORTS),
    "Hostname": st.sampled_from(["a.apps.local", "10.0.0.1", "no name", "x" * 300]) | st.text(max_size=5),
    "FilePath": st.just("/dev/null"),
    "HttpPathExact": TEXT.map(lambda text: f"/{text}"),
    "WeightedTarget": st.fixed_dictionaries(
        {"virtualNode": st.sampled_from(NODES), "weight": st.integers(0, 33)}, optional={"port": st.sampled_from(PORTS)}
    ),
    "VirtualServiceBackend": st.deferred(
        lambda: st.fixed_dictionaries(
            {"virtualServiceName": st.sampled_from(SERVICES)}, optional={"clientPolicy": values("ClientPolicy")}
        )
    ),
    "GatewayRouteVirtualService": st.fixed_dictionaries({"virtualServiceName": st.sampled_from(SERVICES)}),
    "ListenerTlsFileCertificate": st.builds(own_certificate),
    "TlsValidationContextFileTrust": st.builds(trust),
}
SHAPES["VirtualGatewayListenerTlsFileCertificate"] = SHAPES["ListenerTlsFileCertificate"]
SHAPES["VirtualGatewayTlsValidationContextFileTrust"] = SHAPES["TlsValidationContextFileTrust"]


@cache
def values(name: str) -> st.SearchStrategy[Any]:
    """Values that fit a shape."""
    return SHAPES[name] if name in SHAPES else modelled(name)


@cache
def modelled(name: str) -> st.SearchStrategy[Any]:
    """Values that fit a shape by nothing but the model."""
    found = shape(name)
    kind = found["type"]
    if kind == "structure":
        members = {member: st.deferred(lambda of=of: values(of)) for member, of in found["members"].items()}
        if found.get("union"):
            return st.one_of([st.fixed_dictionaries({member: value}) for member, value in members.items()])
        required = {member: members.pop(member) for member in found.get("required", ())}
        return st.fixed_dictionaries(required, optional=members)
    if kind == "list":
        least = found.get("min", 0)
        return st.lists(st.deferred(lambda: values(found["member"])), min_size=least, max_size=max(least, 3))
    if kind in ("integer", "long"):
        most = found.get("max", 2**31 - 1 if kind == "integer" else 2**63 - 1)
        return st.integers(found.get("min", 0), most)
    if kind == "boolean":
        return st.booleans()
    if "enum" in found:
        return st.sampled_from(found["enum"])
    return st.sampled_from(["a", "b1"]) if "pattern" in found else TEXT


@st.composite
def match(draw: st.DrawFn, name: str) -> Any:
    """A match with a prefix or a path; and either alone."""
    found = draw(modelled(name))
    if "path" in found:
        found.pop("prefix", None)
        found["path"] = (
            draw(st.sampled_from(sorted(found["path"].items())).map(lambda one: dict([one])))
            if found["path"]
            else {"exact": "/"}
        )
    if "prefix" in found:
        found["prefix"] = "/" + found["prefix"].lstrip("/")
    elif "path" not in found:
        found["prefix"] = "/"
    if "hostname" in found:
        found["hostname"] = {draw(st.sampled_from(["exact", "suffix"])): draw(TEXT)}
    return found


@st.composite
def listeners(draw: st.DrawFn, name: str) -> Any:
    """Listeners on different ports, each with pool, time-outs and health check of its own."""
    found = draw(st.lists(modelled(name), min_size=1, max_size=3, unique_by=lambda each: each["portMapping"]["port"]))
    for each in found:
        protocol = each["portMapping"]["protocol"]
        for part in ("connectionPool", "timeout"):
            if part in each and protocol not in each[part]:
                of = shape(shape(name)["members"][part])["members"][protocol]
                each[part] = {protocol: draw(values(of))}
        if "healthCheck" in each:
            each["healthCheck"]["port"] = each["portMapping"]["port"]
    return found


SHAPES |= {name: match(name) for name in ("HttpRouteMatch", "HttpGatewayRouteMatch")}
SHAPES |= {"Listeners": listeners("Listener"), "VirtualGatewayListeners": listeners("VirtualGatewayListener")}


def legal(kind: str, spec: dict[str, Any]) -> bool:
    try:
        check_spec(kind, spec)
    except ApiError:
        return False
    return True


@st.composite
def meshes(draw: st.DrawFn) -> MeshView:
    """A mesh of three nodes, two routers, four services and a gateway, as far as their specs are legal."""
    resources: dict[str, Any] = {}
    for name in NODES:
        spec = draw(values("VirtualNodeSpec"))
        if spec.get("listeners"):
            spec.setdefault("serviceDiscovery", draw(values("ServiceDiscovery")))
        put(resources, "virtualNode", f"virtualNode/{name}", spec, draw(st.sampled_from([OWNER, OWNER, OTHER])))
    for name in ("r", "s"):
        put(resources, "virtualRouter", f"virtualRouter/{name}", draw(routers()))
        for index in range(draw(st.integers(0, 4))):
            put(resources, "route", f"virtualRouter/{name}/route/{index}", draw(only(ROUTE_PROTOCOLS, "RouteSpec")))
    providers = st.sampled_from(
        [
            {},
            *({"provider": {"virtualNode": {"virtualNodeName": name}}} for name in NODES),
            *({"provider": {"virtualRouter": {"virtualRouterName": name}}} for name in ("r", "s")),
        ]
    )
    for name in SERVICES:
        put(resources, "virtualService", f"virtualService/{name}", draw(providers))
    put(resources, "virtualGateway", "virtualGateway/g", draw(values("VirtualGatewaySpec")))
    kinds = [kind for kind in ROUTE_PROTOCOLS if kind != "tcpRoute"]
    for index in range(draw(st.integers(0, 4))):
        put(resources, "gatewayRoute", f"virtualGateway/g/gatewayRoute/{index}", draw(only(kinds, "GatewayRouteSpec")))
    return MeshView("m", OWNER, draw(values("MeshSpec")), resources)


def routers() -> st.SearchStrategy[Any]:
    mapping = st.fixed_dictionaries({"portMapping": values("PortMapping")})
    several = st.lists(mapping, max_size=2, unique_by=lambda each: each["portMapping"]["port"])
    return st.fixed_dictionaries({}, optional={"listeners": several})


@st.composite
def only(draw: st.DrawFn, kinds: Any, name: str) -> Any:
    """A route of one kind, with or without priority."""
    kind = draw(st.sampled_from(sorted(kinds)))
    spec = {kind: draw(values(shape(name)["members"][kind]))}
    return spec | ({"priority": draw(st.integers(0, 3))} if draw(st.booleans()) else {})


def put(resources: dict[str, Any], kind: str, path: str, spec: dict[str, Any], owner: str = OWNER) -> None:
    if legal(kind, spec):
        resources[path] = document(spec, owner)
