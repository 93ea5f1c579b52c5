"""Matches: which requests a route is for."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.discovery.xds import Resource
from domain.errors import Untranslatable
from domain.re2 import check_regex

Spec = Mapping[str, Any]


def http_match(match: Spec, where: str) -> Resource:
    """Write the match of an http or http2 route, or of a gateway route: path, method, scheme, headers, query."""
    headers = [pseudo_header(f":{name}", match[name]) for name in ("method", "scheme") if name in match]
    headers += [header(found, f"{where}.headers[{index}]") for index, found in enumerate(match.get("headers", ()))]
    parameters = [query_parameter(found) for found in match.get("queryParameters", ())]
    return {
        **path_match(match, where),
        **({"headers": headers} if headers else {}),
        **({"query_parameters": parameters} if parameters else {}),
    }


def path_match(match: Spec, where: str) -> Resource:
    path = match.get("path", {})
    if "exact" in path:
        return {"path": path["exact"]}
    if "regex" in path:
        return {"safe_regex": {"regex": checked_regex(path["regex"], f"{where}.path.regex")}}
    return {"prefix": match.get("prefix", "/")}


def grpc_match(match: Spec, where: str) -> Resource:
    """Write the match of a grpc route: a method is the path /SERVICE/METHOD."""
    service, method = match.get("serviceName"), match.get("methodName")
    metadata = [header(found, f"{where}.metadata[{index}]") for index, found in enumerate(match.get("metadata", ()))]
    path = {"path": f"/{service}/{method}"} if method else {"prefix": f"/{service}/" if service else "/"}
    return {**path, **({"headers": metadata} if metadata else {})}


def pseudo_header(name: str, value: str) -> Resource:
    return {"name": name, "string_match": {"exact": value}}


def header(found: Spec, where: str) -> Resource:
    """Write the match of a header or of gRPC metadata; without a method it asks that there is one."""
    inverted: Resource = {"invert_match": True} if found.get("invert") else {}
    match = found.get("match")
    if not match:
        return {"name": found["name"], "present_match": True, **inverted}
    (method, value), *_ = match.items()
    if method == "range":
        return {"name": found["name"], "range_match": ends(value, f"{where}.match.range"), **inverted}
    if method == "regex":
        return {
            "name": found["name"],
            "string_match": {"safe_regex": {"regex": checked_regex(value, f"{where}.match.regex")}},
            **inverted,
        }
    return {"name": found["name"], "string_match": {method: value}, **inverted}


def ends(found: Spec, where: str) -> Resource:
    """Write a range; the end is not in it. 64-bit numbers are text in protobuf's JSON, but numbers do as well."""
    if found["start"] >= found["end"]:
        raise Untranslatable(f"{where}.start is {found['start']}; it must be less than the end, {found['end']}")
    return {"start": str(found["start"]), "end": str(found["end"])}


def query_parameter(found: Spec) -> Resource:
    if "exact" in found.get("match", {}):
        return {"name": found["name"], "string_match": {"exact": found["match"]["exact"]}}
    return {"name": found["name"], "present_match": True}


def checked_regex(pattern: str, where: str) -> str:
    """Give back a regular expression that Envoy's engine, RE2, takes. Raises Untranslatable when it does not."""
    wrong = check_regex(pattern)
    if wrong:
        raise Untranslatable(f"{where} is {pattern!r}: {wrong}")
    return pattern


def covers(domain: str, other: str) -> bool:
    """Whether everything that a host name match takes is within another one; `*…` is a suffix.

    >>> covers("*.example.com", "www.example.com"), covers("*", "*.example.com"), covers("a.com", "*.com")
    (True, True, False)
    """
    if domain.startswith("*"):
        return other.endswith(domain[1:])
    return domain == other


def hostname_domain(match: Spec) -> str:
    """The host names that a gateway route is for, in Envoy's words: exact, or `*` and a suffix; `*` for all."""
    hostname = match.get("hostname", {})
    found: Sequence[str] = [*hostname.values()]
    if not found:
        return "*"
    return found[0].lower() if "exact" in hostname else "*" + found[0].lower().removeprefix("*")
