"""DynamoDB's expressions, as far as Meshift writes them: conditions, key conditions and updates."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

Item = dict[str, Any]
_TOKENS = re.compile(r"\s*(<=|>=|<>|[=<>(),]|[#:]?[\w.#]+)")


class Expression:
    """One expression with its names and values, read from left to right."""

    def __init__(self, text: str, request: Mapping[str, Any]) -> None:
        self.names: Mapping[str, str] = request.get("ExpressionAttributeNames", {})
        self.values: Mapping[str, Any] = request.get("ExpressionAttributeValues", {})
        self.tokens = _tokens(text)
        self.left: list[str] = []

    def holds(self, item: Item) -> bool:
        """Evaluate a condition."""
        self.left = [*self.tokens]
        result = self._either(item)
        if self.left:
            raise NotImplementedError(f"the rest of a condition: {self.left}")
        return result

    def applied(self, item: Item) -> Item:
        """Carry out an update."""
        self.left = [*self.tokens]
        changed: Item = {**item}
        verb = ""
        while self.left:
            if self.left[0].upper() in ("SET", "REMOVE", "ADD"):
                verb = self.left.pop(0).upper()
            elif self.left[0] == ",":
                self.left.pop(0)
            path = self._path(self.left.pop(0))
            if verb == "SET":
                self._take("=")
                _put(changed, path, self._operand(item))
            elif verb == "REMOVE":
                _put(changed, path, None)
            else:
                more, now = self._operand(item), _get(item, path) or {"N": "0"}
                _put(changed, path, {"N": str(int(now["N"]) + int(more["N"]))})
        return changed

    def _either(self, item: Item) -> bool:
        result = self._both(item)
        while self.left and self.left[0].upper() == "OR":
            self.left.pop(0)
            result = self._both(item) or result
        return result

    def _both(self, item: Item) -> bool:
        result = self._one(item)
        while self.left and self.left[0].upper() == "AND":
            self.left.pop(0)
            result = self._one(item) and result
        return result

    def _one(self, item: Item) -> bool:
        token = self.left[0]
        if token == "(":
            self.left.pop(0)
            result = self._either(item)
            self._take(")")
            return result
        if token.upper() == "NOT":
            self.left.pop(0)
            return not self._one(item)
        if token in ("attribute_not_exists", "attribute_exists", "begins_with", "contains"):
            return self._function(item)
        left = self._operand(item)
        operator = self.left.pop(0).upper()
        if operator == "BETWEEN":
            low = self._operand(item)
            self._take("AND")
            return left is not None and _value(low) <= _value(left) <= _value(self._operand(item))
        right = self._operand(item)
        if left is None or right is None:
            return operator == "<>"
        a, b = _value(left), _value(right)
        return bool({"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator])

    def _function(self, item: Item) -> bool:
        name = self.left.pop(0)
        self._take("(")
        found = _get(item, self._path(self.left.pop(0)))
        if name in ("attribute_not_exists", "attribute_exists"):
            self._take(")")
            return (found is None) == (name == "attribute_not_exists")
        self._take(",")
        wanted = self._operand(item)
        self._take(")")
        if found is None:
            return False
        return _value(found).startswith(_value(wanted)) if name == "begins_with" else _value(wanted) in _value(found)

    def _operand(self, item: Item) -> Any:
        token = self.left.pop(0)
        if token.startswith(":"):
            return self.values[token]
        if token == "if_not_exists":
            self._take("(")
            found = _get(item, self._path(self.left.pop(0)))
            self._take(",")
            other = self._operand(item)
            self._take(")")
            return found if found is not None else other
        return _get(item, self._path(token))

    def _path(self, token: str) -> list[str]:
        return [self.names[part] if part.startswith("#") else part for part in token.split(".")]

    def _take(self, token: str) -> None:
        found = self.left.pop(0)
        if found.upper() != token.upper():
            raise NotImplementedError(f"{found} where {token} is expected")


@cache
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(token for token in _TOKENS.split(text) if token.strip())


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    return float(value) if kind == "N" else value


def _get(item: Item, path: list[str]) -> Any:
    found = item.get(path[0])
    for part in path[1:]:
        found = found["M"].get(part) if found else None
    return found


def _put(item: Item, path: list[str], value: Any) -> None:
    for depth, part in enumerate(path[:-1]):
        inner = item.get(part)
        if inner is None:
            raise ValueError(f"the document path {'.'.join(path[: depth + 1])} is not there")
        item[part] = {"M": {**inner["M"]}}
        item = item[part]["M"]
    if value is None:
        item.pop(path[-1], None)
    else:
        item[path[-1]] = value
