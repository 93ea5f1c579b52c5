"""A `Configuration` as a static bootstrap, and what the real Envoy says of it.

Routes are put into the listeners that would poll for them, and left unchecked against clusters, as polled ones are.
"""

import copy
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import envoy

from domain.discovery.configuration import Configuration
from domain.discovery.connections import http_connections
from domain.discovery.tls import SDS_CLUSTER
from domain.re2 import RUNTIME

ENVOY = Path(envoy.__file__).parent / "_bin" / "envoy"
HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


OWN: dict[str, Any] = {
    "node": {"id": "test", "cluster": "test"},
    "layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]},
}


def static_bootstrap(*configurations: Configuration) -> dict[str, Any]:
    """Put configurations into one bootstrap. Of several, the clusters have to differ in their names; listeners get
    names and ports of their own.
    """
    resources: dict[str, list[Any]] = {"clusters": [secrets()], "listeners": []}
    for index, each in enumerate(configurations):
        resources["clusters"] += [plain(cluster) for cluster in each.clusters]
        routes = {route["name"]: route for route in each.routes}
        for listener in each.listeners:
            listener = inlined(plain(listener), routes)
            if len(configurations) > 1:
                listener["name"] = f"{index}/{listener['name']}"
                listener["address"]["socket_address"]["port_value"] = 10_000 + len(resources["listeners"])
            resources["listeners"].append(listener)
    return {**OWN, "static_resources": resources}


def plain(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != "@type"}


def inlined(listener: Any, routes: dict[str, Any]) -> dict[str, Any]:
    """Replace what a listener polls for by what it would get."""
    listener = copy.deepcopy(listener)
    chains = [*listener.get("filter_chains", ()), listener.get("default_filter_chain", {})]
    for chain in chains:
        for config in [each["typed_config"] for each in chain.get("filters", ())]:
            if "rds" in config:
                found = routes[config.pop("rds")["route_config_name"]]
                config["route_config"] = {**plain(found), "validate_clusters": False}
            elif "route_config" in config:
                config["route_config"]["validate_clusters"] = False
    return listener


def secrets() -> dict[str, Any]:
    """The cluster that secrets come from, as it stands in the bootstrap."""
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    address = {"pipe": {"path": "/tmp/sds.sock"}}
    return {
        "name": SDS_CLUSTER,
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {
            "cluster_name": SDS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def with_route(**match: Any) -> dict[str, Any]:
    """A bootstrap with one route, which has this match in App Mesh's words, unchecked."""
    headers = [{"name": each["name"], "string_match": {"safe_regex": each["match"]}} for each in match["headers"]]
    route = {"match": {"prefix": "/", "headers": headers}, "direct_response": {"status": 200}}
    hosts = [{"name": "x", "domains": ["*"], "routes": [route]}]
    return with_connections([], route_config={"name": "x", "virtual_hosts": hosts})


def with_log(text: str) -> dict[str, Any]:
    """A bootstrap with an access log of this format."""
    log = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/null",
        "log_format": {"text_format_source": {"inline_string": text}},
    }
    logs = [{"name": "envoy.access_loggers.file", "typed_config": log}]
    return with_connections(logs, route_config={"name": "x"})


def with_connections(logs: list[Any], **settings: Any) -> dict[str, Any]:
    entry = http_connections("x", logs, **settings)
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 10_000}}
    listener = {"name": "x", "address": address, "filter_chains": [{"filters": [entry]}]}
    return {**OWN, "static_resources": {"listeners": [listener]}}


def complaint(bootstrap: dict[str, Any]) -> str | None:
    """What Envoy refuses a bootstrap for, or None when it takes it."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(bootstrap, file)
        file.flush()
        command = [ENVOY, "--mode", "validate", "-c", file.name, "--log-level", "error"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return None if run.returncode == 0 else (run.stderr + run.stdout)[-3000:]
