"""Requests made up from App Mesh's model: fitting ones, and ones that were mutated."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

from domain.hosted.model import model, operation, shape

WORDS = st.sampled_from(["apps", "serviceB", "r", "x", "/", "/health", "serviceb.apps.local", "nobody"])
TEXT = WORDS | st.text(max_size=12)
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 10**30, 0.5, 1e308, "", "x" * 3000, "\ud800", "\x00", [], {}, [[]], {"a": {}}, "aws:x", [None]]
)
NAMES = {
    "meshName": "apps",
    "virtualNodeName": "serviceB",
    "virtualRouterName": "r",
    "routeName": "x",
    "resourceArn": "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceB",
}
# Mostly those with a spec in them, which is where most of the model is.
OPERATIONS = st.sampled_from([name for name in sorted(model()["operations"]) if name[:6] in ("Create", "Update")]) | (
    st.sampled_from(sorted(model()["operations"]))
)


def values(name: str, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit a shape, by its type and ranges."""
    found = shape(name)
    kind = found["type"]
    if kind == "structure":
        return structures(found, depth)
    if kind == "list":
        most = min(found.get("max", 2), 2)
        return st.lists(
            st.deferred(lambda: values(found["member"], depth + 1)), min_size=found.get("min", 0), max_size=most
        )
    if kind in ("integer", "long"):
        return st.integers(found.get("min", 0), min(found.get("max", 70000), 2**31 - 1))
    if kind == "boolean":
        return st.booleans()
    if "enum" in found:
        return st.sampled_from(found["enum"])
    if found.get("max") == found.get("min") == 12:
        return st.sampled_from(["111111111111", "222222222222"])
    return st.sampled_from(["a", "b1"]) if "pattern" in found else TEXT


def structures(found: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    members = {name: st.deferred(lambda of=of: values(of, depth + 1)) for name, of in found["members"].items()}
    if found.get("union"):
        return st.one_of([st.fixed_dictionaries({name: value}) for name, value in members.items()])
    required = {name: value for name, value in members.items() if name in found.get("required", ())}
    optional = {name: value for name, value in members.items() if name not in required} if depth < 5 else {}
    return st.fixed_dictionaries(required, optional=optional)


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """Change something somewhere inside a value: junk instead, something missing, something too much."""
    whole = copy.deepcopy(whole)
    at = whole
    while isinstance(at, (dict, list)) and at:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        inside = at[key]
        if not isinstance(inside, (dict, list)) or not inside or draw(st.integers(0, 3)) == 0:
            change = draw(st.sampled_from(["junk", "drop", "add"]))
            if change == "drop":
                del at[key]
            elif isinstance(at, dict) and change == "add":
                at[draw(TEXT)] = draw(JUNK)
            else:
                at[key] = draw(JUNK)
            break
        at = inside
    return whole


SELDOM = st.sampled_from([False] * 15 + [True])


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """An HTTP request for an operation of the model: method, path, query, body; most of them slightly wrong."""
    name = draw(OPERATIONS)
    found = operation(name)
    params = draw(values(found["input"]))
    for member in [member for member in ("meshOwner", "nextToken", "clientToken") if member in params]:
        if not draw(SELDOM):
            del params[member]
    params.update({member: value for member, value in NAMES.items() if member in params and not draw(SELDOM)})
    if draw(st.booleans()):
        params = draw(mutated(params))
    path = "/" + "/".join(text_of(params.pop(part[1:-1], "apps")) if part[0] == "{" else part for part in found["path"])
    query = "&".join(f"{key}={text_of(params.pop(key))}" for key in found["query"] if key in params)
    if draw(SELDOM):
        path = draw(st.sampled_from(["", "/", path + "/", path[:-2], "//" + path, "/v20190125/%zz", "/\x00"]))
    if draw(SELDOM):
        query = draw(
            st.sampled_from(["nextToken=x", "limit=1&limit=2", "a=b", "limit=", "&&=", "%ff=%ff", query + "&"])
        )
    method = draw(st.sampled_from(["POST", "PATCH", "HEAD", ""])) if draw(SELDOM) else found["method"]
    return {"method": method, "path": path, "query": query, "body": body_of(draw, params)}


def body_of(draw: st.DrawFn, params: dict[str, Any]) -> Any:
    if draw(SELDOM):
        broken = ["", "{", "null", "[]", '"x"', '{"a":', "[" * 100000, '{"limit": NaN}', b"\xff\xfe", b"", "9" * 5000]
        return draw(st.sampled_from(broken))
    return json.dumps(params)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
