"""What Meshift remembers of services, names and invitations, in the RolloutTable.

| pk | sk | holds |
|---|---|---|
| `service#ARN` | `rolled-back` | the deployment by which ECS went back to an earlier revision |
| `service#ARN` | `finished` | the application that its node last finished a rollout with, its deployment, the outcome |
| `service#ARN` | `moved-away` | the weights before traffic was taken off its node, to be brought back |
| `service#ARN` | `scaled` | the desired count and the scalable target that it had before it was scaled to zero |
| `names#MESH` | `virtualNode#NAME` | the service (ARN) that brought the node |
| `names#MESH` | `virtualService#NAME` | the cluster (ARN) whose services provide it |
| `waiting` | `MESH#SERVICE` | its cluster: the service waits for the share of the mesh |
| `invitation#ARN` | `decision` | what became of an invitation, why, and who accepted it when a person did |
| `share#ARN` | `decision` | what is thought of a share that is there: USED by whom it was accepted, or UNUSED and why |
| `meshes` | `MESH` | its card: where the hosted mesh of another account is found |

MESH is NAME or, another account's, NAME@OWNER.
"""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from domain.outcome import Finished
from gateways.clients import client, error_code
from gateways.table import KEEP, Table, expiry, key, now


class Remembered(Table):
    """What is remembered, in the table of that name."""

    def remember_rolled_back(self, service_arn: str, deployment: str) -> None:
        """Remember the deployment by which ECS took a service back to an earlier revision."""
        self._remember(f"service#{service_arn}", "rolled-back", deployment)

    def rolled_back(self, service_arn: str) -> str | None:
        """Return the deployment by which ECS last took a service back."""
        return self._value(f"service#{service_arn}", "rolled-back")

    def remember_finished(self, document: Mapping[str, Any], outcome: str) -> None:
        """Remember the application (its fingerprint) that a service's node finished with, and how.

        `document` has `service`, `deployment` and `application`.
        """
        more = {"outcome": {"S": outcome}, "deployment": {"S": document["deployment"]}}
        self._remember(f"service#{document['service']}", "finished", document["application"], **more)

    def finished(self, service_arn: str) -> Finished | None:
        """Return what a service's node last finished with."""
        item = self._get(key(f"service#{service_arn}", "finished"))
        return Finished(item["value"]["S"], item["deployment"]["S"], item["outcome"]["S"]) if item else None

    def forget_finished(self, service_arn: str) -> None:
        """Forget what a service's node finished with: it has left the mesh."""
        client("dynamodb").delete_item(TableName=self._name, Key=key(f"service#{service_arn}", "finished"))

    def remember_moved_away(self, service_arn: str, before: Mapping[str, Any]) -> None:
        """Remember the weights (by route) that there were before a service was redeployed."""
        self._remember(f"service#{service_arn}", "moved-away", json.dumps(before))

    def moved_away(self, service_arn: str) -> dict[str, dict[str, int]] | None:
        """Return the weights (by route) that there were before a service's traffic was taken off its node."""
        found = self._value(f"service#{service_arn}", "moved-away")
        return dict(json.loads(found)) if found else None

    def forget_moved_away(self, service_arn: str) -> None:
        """Forget it: the traffic has come back, or went where a rollout decided."""
        client("dynamodb").delete_item(TableName=self._name, Key=key(f"service#{service_arn}", "moved-away"))

    def remember_scaled(self, service_arn: str, before: Mapping[str, Any]) -> None:
        """Remember what a service had before it was scaled to zero: `{"desiredCount", "scalableTarget"}`."""
        self._remember(f"service#{service_arn}", "scaled", json.dumps(before))

    def scaled(self, service_arn: str) -> dict[str, Any] | None:
        """Return what a service had before it was scaled to zero, if it was."""
        found = self._value(f"service#{service_arn}", "scaled")
        return dict(json.loads(found)) if found else None

    def forget_scaled(self, service_arn: str) -> None:
        """Forget it: the service has it back."""
        client("dynamodb").delete_item(TableName=self._name, Key=key(f"service#{service_arn}", "scaled"))

    def claim_virtual_node(self, mesh: str, node: str, service_arn: str) -> str:
        """Give a virtual node to the first service that names it; returns the service that has it."""
        return self._first(f"names#{mesh}", f"virtualNode#{node}", service_arn)

    def release_virtual_node(self, mesh: str, node: str, service_arn: str) -> None:
        """Give a virtual node's name back; one that is another service's by now is left alone."""
        try:
            client("dynamodb").delete_item(
                TableName=self._name,
                Key=key(f"names#{mesh}", f"virtualNode#{node}"),
                ConditionExpression="attribute_not_exists(pk) OR #value = :service",
                ExpressionAttributeNames={"#value": "value"},
                ExpressionAttributeValues={":service": {"S": service_arn}},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def service_of(self, mesh: str, node: str) -> str | None:
        """Return the service that brought a virtual node, if one did."""
        return self._value(f"names#{mesh}", f"virtualNode#{node}")

    def claim_virtual_service(self, mesh: str, virtual_service: str, cluster_arn: str) -> str:
        """Give a virtual service to the first cluster whose service names it; returns the cluster that has it."""
        return self._first(f"names#{mesh}", f"virtualService#{virtual_service}", cluster_arn)

    def cluster_of(self, mesh: str, virtual_service: str) -> str | None:
        """Return the cluster whose services provide a virtual service, if one claimed it."""
        return self._value(f"names#{mesh}", f"virtualService#{virtual_service}")

    def hand_over(self, mesh: str, kind: str, name: str, owner: str) -> None:
        """Give a virtualNode to another service, or a virtualService to another cluster (ARNs)."""
        self._remember(f"names#{mesh}", f"{kind}#{name}", owner)

    def remember_waiting(self, mesh: str, service_arn: str, cluster: str) -> None:
        """Remember that a service waits for the share of a mesh (NAME@OWNER)."""
        self._remember("waiting", f"{mesh}#{service_arn}", cluster, **expiry(KEEP))

    def free_waiting(self, mesh: str) -> None:
        """Note that the share of a mesh is there, for all services that wait for it."""
        for item in self._query("waiting"):
            if item["sk"]["S"].startswith(f"{mesh}#"):
                self._put({**item, "free": {"BOOL": True}})

    def freed(self) -> list[dict[str, str]]:
        """Return the services that need not wait any more: `{"mesh", "service", "cluster", "at"}` each."""
        found = []
        for item in self._query("waiting"):
            if "free" in item:
                mesh, _, service = item["sk"]["S"].partition("#")
                found.append({"mesh": mesh, "service": service, "cluster": item["value"]["S"], "at": item["at"]["S"]})
        return found

    def forget_waiting(self, mesh: str, service_arn: str, at: str) -> None:
        """Forget that a service waits since a time; one that has begun to wait anew goes on waiting."""
        try:
            client("dynamodb").delete_item(
                TableName=self._name,
                Key=key("waiting", f"{mesh}#{service_arn}"),
                ConditionExpression="attribute_not_exists(pk) OR #at = :at",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues={":at": {"S": at}},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def invitation(self, invitation_arn: str) -> str | None:
        """Return what became of an invitation, as far as is known."""
        return self._value(f"invitation#{invitation_arn}", "decision")

    def remember_invitation(self, invitation_arn: str, decision: str, reason: str) -> None:
        """Remember what became of an invitation, and why."""
        self._remember(f"invitation#{invitation_arn}", "decision", decision, reason={"S": reason}, **expiry(KEEP))

    def share(self, share_arn: str) -> tuple[str, str] | None:
        """Return what was decided on a share that is there, and its reason: USED by a person's word, or UNUSED."""
        item = self._get(key(f"share#{share_arn}", "decision"))
        return (item["value"]["S"], item["reason"]["S"]) if item else None

    def remember_share(self, share_arn: str, decision: str, reason: str) -> None:
        """Remember what was decided on a share, for as long as it may be there."""
        self._remember(f"share#{share_arn}", "decision", decision, reason={"S": reason})

    def card(self, mesh: str) -> dict[str, Any] | None:
        """Return the card of another account's hosted mesh (NAME@OWNER), checked; None when it is not shared."""
        found = self._value("meshes", mesh)
        card: dict[str, Any] | None = json.loads(found) if found else None
        return card

    def cards(self) -> list[str]:
        """Name the meshes (NAME@OWNER) whose cards are known."""
        return [item["sk"]["S"] for item in self._query("meshes")]

    def remember_card(self, mesh: str, card: Mapping[str, Any]) -> None:
        """Remember where another account's hosted mesh (NAME@OWNER) is found."""
        self._remember("meshes", mesh, json.dumps(card))

    def _remember(self, pk: str, sk: str, value: str, **more: Any) -> None:
        self._put({**key(pk, sk), "value": {"S": value}, "at": {"S": now()}, **more})

    def _value(self, pk: str, sk: str) -> str | None:
        item = self._get(key(pk, sk))
        return str(item["value"]["S"]) if item else None

    def _first(self, pk: str, sk: str, value: str) -> str:
        item = {**key(pk, sk), "value": {"S": value}, "at": {"S": now()}}
        return str((self._put_if_absent(item) or item)["value"]["S"])
