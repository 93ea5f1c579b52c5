"""What Envoy asks: a REST discovery request, read strictly where it says who asks, and not at all where it does not.

    POST /v3/discovery:clusters
    {"version_info": "9f86d081884c7d65",
     "node": {"id": "mesh/apps/virtualNode/serviceA/TASK",
              "metadata": {"mesh": "apps", "meshOwner": "111122223333", "resource": "virtualNode/serviceA",
                           "interception": "transparent", "pollSeconds": 5,
                           "inboundPort": 15000, "outboundPort": 15001}},
     "resource_names": ["serviceb.apps.local"]}

Envoy repeats the whole node in every request, and with it the list of its extensions: 77 KB, which it may compress.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.discovery.terms import Options
from domain.hosted.errors import ApiError, bad_request
from domain.hosted.kinds import NAME, VIRTUAL_GATEWAY, VIRTUAL_NODE, MeshKey, split_path
from domain.hosted.requests import request_of
from domain.hosted.shapes import readable

KINDS = ("clusters", "endpoints", "listeners", "routes")
PATHS = {f"/v3/discovery:{kind}": kind for kind in KINDS}
LARGEST_POLL = 1_000_000
LONGEST_INTERVAL = 300
INTERCEPTIONS = ("transparent", "proxy")


@dataclass(frozen=True)
class Poll:
    """One request: resources of a kind, for the Envoy of a node or gateway (its path) in a mesh.

    `version`: that of the resources it has, empty for none. `names`: the ones it asks for, empty for all.
    """

    kind: str
    mesh: MeshKey
    path: str
    options: Options
    version: str = ""
    names: tuple[str, ...] = ()
    envoy: str = ""
    """The last part of its id: which task it is."""


def poll_of(event: Mapping[str, Any], region: str) -> Poll:
    """Read a Function URL's event in a Region; what makes no sense is an ApiError that says what would."""
    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    kind = PATHS.get(path.replace("%3A", ":"))
    if kind is None or method != "POST":
        raise ApiError(
            "UnknownOperationException",
            f"there is no {readable(method)} {readable(path)}; discovery is POST {', '.join(PATHS)}",
        )
    asked = _object(_plain(event))
    node = asked.get("node")
    metadata = node.get("metadata") if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or not isinstance(metadata, Mapping):
        raise bad_request("node.metadata is missing: it says for which virtual node Envoy asks")
    names = asked.get("resource_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_request("resource_names must be a list of names")
    return Poll(
        kind,
        MeshKey(_text(metadata, "meshOwner"), _text(metadata, "mesh")),
        _path(metadata),
        Options(
            _interception(metadata),
            region,
            _number(metadata, "inboundPort", 65535),
            _number(metadata, "outboundPort", 65535),
            _number(metadata, "pollSeconds", LONGEST_INTERVAL),
            _flag(metadata, "tracing"),
        ),
        str(asked.get("version_info", "")),
        tuple(names),
        readable(str(node.get("id", "")).rpartition("/")[2]),
    )


def _plain(event: Mapping[str, Any]) -> str | bytes:
    """Take the body as it came, or unpacked; one that would grow beyond the limit is refused before it has."""
    body: str | bytes = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = request_of(event).body
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise bad_request(f"content-encoding is {readable(encoding)}; it must be gzip or none")
    if encoding == "gzip":
        body = _unpacked(body if isinstance(body, bytes) else body.encode())
    if len(body) > LARGEST_POLL:
        raise ApiError("RequestEntityTooLargeException", f"the body has more than {LARGEST_POLL} bytes")
    return body


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        found = unpacking.decompress(body, LARGEST_POLL + 1)
    except zlib.error as error:
        raise bad_request(f"the body is not gzip: {error}") from error
    if len(found) <= LARGEST_POLL and not unpacking.eof:
        raise bad_request("the body is cut off: its gzip has no end")
    return found


def _object(body: str | bytes) -> dict[str, Any]:
    try:
        text = body if isinstance(body, str) else body.decode()
        try:
            document = json.loads(without_extensions(text))
        except ValueError:
            document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is not JSON: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise bad_request("the body must be a JSON object")
    return document


def without_extensions(text: str) -> str:
    """Leave out the list of Envoy's extensions: most of a poll, and most of the time to parse it, and nobody reads it.

    Its entries hold no lists of objects, so that it ends where the first object and a list end together. Where that
    is not so, what is left is no JSON, and all of it is parsed.

    >>> without_extensions('{"id": "a", "extensions":[{"name":"b","type_urls":["c"]},{"name":"d"}],"e": 1}')
    '{"id": "a", "extensions":[],"e": 1}'
    """
    start = text.find(_EXTENSIONS)
    end = text.find("}]", start)
    return text[: start + len(_EXTENSIONS)] + text[end + 1 :] if 0 <= start < end else text


_EXTENSIONS = '"extensions":['


def _text(metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise bad_request(f"node.metadata.{name} is {readable(str(value))}; it must be a name")
    return value


def _path(metadata: Mapping[str, Any]) -> str:
    path = metadata.get("resource")
    found = split_path(path) if isinstance(path, str) else None
    if not isinstance(path, str) or found is None or found[0] not in (VIRTUAL_NODE, VIRTUAL_GATEWAY):
        raise bad_request(
            f"node.metadata.resource is {readable(str(path))}; it must be virtualNode/NAME or virtualGateway/NAME"
        )
    return path


def _interception(metadata: Mapping[str, Any]) -> str:
    value = metadata.get("interception")
    if value not in INTERCEPTIONS:
        raise bad_request(
            f"node.metadata.interception is {readable(str(value))}; it must be one of {', '.join(INTERCEPTIONS)}"
        )
    return str(value)


def _flag(metadata: Mapping[str, Any], name: str) -> bool:
    """Read what need not be said: no is what Envoys say that were started before there was a question."""
    value = metadata.get(name, False)
    if not isinstance(value, bool):
        raise bad_request(f"node.metadata.{name} is {readable(str(value))}; it must be true or false")
    return value


def _number(metadata: Mapping[str, Any], name: str, most: int) -> int:
    """Numbers of metadata are floating ones on their way: its type has no others."""
    value = metadata.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most:
        raise bad_request(f"node.metadata.{name} is {readable(str(value))}; it must be a number from 1 to {most}")
    return int(value)
