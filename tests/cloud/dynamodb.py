"""DynamoDB's tables with `pk` and `sk`, in memory; a client of it can be called like botocore's."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.cloud.expressions import Expression

Item = dict[str, Any]
Key = tuple[str, str]


def refusal(code: str, operation: str, message: str = "", **more: Any) -> ClientError:
    """A service's error as botocore raises it."""
    status = 500 if code == "InternalServerError" else 400
    answer = {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**answer, **more}, operation)  # type: ignore[arg-type]


class Tables:
    """Some tables by name; operations by their boto3 names. Items are replaced, never changed."""

    def __init__(self, *names: str) -> None:
        self.tables: dict[str, dict[Key, Item]] = {name: {} for name in names}

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
        found = [
            item
            for _, item in sorted(self.tables[TableName].items(), reverse=not request.get("ScanIndexForward", True))
            if Expression(KeyConditionExpression, request).holds(item)
        ]
        if "FilterExpression" in request:
            found = [item for item in found if Expression(request["FilterExpression"], request).holds(item)]
        return {"Items": found, "Count": len(found)}

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
        if verb == "Put":
            items[key] = copy.deepcopy(dict(request["Item"]))
        elif verb == "Delete":
            items.pop(key, None)
        elif verb == "Update":
            update = Expression(request["UpdateExpression"], request)
            items[key] = copy.deepcopy(update.applied(items.get(key, {**request["Key"]})))


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
