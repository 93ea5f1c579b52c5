"""The container that publishes what Envoy measures: the AWS Distro for OpenTelemetry collector.

One container for both: CloudWatch (EMF) for statistics, X-Ray for segments. The X-Ray daemon is in maintenance and
gets security fixes only (X-Ray developer guide, "SDK and Daemon Support timeline").
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from domain.bootstrap import ADMIN_PORT
from domain.discovery.tracing import DAEMON_PORT
from domain.sidecar.wanted import COLLECTOR, MARK, USER, Sidecar

IMAGE = "public.ecr.aws/aws-observability/aws-otel-collector:v0.48.0"
NAMESPACE = "Meshift/Envoy"
LOG_GROUP = "/meshift/envoy"
MEMORY_MIB = 128
_AGENT_PORT = 9902
REQUESTS, CLASSES = "envoy_cluster_upstream_rq_completed", "envoy_cluster_upstream_rq_xx"
LATENCY = "envoy_cluster_upstream_rq_time"
"""Requests to a virtual node that were answered, as its callers' Envoys count them, those by class of answer, and how
many milliseconds the answers took.

Every series of CloudWatch costs, so nothing else is kept.
"""
DIMENSIONS = {
    REQUESTS: ("mesh", "node"),
    CLASSES: ("mesh", "node", "envoy_response_code_class"),
    LATENCY: ("mesh", "node"),
}
NATIVE_HISTOGRAMS = {
    "params": {"histogram_buckets": ["prometheusnative"]},
    "scrape_protocols": ["PrometheusProto"],
    "scrape_native_histograms": True,
}
_CALLED = "([^/;]+)/virtualNode/([^/;]+)/.*"
"""The clusters of virtual nodes, as discovery names them."""


def collector_container(sidecar: Sidecar, tracing: bool, reserves_cpu: bool) -> dict[str, Any]:
    """Describe the collector's container: for metrics if the sidecar asks, for tracing if nobody else does it.

    It runs as Envoy's user, so that what it sends is not redirected. It is not essential: the application outlives it.
    """
    region = sidecar.resource_arn.split(":")[3]
    configuration = json.dumps(_configuration(sidecar, tracing, region), separators=(",", ":"))
    container: dict[str, Any] = {
        "name": COLLECTOR,
        "image": IMAGE,
        "essential": False,
        "user": USER,
        "memoryReservation": MEMORY_MIB,
        "dockerLabels": {MARK: "collector"},
        "environment": [
            {"name": "AOT_CONFIG_CONTENT", "value": configuration},
            {"name": "AWS_REGION", "value": region},
        ],
    }
    if reserves_cpu:
        container["cpu"] = sidecar.cpu
    return container


def has_daemon(containers: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the task receives X-Ray segments already."""
    return any(
        "xray-daemon" in f"{each['name']} {each.get('image', '')}"
        or any(
            mapping.get("containerPort") == DAEMON_PORT and mapping.get("protocol") == "udp"
            for mapping in each.get("portMappings") or []
        )
        for each in containers
    )


def _configuration(sidecar: Sidecar, tracing: bool, region: str) -> dict[str, Any]:
    receivers: dict[str, Any] = {}
    processors: dict[str, Any] = {}
    exporters: dict[str, Any] = {}
    pipelines: dict[str, Any] = {}
    if sidecar.metrics:
        receivers["prometheus"] = {"config": {"scrape_configs": [_scrape(sidecar)]}}
        exporters["awsemf"] = {
            "namespace": NAMESPACE,
            "log_group_name": LOG_GROUP,
            "region": region,
            "dimension_rollup_option": "NoDimensionRollup",
            "metric_declarations": [
                {"dimensions": [list(dimensions)], "metric_name_selectors": [f"^{name}$"]}
                for name, dimensions in DIMENSIONS.items()
            ],
        }
        # The exporter makes differences of counters itself, but not of histograms.
        processors["cumulativetodelta"] = {"include": {"match_type": "strict", "metrics": [LATENCY]}}
        pipelines["metrics"] = {"receivers": ["prometheus"], "processors": [*processors], "exporters": ["awsemf"]}
    if tracing:
        receivers["awsxray"] = {"endpoint": f"127.0.0.1:{DAEMON_PORT}", "transport": "udp"}
        exporters["awsxray"] = {"region": region}
        pipelines["traces"] = {"receivers": ["awsxray"], "exporters": ["awsxray"]}
    return {
        "receivers": receivers,
        **({"processors": processors} if processors else {}),
        "exporters": exporters,
        "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": pipelines},
    }


def _scrape(sidecar: Sidecar) -> dict[str, Any]:
    """Envoy's admin interface is on a socket in aws-appmesh-envoy, whose agent serves the statistics instead.

    Its clusters have other names: there, all that a node calls is counted under the node itself, and how long it took
    is not read. Of upstream Envoy native histograms are asked for, in the one format that knows them: these the
    exporter hands to CloudWatch as values and counts, of which it makes percentiles; of others only their extremes
    would remain. The collector reads `$` as a variable of its environment, so it is doubled.
    """
    upstream = sidecar.bootstrap is not None
    mesh, node = sidecar.resource_arn.split(":", 5)[5].split("/")[1::2]
    names, called = ((REQUESTS, CLASSES, LATENCY), _CALLED) if upstream else ((REQUESTS, CLASSES), ".*")
    regex = f"({'|'.join(names)});{called}"
    rules = [{"source_labels": ["__name__", "envoy_cluster_name"], "regex": regex, "action": "keep"}]
    for label, group in (("mesh", "$$1"), ("node", "$$2")) if upstream else ():
        cluster = {"source_labels": ["envoy_cluster_name"], "regex": _CALLED}
        rules.append({**cluster, "target_label": label, "replacement": group})
    port = ADMIN_PORT if upstream else _AGENT_PORT
    return {
        "job_name": "envoy",
        "scrape_interval": "60s",
        "metrics_path": "/stats/prometheus",
        **(NATIVE_HISTOGRAMS if upstream else {}),
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"mesh": mesh, "node": node}}],
        "metric_relabel_configs": rules,
    }
