"""Rollouts as they are now: what RolloutTable, Step Functions and the mesh say of them, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import MeshiftError
from domain.timeline import seconds_to_go
from domain.weights import read_weights
from gateways import executions
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from meshift.stack import mesh_of
from settings import Settings

Weights = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Rollout:
    """An execution that holds a virtual service, or waits for one."""

    mesh: str
    """NAME or NAME@OWNER."""
    virtual_service: str
    execution: str
    document: Mapping[str, Any]
    """What the state machine hands on: `service`, `deployment`, `reason`, and once it is planned `plan`, `position`."""
    state: str = ""
    """The state that it entered last."""
    seconds: float = 0
    """How long ago that was."""
    weights: Weights | None = None
    """By route, as they are in the mesh; None where they cannot be read."""
    waits: bool = False

    @property
    def title(self) -> str:
        """What moves, in a few words."""
        node = (self.document.get("plan") or {}).get("candidate", "")
        return f"{self.mesh} {self.virtual_service}" + (f" → {node}" if node else "")

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.execution.rpartition(":")[2]

    @property
    def plan(self) -> Mapping[str, Any] | None:
        """Its plan, once it has one."""
        plan: Mapping[str, Any] | None = self.document.get("plan") if self.document.get("position") else None
        return plan

    @property
    def results(self) -> Sequence[Mapping[str, Any]]:
        """What its checks found last: `{"name", "verdict", "reason", "dryRun"}` each."""
        found: Sequence[Mapping[str, Any]] = (self.document.get("checked") or {}).get("results") or []
        return found

    @property
    def gate(self) -> Mapping[str, Any] | None:
        """The gate that it waits at: `{"timeoutSeconds", "onTimeout", "waitedSeconds"}`."""
        position = self.document.get("position") or {}
        if self.plan is None or "gate" not in position:
            return None
        gate = self.plan["steps"][position["step"]]["gate"]
        waited = position["gate"] + (self.seconds if self.state == "Gate" else 0)
        return {**{key: gate[key] for key in ("timeoutSeconds", "onTimeout")}, "waitedSeconds": int(waited)}

    @property
    def seconds_to_go(self) -> int | None:
        """How long until its promotion, if all stays well; None where nobody can say."""
        if self.plan is None or "away" in self.plan or self.document["position"].get("paused"):
            return None
        if self.state not in ("Shift Traffic", "Was Traffic Shifted?", "Bake", "Check Health", "What Now?", "Gate"):
            return None
        waited = self.seconds if self.state == "Bake" else 0
        return seconds_to_go(self.plan["steps"], self.document["position"], waited)

    def as_json(self) -> dict[str, Any]:
        """Return all that is known, for machines."""
        document, plan = self.document, self.plan
        found: dict[str, Any] = {
            "mesh": self.mesh,
            "virtualService": self.virtual_service,
            "virtualNode": (document.get("plan") or {}).get("candidate"),
            "service": document.get("service"),
            "deployment": document.get("deployment"),
            "execution": self.execution,
            "state": self.state,
            "waits": self.waits,
            "weights": self.weights,
            "reason": document.get("reason", ""),
        }
        if plan is None or "away" in plan:
            return found
        position, step = document["position"], plan["steps"][document["position"]["step"]]
        return {
            **found,
            "step": position["step"] + 1,
            "steps": len(plan["steps"]),
            "checksDone": position["slice"],
            "checks": step["slices"],
            "failures": position["failures"],
            "failureLimit": plan["failureLimit"],
            "results": self.results,
            "paused": position.get("paused", False),
            "gate": self.gate,
            "secondsToGo": self.seconds_to_go,
            "deadlineSecondsLeft": plan["deadlineSeconds"] - position["elapsedSeconds"],
        }


def at_work(settings: Settings, mesh: str | None = None, virtual_service: str | None = None) -> list[Rollout]:
    """Return the rollouts that hold a virtual service, then those that wait; of one mesh or virtual service."""
    found = [_rollout(each) for each in RolloutTable(settings.rollout_table).claims()]
    found += [_rollout(each, waits=True) for each in WaitingRollouts(settings.rollout_table).waiting()]
    return [
        look(each, settings)
        for each in found
        if mesh in (None, each.mesh) and virtual_service in (None, each.virtual_service)
    ]


def _rollout(found: Mapping[str, Any], waits: bool = False) -> Rollout:
    document = found["document"] or {}
    return Rollout(found["mesh"], found["virtualService"], found["execution"], document, waits=waits)


def look(rollout: Rollout, settings: Settings) -> Rollout:
    """Read what Step Functions and the mesh say of a rollout now; one of them may say nothing."""
    document, state, seconds = rollout.document, "", 0.0
    try:
        entered = executions.last_state(rollout.execution)
    except (ClientError, BotoCoreError) as error:
        entered, document = None, {**document, "reason": f"its execution cannot be read: {error}"}
    if entered:
        state, since, latest = entered
        document = {**document, **latest}
        seconds = max(0.0, (datetime.now(UTC) - since).total_seconds())
    weights = weights_now(rollout.mesh, document.get("plan") or {}, settings)
    waits = rollout.waits and "position" not in document  # it has had its turn meanwhile
    return replace(rollout, document=document, state=state, seconds=seconds, weights=weights, waits=waits)


def weights_now(mesh: str, plan: Mapping[str, Any], settings: Settings) -> Weights | None:
    """Read the weights of a plan's routes as the mesh has them."""
    if not plan:
        return None
    try:
        api = mesh_of(settings, mesh)
        routes = {name: api.describe_route(plan["virtualRouter"], name) for name in plan["routes"]}
        return {name: read_weights(route["spec"]) for name, route in routes.items()}
    except (MeshiftError, ClientError, BotoCoreError):
        return None
