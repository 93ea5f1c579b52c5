"""A Lambda function of the user's, asked as ECS asks its lifecycle hooks.

At each step it is asked until it answers SUCCEEDED, and then no more before the next step. IN_PROGRESS holds, and it is
asked again after `callBackDelay` seconds. As with ECS, a function that fails, takes too long or answers something else
has failed. What it leaves in `hookDetails` is handed back to it.

What is remembered of a hook between checks: `{"step", "status", "reason", "after", "details"}`; `after` is when it may
be asked again, in seconds since the epoch.

Amazon ECS developer guide, "Lambda hooks for Amazon ECS service deployments".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.checks.kinds import Check, Found, Watch
from domain.checks.result import FAIL, INCONCLUSIVE, PASS, Result

PREFIX = "meshift-hook-"
"""How the names of functions begin that Meshift may invoke."""
SECONDS = 20
"""How long an answer is waited for."""
_DELAY = 30
_SHIFTING, _SHIFTED = "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"
_LONGEST_REASON = 300
_MOST_DETAILS = 16_384
"""They travel through the state machine, whose states hold 256 KiB."""

Memory = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came of an invocation: what the function gave back, else why there is nothing."""

    payload: Any = None
    error: str = ""
    """What the function did wrong."""
    unreached: str = ""
    """Why the function was not asked: that is not its fault."""


@dataclass(frozen=True)
class HookCheck(Check):
    """A function that says how the candidate is."""

    function: str
    details: Mapping[str, Any]

    def is_due(self, watch: Watch, memory: Memory | None) -> bool:
        """Say whether it is to be asked now."""
        if memory is None or memory["step"] != watch.step or memory["status"] not in ("SUCCEEDED", "IN_PROGRESS"):
            return True
        return memory["status"] == "IN_PROGRESS" and watch.now >= float(memory["after"])

    def event(self, watch: Watch, memory: Memory | None) -> dict[str, Any]:
        """Write what it is asked with: ECS's event, virtual nodes standing for service revisions."""
        kept = memory["details"] if memory and memory["step"] == watch.step else {}
        return {
            "executionId": f"{watch.execution.rpartition(':')[2]}-{watch.step}-{self.number}",
            "lifecycleStage": _SHIFTED if watch.last else _SHIFTING,
            "resourceArn": watch.execution,
            "executionDetails": {
                "serviceArn": watch.service,
                "targetServiceRevisionArn": watch.task_definition,
                "testTrafficWeights": {},
                "productionTrafficWeights": dict(watch.weights),
                "mesh": watch.mesh,
                "virtualService": watch.virtual_service,
                "virtualNode": watch.candidate,
            },
            "hookDetails": {**self.details, **kept},
        }

    def remember(self, watch: Watch, memory: Memory | None, answer: Answer) -> dict[str, Any]:
        """Return what is to be remembered of an answer."""
        kept = dict(memory["details"]) if memory and memory["step"] == watch.step else {}
        known: dict[str, Any] = {"step": watch.step, "reason": "", "after": watch.now, "details": kept}
        if answer.unreached:
            return {**known, "status": "UNREACHED", "reason": answer.unreached[:_LONGEST_REASON]}
        if answer.error:
            return {**known, "status": "FAILED", "reason": answer.error[:_LONGEST_REASON]}
        said = answer.payload if isinstance(answer.payload, dict) else {}
        status, delay, details = said.get("hookStatus"), said.get("callBackDelay", _DELAY), said.get("hookDetails", {})
        if status in ("SUCCEEDED", "FAILED"):
            return {**known, "status": status}
        if status == "IN_PROGRESS" and _is_delay(delay) and isinstance(details, dict):
            if not _fits({**kept, **details}):
                reason = f"answered hookDetails that are no JSON of at most {_MOST_DETAILS} characters"
                return {**known, "status": "FAILED", "reason": reason}
            return {**known, "status": status, "after": watch.now + delay, "details": {**kept, **details}}
        reason = f"answered {str(answer.payload)[:100]!r}, which holds no hookStatus SUCCEEDED, FAILED or IN_PROGRESS"
        return {**known, "status": "FAILED", "reason": reason}

    def judge(self, watch: Watch, found: Found) -> Result:
        """Judge by what it answered last."""
        memory = found.hooks[str(self.number)]
        said = f"hook {self.name} {memory['reason'] or 'answered ' + memory['status']}"
        if memory["status"] == "SUCCEEDED":
            return self.result(PASS, said)
        return self.result(FAIL if memory["status"] == "FAILED" else INCONCLUSIVE, said)


def _is_delay(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 86400


def _fits(details: Mapping[str, Any]) -> bool:
    try:
        return len(json.dumps(details, allow_nan=False)) <= _MOST_DETAILS
    except ValueError:
        return False
