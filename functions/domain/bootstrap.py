"""The bootstrap of upstream Envoy: who it is, and where it polls its configuration from, signed.

Source of the time-outs: Envoy gets its task role's credentials only once clusters are initialised, and clusters wait
for an answer that needs a signature; these values let it start within a second. Credentials come from the container
provider and from nowhere else, so that no key that happens to lie in the environment hides that.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from domain.discovery.tls import SDS_CLUSTER
from domain.errors import InvalidSetting
from domain.re2 import RUNTIME

ADMIN_PORT = 9901
DISCOVERY = "xds"
"""Name of the cluster that Envoy polls; listeners refer to it for their routes."""
REQUEST_SECONDS = 5
"""How long a poll waits for its answer: a cold function that reads a large mesh needs its time."""
TRUSTED_CAS = "/etc/ssl/certs/ca-certificates.crt"
SECRETS_SOCKET = "/run/spire/sockets/agent.sock"
"""SPIRE's agent, as in App Mesh's user guide, "Transport Layer Security"."""
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TYPES = "type.googleapis.com/envoy.extensions."

_LISTENS, _CAME = "listener_manager.total_listeners_active", r"ds\..*update_success"
_FILTER = quote(rf"^({_LISTENS}|(cluster_manager\.c|listener_manager\.l|http\..*\.r){_CAME})$", safe="").replace(
    "%", "%%"
)


@dataclass(frozen=True)
class Ports:
    """Where an Envoy listens; several on one machine need different ones."""

    inbound: int = 15000
    outbound: int = 15001
    admin: int = ADMIN_PORT


def is_healthy(admin_port: int = ADMIN_PORT) -> str:
    """Write the health check, for bash, which upstream's image has; it has no curl.

    LIVE is not enough: Envoy is LIVE without a listener when discovery does not answer. Clusters, listeners and routes
    must have been taken over once, all of them; what fails later makes nobody unhealthy.
    """
    return (
        f"exec 3<>/dev/tcp/127.0.0.1/{admin_port} && "
        r"printf 'GET /ready HTTP/1.1\r\nHost: admin\r\n\r\n"
        rf"GET /stats?filter={_FILTER} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n'"
        " >&3 && answer=$(cat <&3) && [[ $answer == *LIVE* "
        rf"&& $answer =~ {_LISTENS}:\ [1-9] && $answer == *cds.update_success* && ! $answer =~ update_success:\ 0 ]]"
    )


_START = 'id=${ECS_CONTAINER_METADATA_URI_V4:-$HOSTNAME}; exec envoy --config-yaml "$0" --service-node "$1/${id##*/}"'


def command(text: str) -> list[str]:
    """Write the command of the container that runs a bootstrap, in bash: each task's Envoy has an id of its own."""
    return ["bash", "-c", _START, text, json.loads(text)["node"]["id"]]


