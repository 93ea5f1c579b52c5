"""Logs, metrics and correlation, the same for every function.

Log lines are JSON; `correlation_id` is the EventBridge event's id in triggers and the execution's name in
tasks, so that one search shows one deployment. Metrics are written as EMF log lines.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics

logger = Logger(service="meshift", log_uncaught_exceptions=True, utc=True)
# Most invocations have no metric to publish; that is no news.
warnings.filterwarnings("ignore", "No application metrics to publish")
metrics = Metrics(namespace="Meshift", service="meshift")


def tell_execution(document: Mapping[str, Any]) -> None:
    """Let a task's log lines carry the name of its execution."""
    logger.set_correlation_id(document["execution"].rpartition(":")[2])
    logger.append_keys(ecs_service=document["service"], deployment=document["deployment"])
