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


def phase_of(document: Mapping[str, Any], phase: str, reason: str, weights: Mapping[str, int] | None) -> dict[str, Any]:
    """Build the detail of a phase's event from an execution's document, which has `plan` and `position`.

    `step` counts from 1; `weights` are those that the first route has in that phase.
    """
    subject = document["subject"]
    return {
        "phase": phase,
        "mesh": subject["mesh"],
        "virtualService": subject["virtualService"],
        "virtualNode": subject["virtualNode"],
        "weights": weights,
        "step": document["position"]["step"] + 1,
        "steps": len(document["plan"]["steps"]),
        "reason": reason,
        **{key: document[key] for key in ("service", "deployment", "execution")},
    }
