"""The tables that the fault sweep plays on answer as moto's do, for every expression that Meshift writes."""

from botocore.exceptions import ClientError

from gateways.clients import client
from tests.cloud.dynamodb import Tables

KEY = {"pk": {"S": "claims"}, "sk": {"S": "virtualService#apps#b"}}
OWN, OTHER = {":e": {"S": "own"}}, {":e": {"S": "other"}}
FENCE = {
    "UpdateExpression": "SET fenced = if_not_exists(fenced, :now), recovering = :now",
    "ConditionExpression": "execution = :e AND (attribute_not_exists(recovering) OR recovering < :stale)",
    "ReturnValues": "ALL_NEW",
}
NOW = {":now": {"N": "100"}, ":stale": {"N": "10"}}
MARK = {
    "UpdateExpression": "SET #name = :v",
    "ExpressionAttributeNames": {"#name": "signal"},
    "ReturnValues": "ALL_NEW",
}
HOLDS = "execution = :e AND attribute_not_exists(fenced) AND attribute_not_exists(aborted)"
ABSENT = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
RELEASE = {"ConditionExpression": "attribute_not_exists(pk) OR execution = :e"}
QUERY = {"KeyConditionExpression": "pk = :p AND sk BETWEEN :a AND :b", "ScanIndexForward": False}
LATER = {":now": {"N": "300"}, ":stale": {"N": "200"}}


def mark(execution, value):
    values = {**execution, ":v": {"S": value}}
    return "update_item", {"Key": KEY, **MARK, "ConditionExpression": HOLDS, "ExpressionAttributeValues": values}


REQUESTS = [
    ("put_item", {"Item": {**KEY, "execution": {"S": "own"}}, **ABSENT}),
    ("put_item", {"Item": {**KEY, "execution": {"S": "other"}}, **ABSENT}),
    mark(OWN, "1"),
    mark(OTHER, "2"),
    ("update_item", {"Key": KEY, **FENCE, "ExpressionAttributeValues": {**OWN, **NOW}}),
    ("update_item", {"Key": KEY, **FENCE, "ExpressionAttributeValues": {**OWN, **NOW}}),
    ("update_item", {"Key": KEY, **FENCE, "ExpressionAttributeValues": {**OWN, **LATER}}),
    mark(OWN, "3"),
    (
        "update_item",
        {
            "Key": {**KEY, "sk": {"S": "count"}},
            "UpdateExpression": "ADD attempt :one SET expiresAt = :t",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":t": {"N": "5"}},
            "ReturnValues": "ALL_NEW",
        },
    ),
    ("get_item", {"Key": KEY, "ConsistentRead": True}),
    ("query", {**QUERY, "ExpressionAttributeValues": {":p": {"S": "claims"}, ":a": {"S": "a"}, ":b": {"S": "z"}}}),
    ("delete_item", {"Key": KEY, **RELEASE, "ExpressionAttributeValues": OTHER}),
    ("delete_item", {"Key": KEY, **RELEASE, "ExpressionAttributeValues": OWN, "ReturnValues": "ALL_OLD"}),
    ("delete_item", {"Key": KEY, **RELEASE, "ExpressionAttributeValues": OWN}),
    ("get_item", {"Key": KEY}),
]


def answers(tables):
    found = []
    for operation, request in REQUESTS:
        try:
            answer = getattr(tables, operation)(TableName="rollouts", **request)
            found.append({name: answer[name] for name in ("Item", "Items", "Attributes") if name in answer})
        except ClientError as error:
            found.append((error.response["Error"]["Code"], error.response.get("Item")))
    return found


def test_the_tables_in_memory_answer_as_motos_do(aws):
    assert answers(Tables("rollouts")) == answers(client("dynamodb"))
