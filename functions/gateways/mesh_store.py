"""The hosted meshes' DynamoDB table: read what an operation needs, write what it decided, or neither.

Its client is botocore's: boto3 around it would make INIT a tenth longer, and every Envoy waits for that.

A write takes two calls: a transaction that reads, and one that writes on condition that the mesh's change counter is
still what was read. When somebody else wrote meanwhile, it is decided anew on what is there now. What does not get
through within `patience` seconds is a TooManyRequestsException; a table that is out of reach a
ServiceUnavailableException.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from domain.hosted.access import Caller
from domain.hosted.errors import ApiError, limit_exceeded
from domain.hosted.kinds import MeshKey
from domain.hosted.state import Needs, Outcome, Record, State, Write
from gateways.mesh_items import (
    DIRECTORY,
    Item,
    changes_key,
    history_key,
    history_pk,
    keys_of,
    mesh_pk,
    record_of,
    state_of,
    write_of,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Found = TypeVar("Found")
CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent="meshift",  # botocore's own is put together anew for every call, a fifth of a GetItem's time
)
FEW_WRITES = 25
"""Items in a page of history: more than a few are seldom asked for."""
CONTENTION = {"ConditionalCheckFailed", "TransactionConflict"}
THROTTLING = {
    "ThrottlingError",
    "ThrottlingException",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
}
OUTAGE = {"InternalServerError", "ServiceUnavailable", "ServiceUnavailableException", "InternalServerErrorException"}
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.4


@dataclass(frozen=True)
class Snapshot:
    """A whole mesh as it was at one moment: its change counter, the mesh, and every resource by path."""

    changes: int
    mesh: Record
    resources: Mapping[str, Record]


class MeshStore:
    """The meshes in one table."""

    def __init__(self, table: str, dynamodb: "DynamoDBClient | None" = None, patience: float = 6.0) -> None:
        """Name the table; the client is made when it is first needed."""
        self.table = table
        self.patience = patience
        self._client = dynamodb

    @property
    def client(self) -> "DynamoDBClient":
        if self._client is None:
            self._client = cast("DynamoDBClient", get_session().create_client("dynamodb", config=CONFIG))
        return self._client

    def connect(self) -> None:
        """Make the client now rather than at the first request."""
        _ = self.client

    def look(self, needs: Needs, caller: Caller) -> State:
        """Read what an operation has to see, for an answer: one consistent call."""
        keys = keys_of(needs, caller.account)[1:]
        return self._patiently(lambda: state_of(self._batch(keys), time.time()))

    def write(
        self, needs: Needs, caller: Caller, request_id: str, decide: Callable[[State, float], Outcome]
    ) -> Outcome:
        """Read, decide, write; again, when the mesh changed in between.

        `decide` takes the state and the present time, and may be called several times.
        """
        from gateways.mesh_writes import Writer, transaction_of  # discovery only reads, and its INIT counts

        def once() -> Outcome:
            gets = [{"Get": {"TableName": self.table, "Key": item_key}} for item_key in keys_of(needs, caller.account)]
            answers = self.client.transact_get_items(TransactItems=gets)["Responses"]  # type: ignore[arg-type]
            at = round(time.time(), 3)  # after the reads: discovery counts from here when the write may take effect
            state = state_of((answer["Item"] for answer in answers if answer.get("Item")), at)
            outcome = decide(state, at)
            if outcome.change is not None:
                items = transaction_of(self.table, state, outcome, outcome.change, Writer(caller, request_id, at))
                self.client.transact_write_items(TransactItems=items)  # type: ignore[arg-type]
            return outcome

        return self._patiently(once)

    def meshes(self) -> list[Record]:
        """All meshes of all accounts: one call for a megabyte of them."""
        return self._patiently(lambda: [record_of(item) for item in self._partition(DIRECTORY)])

    def changes(self, mesh: MeshKey) -> int | None:
        """The mesh's change counter, None without a mesh: one consistent read of a few bytes."""

        def once() -> int | None:
            answer = self.client.get_item(TableName=self.table, Key=changes_key(mesh), ConsistentRead=True)
            return int(answer["Item"]["changes"]["N"]) if "Item" in answer else None

        return self._patiently(once)

    def snapshot(self, mesh: MeshKey) -> Snapshot | None:
        """A mesh with everything in it at one moment, None without a mesh: read between two equal change counters."""
        deadline = time.monotonic() + self.patience
        while True:
            before = self.changes(mesh)
            if before is None:
                return None
            records = self._patiently(lambda: state_of(self._partition(mesh_pk(mesh), "mesh"), 0).records)
            if self.changes(mesh) == before:
                return Snapshot(before, records[""], {path: record for path, record in records.items() if path})
            if time.monotonic() > deadline:
                raise ApiError("TooManyRequestsException", f"mesh {mesh.name} changes too fast to be read whole")

    def newer(self, mesh: MeshKey, known: Snapshot, changes: int) -> Snapshot | None:
        """Bring a snapshot up to a state of the change counter by what was written since: one small call.

        None when that was too much, or when the mesh was made anew meanwhile.
        """
        count = changes - known.changes
        if not 0 < count <= FEW_WRITES:
            return None
        values = {
            ":pk": {"S": history_pk(mesh)},
            ":first": history_key(mesh, known.changes + 1)["sk"],
            ":last": history_key(mesh, changes)["sk"],
        }
        condition = "pk = :pk AND sk BETWEEN :first AND :last"
        items = list(self._pages({"KeyConditionExpression": condition, "ExpressionAttributeValues": values}))
        if len(items) != count:
            return None
        resources = {"": known.mesh, **known.resources}
        for item in items:
            if item["operation"]["S"].startswith("Delete"):
                resources.pop(item["path"]["S"], None)
            else:
                resources[item["path"]["S"]] = record_of(item)
        return Snapshot(changes, resources.pop(""), resources)

    def history(self, mesh: MeshKey) -> Iterator[Item]:
        """What was written to a mesh, oldest first, as the table keeps it."""
        return self._partition(history_pk(mesh))

    def writes(self, mesh: MeshKey, changes: int, path: str | None = None) -> Iterator[Write]:
        """What was written up to a state of the change counter, newest first; of one resource, if a path is given."""
        values = {":pk": {"S": history_pk(mesh)}, ":last": history_key(mesh, changes)["sk"]}
        query: dict[str, Any] = {"KeyConditionExpression": "pk = :pk AND sk <= :last", "ScanIndexForward": False}
        if path is None:
            query["Limit"] = FEW_WRITES
        else:
            values[":path"] = {"S": path}
            query |= {"FilterExpression": "#p = :path", "ExpressionAttributeNames": {"#p": "path"}}
        yield from map(write_of, self._pages({**query, "ExpressionAttributeValues": values}))

    def _batch(self, keys: list[Item]) -> list[Item]:
        found: list[Item] = []
        wanted: Mapping[str, Any] = {self.table: {"Keys": keys, "ConsistentRead": True}}
        while wanted:
            answer = self.client.batch_get_item(RequestItems=wanted)
            found += answer["Responses"].get(self.table, [])
            left = answer.get("UnprocessedKeys", {})
            if left == wanted:
                slow: Any = {"Error": {"Code": "ThrottlingException", "Message": "no key of the batch was processed"}}
                raise ClientError(slow, "BatchGetItem")
            wanted = left
        return found

    def _partition(self, pk: str, sk: str = "") -> Iterator[Item]:
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if sk:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": {"S": sk}}
        return self._pages({"KeyConditionExpression": condition, "ExpressionAttributeValues": values})

    def _pages(self, query: dict[str, Any]) -> Iterator[Item]:
        while query:
            answer = self._patiently(partial(self.client.query, TableName=self.table, ConsistentRead=True, **query))
            yield from answer["Items"]
            last = answer.get("LastEvaluatedKey")
            query = {**query, "ExclusiveStartKey": last} if last else {}

    def _patiently(self, attempt: Callable[[], Found]) -> Found:
        """Try until it works, with growing pauses of random length, for as long as patience lasts."""
        deadline = time.monotonic() + self.patience
        longest = SHORTEST_PAUSE
        while True:
            try:
                return attempt()
            except (ClientError, BotoCoreError) as error:
                refused = translated(error)
                if refused is None:
                    raise
                if refused.code == "LimitExceededException" or time.monotonic() > deadline:
                    raise refused from error
            time.sleep(random.uniform(0, longest))  # noqa: S311 - a pause, not a secret
            longest = min(longest * 2, LONGEST_PAUSE)


def translated(error: ClientError | BotoCoreError) -> ApiError | None:
    """What a client is told when patience ends; None for what is no weather but a fault of ours."""
    if not isinstance(error, ClientError):
        return ApiError("ServiceUnavailableException", "the table of meshes is out of reach")
    code = error.response["Error"]["Code"]
    reasons = error.response.get("CancellationReasons", [])
    codes = {code} if code != "TransactionCanceledException" else {reason.get("Code", "None") for reason in reasons}
    if "ValidationError" in codes or code == "ValidationException":
        if "size" in str(reasons or error):
            return limit_exceeded("too many resources refer to one of those that the spec names")
        return None
    if codes & CONTENTION:
        return ApiError("TooManyRequestsException", "too many writes to this mesh at the same time")
    if codes & THROTTLING:
        return ApiError("TooManyRequestsException", "the rate of requests is too high")
    return ApiError("ServiceUnavailableException", f"the table of meshes answers {code}") if codes & OUTAGE else None
