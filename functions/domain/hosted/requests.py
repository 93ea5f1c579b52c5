"""Turn an HTTP request into a call: which operation, with which parameters. Nothing here knows who is asking."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from domain.hosted.errors import ApiError, bad_request
from domain.hosted.model import model, operation, shape
from domain.hosted.shapes import checked, readable

LARGEST_BODY = 1_000_000
CLIENT_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,36}")
# What a presigned URL adds to the query.
SIGNATURE = "X-Amz-"


@dataclass(frozen=True)
class Request:
    """An HTTP request as it arrived: path perhaps percent-encoded, query raw, header names in lower case."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One operation of the API with its checked parameters; `if_match` is the version that an update insists on."""

    operation: str
    params: dict[str, Any]
    if_match: int | None = None


def request_of(event: Mapping[str, Any]) -> Request:
    """Read a Lambda Function URL event (payload 2.0)."""
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"the body cannot be decoded: {error}") from error
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    return Request(
        event["requestContext"]["http"]["method"], event["rawPath"], event.get("rawQueryString") or "", raw, headers
    )


def segments_of(path: str) -> list[str]:
    """Split a path, then undo percent-encoding in each segment.

    Environments differ in whether `rawPath` arrives decoded. Names hold no `%` and no `/`, so that decoding what was
    decoded already changes nothing.

    >>> segments_of("/v20190125/meshes/apps/virtualServices/serviceb%2Eapps.local")
    ['v20190125', 'meshes', 'apps', 'virtualServices', 'serviceb.apps.local']
    """
    return [unquote(part) for part in path.removeprefix("/").split("/")]


@cache
def routes() -> dict[tuple[str, int], list[tuple[str, list[str]]]]:
    """Index the model's operations by method and number of segments."""
    table: dict[tuple[str, int], list[tuple[str, list[str]]]] = {}
    for name, found in model()["operations"].items():
        table.setdefault((found["method"], len(found["path"])), []).append((name, found["path"]))
    return table


def routed(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Find the operation of a method and path, and the parameters in the path; unknown is a 404.

    >>> routed("GET", "/v20190125/meshes/apps")
    ('DescribeMesh', {'meshName': 'apps'})
    """
    parts = segments_of(path)
    for name, template in routes().get((method, len(parts)), ()):
        pairs = list(zip(template, parts, strict=True))
        if all(part if literal.startswith("{") else literal == part for literal, part in pairs):
            return name, {literal[1:-1]: part for literal, part in pairs if literal.startswith("{")}
    raise ApiError("UnknownOperationException", f"there is no operation {readable(method)} {readable(path)}")


def call_of(request: Request) -> Call:
    """Route a request, read its parameters and check them against the operation's input shape."""
    name, in_path = routed(request.method, request.path)
    found = operation(name)
    given: dict[str, Any] = {**queried(request.query, found["query"], found["input"]), **in_path}
    if request.method == "PUT":
        members = shape(found["input"])["members"]
        for member, value in json_object(request.body).items():
            if member in in_path or member in found["query"]:
                raise bad_request(f"{member} belongs into the URL, not into the body")
            if member in members or value is not None:
                given[member] = value
    params = checked(given, found["input"], "")
    token = params.get("clientToken")
    if token is not None and not CLIENT_TOKEN.fullmatch(token):
        raise bad_request("clientToken must be up to 36 letters, digits, hyphens and underscores")
    return Call(name, params, version_wanted(request.headers))


def queried(query: str, known: list[str], input_shape: str) -> dict[str, Any]:
    """Read the query string into the types of the input shape."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise bad_request(f"the query string cannot be read: {error}") from error
    given: dict[str, Any] = {}
    for key, value in pairs:
        if key.startswith(SIGNATURE):
            continue
        if key not in known:
            raise bad_request(
                f"the query parameter {readable(key)} is not known; known are {', '.join(known) or 'none'}"
            )
        if key in given:
            raise bad_request(f"the query parameter {key} is given twice")
        given[key] = integer(value, key) if shape(shape(input_shape)["members"][key])["type"] == "integer" else value
    return given


def integer(text: str, where: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise bad_request(f"{where} is {readable(text)}; it must be a whole number")
    return int(text)


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a body; empty is an empty object. Over a megabyte is a 413, anything but an object a 400."""
    if len(body) > LARGEST_BODY:
        raise ApiError("RequestEntityTooLargeException", f"the body has {len(body)} bytes; allowed are {LARGEST_BODY}")
    if not body.strip():
        return {}
    try:
        document = json.loads(body, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is not JSON: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise bad_request("the body must be a JSON object")
    return document


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def version_wanted(headers: Mapping[str, str]) -> int | None:
    """Read `If-Match`: a version, quoted or not; absent or `*` is any version."""
    header = headers.get("if-match", "*").strip()
    if header == "*":
        return None
    found = re.fullmatch(r'("?)([0-9]{1,18})\1', header)
    if not found:
        raise bad_request(f'If-Match is {readable(header)}; it must be a version, as in "3"')
    return int(found[2])
