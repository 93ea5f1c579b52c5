"""What all checks have, and the simplest: an alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.checks.result import FAIL, NO_DATA, PASS, Result

Query = dict[str, Any]
"""A MetricDataQuery of CloudWatch."""
Series = Mapping[str, Sequence[tuple[float, float]]]
"""Query id → points: when a period begins (seconds since the epoch), and its value. Ids without data are missing."""
HOUR = 3600


@dataclass(frozen=True)
class Watch:
    """What is watched: a candidate beside the stable side, at one step of its rollout."""

    mesh: str
    virtual_service: str
    candidate: str
    stable: tuple[str, ...]
    """The virtual nodes that carried the traffic before."""
    weights: Mapping[str, int]
    """The step's, of the route that outcomes tell of."""
    step: int
    last: bool
    written: float
    """When the routes were last written, in seconds since the epoch."""
    began: float
    """When the step's weights were written, in seconds since the epoch; not longer than an hour ago."""
    now: float
    service: str
    task_definition: str
    execution: str
    envoys_tell: bool = True
    """Whether Envoys count requests under the node that is called: those of the hosted mesh do."""


@dataclass(frozen=True)
class Found:
    """What was asked for, and found."""

    alarms: Mapping[str, str] = field(default_factory=dict)
    """Name → state of the alarms that exist."""
    hour: Series = field(default_factory=dict)
    step: Series = field(default_factory=dict)
    """Metrics of the last hour, and since the step began."""
    hooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Check's number → what is remembered of a hook (`domain.checks.hook`)."""


@dataclass(frozen=True)
class Check:
    """What all checks have; `document` is the check as its author wrote it."""

    number: int
    """Its place in the policy."""
    name: str
    dry_run: bool
    on_no_data: str | None
    document: Mapping[str, Any]

    def hour_queries(self, watch: Watch) -> list[Query]:
        """List what to read of the last hour."""
        return []

    def step_queries(self, watch: Watch, hour: Series) -> list[Query]:
        """List what to read of the time since the step began, knowing what the hour said."""
        return []

    def judge(self, watch: Watch, found: Found) -> Result:
        """Say what the check found."""
        raise NotImplementedError

    def result(self, verdict: str, reason: str = "") -> Result:
        """Make a result of this check."""
        return Result(self.name, verdict, reason, self.dry_run, self.on_no_data)


@dataclass(frozen=True)
class AlarmCheck(Check):
    """A CloudWatch alarm that must not ring."""

    alarm: str

    def judge(self, watch: Watch, found: Found) -> Result:
        """Judge by the alarm's state."""
        return self.judge_state(found.alarms)

    def judge_state(self, alarms: Mapping[str, str]) -> Result:
        """Judge by the states of the alarms that exist: OK, ALARM or INSUFFICIENT_DATA."""
        state = alarms.get(self.alarm)
        if state == "ALARM":
            return self.result(FAIL, f"in alarm: {self.name}")
        return self.result(PASS) if state == "OK" else self.result(NO_DATA, f"no data for: {self.name}")
