"""Checks of a rollout: what a policy may ask of the world, and what the answers mean.

A check is parsed when the policy is read, and again from the plan, which carries it as its author wrote it. What it
needs to know is gathered by `handlers/checks.py`; the verdict is found here.
"""

from domain.checks.asking import calls, hour_queries, step_queries
from domain.checks.hook import Answer, HookCheck
from domain.checks.kinds import HOUR, AlarmCheck, Check, Found, Query, Series, Watch
from domain.checks.metric import MetricCheck
from domain.checks.parsing import parse_check, parse_checks
from domain.checks.result import FAIL, INCONCLUSIVE, NO_DATA, PASS, Result, dry_runs

__all__ = [
    "FAIL",
    "HOUR",
    "INCONCLUSIVE",
    "NO_DATA",
    "PASS",
    "AlarmCheck",
    "Answer",
    "Check",
    "Found",
    "HookCheck",
    "MetricCheck",
    "Query",
    "Result",
    "Series",
    "Watch",
    "calls",
    "dry_runs",
    "hour_queries",
    "parse_check",
    "parse_checks",
    "step_queries",
]
