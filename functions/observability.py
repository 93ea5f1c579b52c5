"""Logs, metrics and correlation, the same for every function.

Log lines are JSON; `correlation_id` is the EventBridge event's id in triggers and the execution's name in
tasks, so that one search shows one deployment. Metrics are written as EMF log lines.
"""

import math
import time
import warnings
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="meshift", log_uncaught_exceptions=True, utc=True)
# Most invocations have no metric to publish; that is no news.
warnings.filterwarnings("ignore", "No application metrics to publish")
NAMESPACE = "Meshift"
metrics = Metrics(namespace=NAMESPACE, service="meshift")


def tell_execution(document: Mapping[str, Any]) -> None:
    """Let a task's log lines carry the name of its execution."""
    logger.set_correlation_id(document["execution"].rpartition(":")[2])
    logger.append_keys(ecs_service=document["service"], deployment=document["deployment"])


def tell_weights(mesh: str, virtual_service: str, weights: Mapping[str, int], settled: bool = False) -> None:
    """Publish the weight of each virtual node of a route, in percent.

    Whoever draws it repeats the last value, and CloudWatch keeps one for each minute, of a changing weight the mean. So
    what has settled is told for the minute that comes next, which holds nothing else.
    """
    for node, weight in weights.items():
        where = {"mesh": mesh, "virtualService": virtual_service, "virtualNode": node}
        with single_metric("Weight", MetricUnit.Percent, weight, namespace=NAMESPACE, default_dimensions=where) as told:
            if settled:
                told.set_timestamp(math.ceil(time.time() / 60) * 60_000)
