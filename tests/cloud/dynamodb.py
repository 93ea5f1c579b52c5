"""DynamoDB's tables with `pk` and `sk`, in memory; a client of it can be called like botocore's."""

import marshal
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.cloud.expressions import Expression

Item = dict[str, Any]
Key = tuple[str, str]
_PARTITION = re.compile(r"pk = (:\w+)")


def refusal(code: str, operation: str, message: str = "", **more: Any) -> ClientError:
    """A service's error as botocore raises it."""
    status = 500 if code == "InternalServerError" else 400
    answer = {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**answer, **more}, operation)  # type: ignore[arg-type]


def copied(document: Any) -> Any:
    """Copy a document of JSON's shapes; many times faster than `copy.deepcopy`."""
    return marshal.loads(marshal.dumps(document))


class Tables:
    """Some tables by name; operations by their boto3 names. Items are replaced, never changed."""

    def __init__(self, *names: str) -> None:
        self.tables: dict[str, dict[Key, Item]] = {name: {} for name in names}
        self.writes: Counter[str] = Counter()
        """How often each was written."""

    def get_item(self, TableName: str, Key: Item, **_: Any) -> dict[str, Any]:
        item = self.tables[TableName].get(_key(Key))
        return {"Item": item} if item is not None else {}

    def put_item(self, TableName: str, Item: Item, **request: Any) -> dict[str, Any]:
        self._write(TableName, "Put", {"Item": Item, **request}, "PutItem")
        return {}

    def delete_item(self, TableName: str, Key: Item, **request: Any) -> dict[str, Any]:
        old = self.tables[TableName].get(_key(Key))
        self._write(TableName, "Delete", {"Key": Key, **request}, "DeleteItem")
        return {"Attributes": old} if old is not None and request.get("ReturnValues") == "ALL_OLD" else {}

    def update_item(self, TableName: str, Key: Item, **request: Any) -> dict[str, Any]:
        self._write(TableName, "Update", {"Key": Key, **request}, "UpdateItem")
        return {"Attributes": self.tables[TableName][_key(Key)]}

    def query(self, TableName: str, KeyConditionExpression: str, **request: Any) -> dict[str, Any]:
        wanted, items = Expression(KeyConditionExpression, request), self.tables[TableName].items()
        first = _PARTITION.match(KeyConditionExpression)
        if first:  # only a short cut: the condition is evaluated all the same
            partition = request["ExpressionAttributeValues"][first[1]]["S"]
            found = [each for each in items if each[0][0] == partition and wanted.holds(each[1])]
        else:
            found = [each for each in items if wanted.holds(each[1])]
        found.sort(key=lambda each: each[0], reverse=not request.get("ScanIndexForward", True))
        answer = [item for _, item in found]
        if "FilterExpression" in request:
            wanted = Expression(request["FilterExpression"], request)
            answer = [item for item in answer if wanted.holds(item)]
        return {"Items": answer, "Count": len(answer)}

    def scan(self, TableName: str, **_: Any) -> dict[str, Any]:
        return {"Items": list(self.tables[TableName].values())}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            name: [self.tables[name][_key(key)] for key in asked["Keys"] if _key(key) in self.tables[name]]
            for name, asked in RequestItems.items()
        }
        return {"Responses": found}

    def transact_get_items(self, TransactItems: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        return {"Responses": [self.get_item(**each["Get"]) for each in TransactItems]}

    def transact_write_items(self, TransactItems: Iterable[Mapping[str, Any]], **_: Any) -> dict[str, Any]:
        writes = [next(iter(each.items())) for each in TransactItems]
        reasons = [
            {"Code": "None" if self._may(each["TableName"], verb, each) else "ConditionalCheckFailed"}
            for verb, each in writes
        ]
        if any(reason["Code"] != "None" for reason in reasons):
            raise refusal("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        for verb, each in writes:
            self._write(each["TableName"], verb, each, "TransactWriteItems")
        return {}

    def _may(self, table: str, verb: str, request: Mapping[str, Any]) -> bool:
        found = self.tables[table].get(_key(request["Item"] if verb == "Put" else request["Key"]), {})
        condition = request.get("ConditionExpression")
        return condition is None or Expression(condition, request).holds(found)

    def _write(self, table: str, verb: str, request: Mapping[str, Any], operation: str) -> None:
        items, key = self.tables[table], _key(request["Item"] if verb == "Put" else request["Key"])
        if not self._may(table, verb, request):
            asked = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            old = {"Item": items[key]} if asked and key in items else {}
            raise refusal("ConditionalCheckFailedException", operation, "The conditional request failed", **old)
        self.writes[table] += 1
        if verb == "Put":
            items[key] = copied(dict(request["Item"]))
        elif verb == "Delete":
            items.pop(key, None)
        elif verb == "Update":
            update = Expression(request["UpdateExpression"], request)
            items[key] = copied(update.applied(items.get(key, {**request["Key"]})))


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