def bootstrap(
    node_arn: str,
    discovery_url: str,
    signing_name: str,
    region: str,
    poll_seconds: int,
    interception: str = "transparent",
    *,
    compress: bool = False,
    tracing: bool = False,
    ports: Ports = Ports(),
) -> str:
    """Write the bootstrap of a virtual node's (or gateway's) Envoy as JSON.

    Raises InvalidSetting when the discovery endpoint is not an `https` (or, on one machine, `http`) URL.
    """
    url = urlsplit(discovery_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/"):
        raise InvalidSetting(
            f"the discovery endpoint {discovery_url!r} is not a URL such as https://discovery.example/"
        )
    resource = node_arn.split(":", 5)[5]
    owner, (_, mesh, path) = node_arn.split(":")[4], resource.split("/", 2)
    kind, _, name = path.partition("/")
    document = {
        "node": {
            "id": resource,
            "cluster": resource,
            "metadata": {
                "mesh": mesh,
                "meshOwner": owner,
                "resource": path,
                "interception": interception,
                "pollSeconds": poll_seconds,
                "inboundPort": ports.inbound,
                "outboundPort": ports.outbound,
                **({"tracing": True} if tracing else {}),
            },
        },
        "admin": {"address": _address("127.0.0.1", ports.admin)},
        "stats_config": {"stats_tags": [_tag("appmesh.mesh", mesh), _tag(_TAGS.get(kind, kind), name)]},
        "layered_runtime": {"layers": [{"name": "meshift", "static_layer": RUNTIME}]},
        "dynamic_resources": {
            "cds_config": {**polled(poll_seconds), "initial_fetch_timeout": "0.05s"},
            "lds_config": {**polled(poll_seconds), "initial_fetch_timeout": "0s"},
        },
        "static_resources": {
            "clusters": [
                _discovery_cluster(url.scheme, url.hostname, url.port, signing_name, region, compress),
                _secrets_cluster(),
            ]
        },
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def heard_seconds(poll_seconds: int) -> int:
    """How long it takes until every Envoy has asked and was answered: it waits for up to two intervals.

    >>> heard_seconds(5)
    15
    """
    return 2 * poll_seconds + REQUEST_SECONDS


def polled(poll_seconds: int) -> dict[str, Any]:
    """Write where a resource is polled from, as an xDS config source."""
    return {
        "resource_api_version": "V3",
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": [DISCOVERY],
            "refresh_delay": f"{poll_seconds}s",
            "request_timeout": f"{REQUEST_SECONDS}s",
        },
    }


_TAGS = {"virtualNode": "appmesh.virtual_node", "virtualGateway": "appmesh.virtual_gateway"}


def _tag(name: str, value: str) -> dict[str, str]:
    return {"tag_name": name, "fixed_value": value}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _typed(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": _TYPES + kind, **config}}


def _discovery_cluster(
    scheme: str, host: str, port: int | None, signing_name: str, region: str, compress: bool
) -> dict[str, Any]:
    secure = scheme == "https"
    endpoint = {"endpoint": {"address": _address(host, port or (443 if secure else 80))}}
    options = {
        "@type": _TYPES + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": _filters(host, signing_name, region, compress),
    }
    cluster: dict[str, Any] = {
        "name": DISCOVERY,
        "type": "LOGICAL_DNS",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": DISCOVERY, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {_HTTP: options},
    }
    if secure:
        names = [{"san_type": "DNS", "matcher": {"exact": host}}]
        validation = {"trusted_ca": {"filename": TRUSTED_CAS}, "match_typed_subject_alt_names": names}
        cluster["transport_socket"] = _typed(
            "envoy.transport_sockets.tls",
            "transport_sockets.tls.v3.UpstreamTlsContext",
            sni=host,
            common_tls_context={"validation_context": validation},
        )
    return cluster


def _secrets_cluster() -> dict[str, Any]:
    """Where certificates come from that virtual nodes name by secret: Envoy takes them from static clusters only."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": SECRETS_SOCKET}}}}
    options = {
        "@type": _TYPES + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "name": SDS_CLUSTER,
        "type": "STATIC",
        "load_assignment": {"cluster_name": SDS_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {_HTTP: options},
    }


def _filters(host: str, signing_name: str, region: str, compress: bool) -> list[dict[str, Any]]:
    """Order matters: what is signed is what is sent."""
    signing = _typed(
        "envoy.filters.http.aws_request_signing",
        "filters.http.aws_request_signing.v3.AwsRequestSigning",
        service_name=signing_name,
        region=region,
        host_rewrite=host,
        credential_provider={"custom_credential_provider_chain": True, "container_credential_provider": {}},
    )
    codec = _typed("envoy.filters.http.upstream_codec", "filters.http.upstream_codec.v3.UpstreamCodec")
    gzip = _typed("envoy.compression.gzip.compressor", "compression.gzip.compressor.v3.Gzip")
    enabled = {"common_config": {"enabled": {"default_value": True, "runtime_key": "meshift.compress_polls"}}}
    compressor = _typed(
        "envoy.filters.http.compressor",
        "filters.http.compressor.v3.Compressor",
        request_direction_config=enabled,
        compressor_library=gzip,
    )
    return [*([compressor] if compress else []), signing, codec]
