"""Outcomes: how an execution can end, and what is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OUTCOMES = (
    "Promoted",
    "Rolled Back",
    "Redeployed",
    "Refused",
    "Nothing To Do",
    "Superseded",
    "Frozen",
    "Roll Back Failed",
)
_FOR_PEOPLE = ("Rolled Back", "Refused", "Frozen", "Roll Back Failed")


@dataclass(frozen=True)
class Finished:
    """What a service's node last finished a rollout with."""

    application: str
    """Fingerprint of its task definition without Meshift's additions."""
    deployment: str
    outcome: str

    @property
    def proven(self) -> bool:
        """Whether it carried all the traffic and baked: it may carry it again without being watched."""
        return self.outcome in ("Promoted", "Nothing To Do")


def needs_people(outcome: str) -> bool:
    """Say whether an outcome is published on the topic."""
    return outcome in _FOR_PEOPLE


def summarise(document: Mapping[str, Any], weights: Mapping[str, int] | None) -> dict[str, Any]:
    """Build an execution's output from its document; what was never learned is None."""
    subject = document.get("subject") or {}
    done = document["position"]["step"] if document.get("position") else 0
    if document["outcome"] == "Promoted":
        done = len(document["plan"]["steps"])
    return {
        "outcome": document["outcome"],
        "mesh": subject.get("mesh"),
        "virtualService": subject.get("virtualService"),
        "virtualNode": subject.get("virtualNode"),
        "weights": weights,
        "stepsDone": done,
        "reason": document["reason"],
    }
