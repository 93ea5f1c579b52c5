"""RolloutTable: claims and history; one DynamoDB table with `pk` and `sk`.

| pk | sk | holds |
|---|---|---|
| `deployment#SERVICE#ID` | `claim` | the attempt whose execution works on this deployment |
| `claims` | `virtualRouter#MESH#NAME` | the one execution that may write its weights, its plan, the last signal |
| `virtualService#MESH#NAME` | `history#TIME#WHAT` | every plan, weight written, signal and outcome, by whom and when |
| `virtualService#MESH#NAME` | `last` | the deployment that was last rolled out, for `retry` |

MESH is NAME or, another account's, NAME@OWNER. What is remembered beside this: `remembered`, `enrolled`.
"""

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import ClaimHeld, NotFound
from domain.operations import ABORT, Signal
from gateways.clients import client, error_code
from gateways.table import KEEP, Table, expiry, key, now

_KEEP_CLAIM = timedelta(days=91)
_RECOVERY_SECONDS = 90
"""How long a claim is in one recovery's hands: longer than a function lives."""
_MAY_WRITE = "execution = :execution AND attribute_not_exists(fenced)"
_MAY_RECOVER = "execution = :execution AND (attribute_not_exists(recovering) OR recovering < :stale)"


class RolloutTable(Table):
    """The table, by its name."""

    def claim_deployment(self, service_arn: str, deployment: str) -> int:
        """Claim a deployment once and return the number of its present attempt; the first is 1."""
        item = {**_deployment_key(service_arn, deployment), "attempt": {"N": "1"}, **expiry(_KEEP_CLAIM)}
        found = self._put_if_absent(item)
        return int((found or item)["attempt"]["N"])

    def next_attempt(self, service_arn: str, deployment: str) -> int:
        """Count one more attempt at a deployment and return its number."""
        answer = client("dynamodb").update_item(
            TableName=self._name,
            Key=_deployment_key(service_arn, deployment),
            UpdateExpression="ADD attempt :one SET expiresAt = :expires",
            ExpressionAttributeValues={":one": {"N": "1"}, ":expires": expiry(_KEEP_CLAIM)["expiresAt"]},
            ReturnValues="ALL_NEW",
        )
        return int(answer["Attributes"]["attempt"]["N"])

    def claim_virtual_router(self, mesh: str, virtual_router: str, execution: str, virtual_service: str) -> None:
        """Claim a virtual router for an execution that moves a virtual service's traffic.

        It is the router and not the virtual service, for several virtual services may share one.
        Raises ClaimHeld when another has it, dead or alive: what a dead one left behind is recovery's business first.
        """
        about = {"execution": {"S": execution}, "virtualService": {"S": virtual_service}, "at": {"S": now()}}
        found = self._put_if_absent({**_claim_key(mesh, virtual_router), **about})
        if found and found["execution"]["S"] != execution:
            shared = found["virtualService"]["S"]
            what = shared if shared == virtual_service else f"virtual router {virtual_router}, which {shared} shares,"
            raise ClaimHeld(f"{what} is in the hands of execution {found['execution']['S'].rpartition(':')[2]}")

    def keep_plan(self, mesh: str, virtual_router: str, execution: str, document: Mapping[str, Any]) -> None:
        """Keep what recovery needs with the claim, before the first weight is written."""
        self._update_claim(mesh, virtual_router, execution, "document", {"S": json.dumps(document)})

    def fence(self, mesh: str, virtual_router: str, execution: str) -> dict[str, Any] | None:
        """Take from a dead execution, whose last function may still run, the right to write weights.

        Returns the claim as it is then, with `fencedSeconds`, since when; nothing can be added to it any more. None
        when another recovery has it in hand, or it is not the execution's any more.
        """
        at = time.time()
        values = {":execution": {"S": execution}, ":now": {"N": str(at)}, ":stale": {"N": str(at - _RECOVERY_SECONDS)}}
        try:
            item = client("dynamodb").update_item(
                TableName=self._name,
                Key=_claim_key(mesh, virtual_router),
                UpdateExpression="SET fenced = if_not_exists(fenced, :now), recovering = :now",
                ConditionExpression=_MAY_RECOVER,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return None
        return {**_claim(item), "fencedSeconds": at - float(item["fenced"]["N"])}

    def decide(self, mesh: str, virtual_router: str, execution: str, result: Mapping[str, Any]) -> bool:
        """Note how a rollout ends; from here on recovery does not undo it, but completes what is left of its end.

        False when the execution does not hold its claim any more: recovery, or an earlier try, has ended it.
        """
        text = json.dumps({"outcome": result["outcome"], "reason": result["reason"]})
        try:
            self._update_claim(mesh, virtual_router, execution, "decided", {"S": text})
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def holds(self, mesh: str, virtual_router: str, execution: str) -> bool:
        """Say whether an execution may write the weights of a virtual router's routes."""
        item = self._get(_claim_key(mesh, virtual_router))
        return bool(item and item["execution"]["S"] == execution and "fenced" not in item)

    def claim(self, mesh: str, virtual_router: str) -> dict[str, Any] | None:
        """Return a virtual router's claim as `claims` does; None when nobody has it."""
        item = self._get(_claim_key(mesh, virtual_router))
        return _claim(item) if item else None

    def claim_for(self, mesh: str, virtual_service: str) -> dict[str, Any] | None:
        """Return the claim of the execution that rolls out a virtual service as `claims` does; None when none does."""
        wanted = mesh, virtual_service
        return next((each for each in self.claims() if (each["mesh"], each["virtualService"]) == wanted), None)

    def claims(self) -> list[dict[str, Any]]:
        """Return all claims: mesh, virtualRouter, virtualService, execution, document, signal, decided, token, gate.

        The document is None before there is a plan, the signal before somebody gave one, `decided` before it is how it
        ends, the token while it waits for none; the gate is the number of the step whose gate it waits at, from 0.
        """
        return [_claim(item) for item in self._query("claims")]

    def release_virtual_router(self, mesh: str, virtual_router: str, execution: str) -> None:
        """Give a claim back; one that is another's by now is left alone."""
        try:
            client("dynamodb").delete_item(
                TableName=self._name,
                Key=_claim_key(mesh, virtual_router),
                ConditionExpression="attribute_not_exists(pk) OR execution = :execution",
                ExpressionAttributeValues={":execution": {"S": execution}},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def give_signal(self, mesh: str, virtual_router: str, execution: str, signal: Signal) -> str | None:
        """Leave a signal for the execution that holds a virtual router; returns its task token when it is paused.

        The last one counts, but nothing takes the place of an abort. Raises NotFound when the execution does not hold
        the virtual router (any more), or is being aborted.
        """
        text = json.dumps({"id": signal.id, "name": signal.name, "by": signal.by})
        name = "aborted" if signal.name == ABORT else "signal"
        try:
            claim = _claim(self._update_claim(mesh, virtual_router, execution, name, {"S": text}))
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            raise NotFound(
                f"the rollout on virtual router {virtual_router} has ended meanwhile, or is being aborted"
            ) from error
        token: str | None = claim["token"]
        return token

    def keep_token(
        self, mesh: str, virtual_router: str, execution: str, token: str | None, gate: int | None = None
    ) -> Signal | None:
        """Keep the task token of an execution that waits for a signal, at a step's gate or paused; None: it goes on.

        Returns the last signal, which may have come before the token.
        """
        waits = {"S": json.dumps({"token": token, "gate": gate})}
        signal: Signal | None = _claim(self._update_claim(mesh, virtual_router, execution, "waits", waits))["signal"]
        return signal

    def record(self, mesh: str, virtual_service: str, execution: str, what: str, document: Mapping[str, Any]) -> None:
        """Add a line to a virtual service's history."""
        line = key(f"virtualService#{mesh}#{virtual_service}", f"history#{now()}#{what}")
        self._put({**line, "execution": {"S": execution}, "document": {"S": json.dumps(document)}, **expiry(KEEP)})

    def history(self, mesh: str, virtual_service: str) -> list[dict[str, Any]]:
        """Return a virtual service's history, oldest first: `{"at", "what", "execution", "document"}` each."""
        found = []
        for item in self._query(f"virtualService#{mesh}#{virtual_service}"):
            kind, _, rest = item["sk"]["S"].partition("#")
            if kind == "history":
                at, _, what = rest.partition("#")
                document = json.loads(item["document"]["S"])
                found.append({"at": at, "what": what, "execution": item["execution"]["S"], "document": document})
        return found

    def remember_last(self, mesh: str, virtual_service: str, document: Mapping[str, Any]) -> None:
        """Remember a virtual service's last rollout: `{"service", "cluster", "deployment", "targets"}`.

        The targets are the routes' virtual nodes: they had settled.
        """
        last = key(f"virtualService#{mesh}#{virtual_service}", "last")
        self._put({**last, "document": {"S": json.dumps(document)}})

    def last(self, mesh: str, virtual_service: str) -> dict[str, Any] | None:
        """Return what `remember_last` remembered."""
        item = self._get(key(f"virtualService#{mesh}#{virtual_service}", "last"))
        found: dict[str, Any] | None = json.loads(item["document"]["S"]) if item else None
        return found

    def _update_claim(
        self, mesh: str, virtual_router: str, execution: str, name: str, value: Mapping[str, Any]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = client("dynamodb").update_item(
            TableName=self._name,
            Key=_claim_key(mesh, virtual_router),
            UpdateExpression="SET #name = :value",
            ConditionExpression=_MAY_WRITE + (" AND attribute_not_exists(aborted)" if name == "signal" else ""),
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": value, ":execution": {"S": execution}},
            ReturnValues="ALL_NEW",
        )
        return dict(answer["Attributes"])


def _deployment_key(service_arn: str, deployment: str) -> dict[str, Any]:
    return key(f"deployment#{service_arn}#{deployment}", "claim")


def _claim_key(mesh: str, virtual_router: str) -> dict[str, Any]:
    return key("claims", f"virtualRouter#{mesh}#{virtual_router}")


def _claim(item: Mapping[str, Any]) -> dict[str, Any]:
    _, mesh, virtual_router = item["sk"]["S"].split("#", 2)
    signal = item.get("aborted") or item.get("signal")
    return {
        "mesh": mesh,
        "virtualRouter": virtual_router,
        "virtualService": item["virtualService"]["S"],
        "execution": item["execution"]["S"],
        "document": json.loads(item["document"]["S"]) if "document" in item else None,
        "signal": Signal(**json.loads(signal["S"])) if signal else None,
        "decided": json.loads(item["decided"]["S"]) if "decided" in item else None,
        **(json.loads(item["waits"]["S"]) if "waits" in item else {"token": None, "gate": None}),
    }
