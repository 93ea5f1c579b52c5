"""What an execution of the fleet machine has found and done so far, read off its history."""

import json
from typing import Any

_PLANNED, _SETTLED = "Plan Wave", "Bring In Wave"


class Follower:
    """One execution, and what is known of it."""

    def __init__(self, states: Any, execution: str) -> None:
        """Know nothing yet; `states` is a client of Step Functions."""
        self._states, self._execution, self._last = states, execution, 0
        self.services: list[dict[str, Any]] = []
        """All that were judged: `{"service", "action", "reason"}`."""
        self.results: list[dict[str, Any]] = []
        """All that were brought in or not: `{"service", "outcome", "reason"}`."""
        self.new_services: list[dict[str, Any]] = []
        self.new_results: list[dict[str, Any]] = []
        self.end: dict[str, Any] = {}
        """`{"outcome", "reason", "tally"}`, empty while it runs."""

    def look(self) -> bool:
        """Read what is new; say whether the execution has ended."""
        found = self._states.describe_execution(executionArn=self._execution)
        self.new_services, self.new_results = [], []
        pages = self._states.get_paginator("get_execution_history").paginate(
            executionArn=self._execution, PaginationConfig={"PageSize": 1000}
        )
        for page in pages:
            for event in page["events"]:
                if event["id"] > self._last:
                    self._last = event["id"]
                    self._take(event.get("stateExitedEventDetails") or {})
        self.services += self.new_services
        self.results += self.new_results
        if found["status"] != "RUNNING":
            self.end = _end(found)
        return bool(self.end)

    def _take(self, exited: dict[str, Any]) -> None:
        if exited.get("name") == _PLANNED:
            self.new_services += json.loads(exited["output"]).get("services", [])
        elif exited.get("name") == _SETTLED:
            named = ("service", "outcome", "reason")
            results = json.loads(exited["output"])["results"]
            self.new_results += [{key: each[key] for key in named if key in each} for each in results]


def _end(found: dict[str, Any]) -> dict[str, Any]:
    """Read how it ended; a Fail state's cause is what the others put out."""
    text = (found.get("output") if found["status"] == "SUCCEEDED" else found.get("cause")) or ""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and "outcome" in document:
        return document
    return {"outcome": found.get("error") or found["status"], "reason": text}
