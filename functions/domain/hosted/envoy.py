"""Rules that Envoy makes: what it would refuse in a spec, found before it is asked.

Source: the validation rules in Envoy's API (route_components.proto, health_check.proto, outlier_detection.proto,
address.proto, substitution_format_string.proto), as Envoy 1.40 applies them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from domain.access_log_formats import check_format
from domain.hosted.errors import bad_request
from domain.hosted.shapes import readable
from domain.re2 import check_regex

LONGEST_PARAMETER = 1024
"""Bytes in the name of a query parameter."""


def check_for_envoy(value: Any, where: str) -> None:
    """Check every field below one by its name, or by that and the list it stands in."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            check = CHECKS.get(key)
            if check:
                check(item, f"{where}.{key}")
            check_for_envoy(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_for_envoy(item, f"{where}[{index}]")


def regex(value: Any, where: str) -> None:
    wrong = check_regex(value)
    if wrong:
        raise bad_request(f"{where} is {readable(value)}, which Envoy's engine RE2 does not take: {wrong}")


def one_line(value: Any, where: str) -> None:
    """What becomes part of a request holds no line break and no NUL."""
    if isinstance(value, str) and any(character in value for character in "\0\r\n"):
        raise bad_request(f"{where} is {readable(value)}; it must not hold line breaks or NUL")


def printable(value: Any, where: str) -> None:
    """What is sent in a health check's request holds no control characters but tabs."""
    if isinstance(value, str) and any(
        (character < " " and character != "\t") or character == "\x7f" for character in value
    ):
        raise bad_request(f"{where} is {readable(value)}; it must not hold control characters")


def parameters(value: Any, where: str) -> None:
    for index, each in enumerate(value):
        if not 1 <= len(each["name"].encode()) <= LONGEST_PARAMETER:
            raise bad_request(f"{where}[{index}].name must hold from 1 to {LONGEST_PARAMETER} bytes")


def names(value: Any, where: str) -> None:
    for index, each in enumerate(value):
        one_line(each["name"], f"{where}[{index}].name")


def positive(value: Any, where: str) -> None:
    if value["value"] < 1:
        raise bad_request(f"{where} must be longer than nothing")


def outlier_detection(value: Any, where: str) -> None:
    for name in ("interval", "baseEjectionDuration"):
        positive(value[name], f"{where}.{name}")


def not_empty(value: Any, where: str) -> None:
    if not value:
        raise bad_request(f"{where} is empty")


def listeners(value: Any, where: str) -> None:
    """gRPC's health check is spoken over HTTP/2."""
    for index, each in enumerate(value):
        if each.get("healthCheck", {}).get("protocol") == "grpc" and each["portMapping"]["protocol"] == "http":
            raise bad_request(f"{where}[{index}].healthCheck.protocol is grpc, which a listener of http cannot answer")


def health_check(value: Any, where: str) -> None:
    printable(value.get("path"), f"{where}.path")


def rewrite(value: Any, where: str) -> None:
    one_line(value.get("prefix", {}).get("value"), f"{where}.prefix.value")
    one_line(value.get("path", {}).get("exact"), f"{where}.path.exact")


def cloud_map(value: Any, where: str) -> None:
    for name in ("namespaceName", "serviceName"):
        printable(value[name], f"{where}.{name}")


def hostname(value: Any, where: str) -> None:
    """A node's host name is a text, a health check's Host; one to match is an object."""
    printable(value, where)
    for member, text in value.items() if isinstance(value, Mapping) else ():
        one_line(text, f"{where}.{member}")


def access_log_format(value: Any, where: str) -> None:
    wrong = check_format(value["text"]) if "text" in value else None
    if wrong:
        raise bad_request(f"{where}.text: {wrong}")
    for index, each in enumerate(value.get("json", ())):
        wrong = check_format(each["value"])
        if wrong:
            raise bad_request(f"{where}.json[{index}].value: {wrong}")


CHECKS: dict[str, Callable[[Any, str], None]] = {
    "regex": regex,
    "headers": names,
    "metadata": names,
    "queryParameters": parameters,
    "outlierDetection": outlier_detection,
    "listeners": listeners,
    "healthCheck": health_check,
    "hostname": hostname,
    "awsCloudMap": cloud_map,
    "secretName": not_empty,
    "rewrite": rewrite,
    "format": access_log_format,
}
