"""The bootstrap of upstream Envoy: who it is, and where it polls its configuration from, signed.

Source of the time-outs: Envoy gets its task role's credentials only once clusters are initialised, and clusters wait
for an answer that needs a signature; these values let it start within a second.
"""

import json
from urllib.parse import urlsplit

from domain.errors import InvalidSetting

ADMIN_PORT = 9901
_TRUSTED_CAS = "/etc/ssl/certs/ca-certificates.crt"


def bootstrap(node_arn: str, discovery_url: str, signing_name: str, region: str, poll_seconds: int) -> str:
    """Write the bootstrap of a virtual node's Envoy as JSON.

    Raises InvalidSetting when the discovery endpoint is not an `https` (or, on one machine, `http`) URL.
    """
    url = urlsplit(discovery_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise InvalidSetting(f"DiscoveryEndpoint: {discovery_url!r} is not a URL such as https://discovery.example/")
    resource = node_arn.split(":", 5)[5]
    document = {
        "node": {"id": resource, "cluster": resource},
        "admin": {"address": _address("127.0.0.1", ADMIN_PORT)},
        "dynamic_resources": {
            "cds_config": _polled("0.05s", poll_seconds),
            "lds_config": _polled("0s", poll_seconds),
        },
        "static_resources": {
            "clusters": [_discovery_cluster(url.scheme, url.hostname, url.port, signing_name, region)]
        },
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def _address(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


def _polled(first_wait: str, poll_seconds: int) -> dict[str, object]:
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": first_wait,
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": ["xds"],
            "refresh_delay": f"{poll_seconds}s",
            "request_timeout": "2s",
        },
    }


def _discovery_cluster(scheme: str, host: str, port: int | None, signing_name: str, region: str) -> dict[str, object]:
    secure = scheme == "https"
    signing = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
        "service_name": signing_name,
        "region": region,
        "host_rewrite": host,
    }
    codec = {"@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}
    endpoint = {"endpoint": {"address": _address(host, port or (443 if secure else 80))}}
    cluster: dict[str, object] = {
        "name": "xds",
        "type": "LOGICAL_DNS",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "http_filters": [
                    {"name": "envoy.filters.http.aws_request_signing", "typed_config": signing},
                    {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
                ],
            }
        },
    }
    if secure:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": host,
                "common_tls_context": {
                    "validation_context": {
                        "trusted_ca": {"filename": _TRUSTED_CAS},
                        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
                    }
                },
            },
        }
    return cluster
