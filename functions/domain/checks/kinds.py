"""The kinds of checks, understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.checks.result import FAIL, NO_DATA, PASS, Result


@dataclass(frozen=True)
class Check:
    """What all checks have; `document` is the check as its author wrote it."""

    name: str
    dry_run: bool
    on_no_data: str | None
    document: Mapping[str, Any]

    def result(self, verdict: str, reason: str = "") -> Result:
        """Say what this check found."""
        return Result(self.name, verdict, reason, self.dry_run, self.on_no_data)


@dataclass(frozen=True)
class AlarmCheck(Check):
    """A CloudWatch alarm that must not ring."""

    alarm: str

    def judge(self, state: str | None) -> Result:
        """Judge by the alarm's state: OK, ALARM or INSUFFICIENT_DATA, None when it is gone."""
        if state == "ALARM":
            return self.result(FAIL, f"in alarm: {self.name}")
        return self.result(PASS) if state == "OK" else self.result(NO_DATA, f"no data for: {self.name}")
