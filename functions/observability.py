"""Logs, metrics and correlation, the same for every function.

Log lines are JSON; `correlation_id` is the EventBridge event's id in triggers and the execution's name in
tasks, so that one search shows one deployment. Metrics are written as EMF log lines.
"""

from aws_lambda_powertools import Logger, Metrics

logger = Logger(service="meshift", log_uncaught_exceptions=True, utc=True)
metrics = Metrics(namespace="Meshift", service="meshift")
