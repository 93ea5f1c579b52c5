"""What the checks of a policy need to know, gathered in as few calls as possible, and what they found, told."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from domain.checks import (
    FAIL,
    HOUR,
    AlarmCheck,
    Check,
    Found,
    HookCheck,
    MetricCheck,
    Result,
    Watch,
    hour_queries,
    step_queries,
)
from domain.enrolment import mesh_id
from domain.errors import NotFound, Refused
from gateways import alarms, hooks
from gateways.metrics import read_metrics
from gateways.rollout_table import RolloutTable
from observability import logger, metrics

Document = dict[str, Any]
_CLOCKS = 60
"""Seconds by which the clock of who publishes may be before this one's: CloudWatch leaves out what is after the end."""


def run_checks(
    checks: Sequence[Check], watch: Watch, memories: Mapping[str, Document]
) -> tuple[list[Result], Document]:
    """Ask once for all checks of a policy; `memories` is what is remembered of hooks.

    Returns the results and what is to be remembered.
    """
    end = watch.now + _CLOCKS
    # At the last step the stable side gets no requests: its last hour with traffic ended where that step began, however
    # long that is ago, but for what CloudWatch keeps three hours only. What metric checks read goes on until now.
    since = max(min(watch.now, watch.written), watch.now - 2 * HOUR + _CLOCKS) if watch.last else watch.now
    hour = read_metrics(hour_queries(checks, watch), since - HOUR, end)
    step = read_metrics(step_queries(checks, watch, hour), watch.began, end)
    states = _states(checks)  # before hooks: these remember that they were asked
    asked = _ask_hooks([check for check in checks if isinstance(check, HookCheck)], watch, memories)
    found = Found(states, hour, step, asked)
    return [check.judge(watch, found) for check in checks], asked


def refuse_missing(checks: Sequence[Check]) -> list[Result]:
    """Refuse checks that ask for what is not there; returns what alarms say before the first shift already.

    Raises Refused.
    """
    states = _states(checks)
    ringing = [check for check in checks if isinstance(check, AlarmCheck)]
    unknown = sorted({check.alarm for check in ringing} - set(states))
    if unknown:
        raise Refused(f"the rollout policy names CloudWatch alarms that do not exist: {', '.join(unknown)}")
    for check in checks:
        if isinstance(check, HookCheck):
            try:
                hooks.look_up(check.function)
            except NotFound as error:
                raise Refused(f"the rollout policy names a function that cannot be invoked: {error}") from error
    asked = [query for check in checks if isinstance(check, MetricCheck) for query in check.own_queries()]
    now = time.time()
    read_metrics(asked, now - HOUR, now)
    return [check.judge_state(states) for check in ringing]


def alarm_results(checks: Sequence[Check]) -> list[Result]:
    """Return what the alarms among the checks say."""
    states = _states(checks)
    return [check.judge_state(states) for check in checks if isinstance(check, AlarmCheck)]


def tell_results(results: Sequence[Result], event: Document, table: RolloutTable) -> list[Document]:
    """Tell what checks found: in the log, dry runs that failed as a metric, and each changed verdict in the history.

    Returns the results for the execution's document, which knows the last ones.
    """
    told = [
        {"name": each.name, "verdict": each.verdict, "reason": each.reason, "dryRun": each.dry_run} for each in results
    ]
    if told:
        logger.info("Checked", results=told)
    failed = sum(each.dry_run and each.verdict == FAIL for each in results)
    if failed:
        metrics.add_metric("DryRunFailed", MetricUnit.Count, failed)
    known = {place: last["verdict"] for place, last in enumerate(event.get("checked", {}).get("results", []))}
    subject = event["subject"]
    for place, result in enumerate(told):
        if known.get(place) != result["verdict"]:
            line = {**result, "step": event["position"]["step"]}
            table.record(mesh_id(subject), subject["virtualService"], event["execution"], "check", line)
    return told


def _states(checks: Sequence[Check]) -> dict[str, str]:
    return alarms.read_states(sorted({check.alarm for check in checks if isinstance(check, AlarmCheck)}))


def _ask_hooks(checks: Sequence[HookCheck], watch: Watch, memories: Mapping[str, Document]) -> dict[str, Document]:
    known = {str(check.number): memories.get(str(check.number)) for check in checks}
    due = {key: check for check in checks if check.is_due(watch, known[key := str(check.number)])}
    answers = hooks.ask({key: (check.function, check.event(watch, known[key])) for key, check in due.items()})
    return {
        key: due[key].remember(watch, memory, answers[key]) if key in due else dict(memory or {})
        for key, memory in known.items()
    }
