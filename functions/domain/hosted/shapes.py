"""Check what a client sent against the model's shapes, and cut answers to them. A message always names the field."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from domain.hosted.errors import ApiError, bad_request
from domain.hosted.model import shape

INTEGERS = {"integer": 31, "long": 63}


def checked(value: Any, name: str, where: str) -> Any:
    """Give back a copy of a value that fits the shape, without its nulls; anything else is a BadRequestException.

    `where` is the path of the field, as in `spec.httpRoute.action.weightedTargets[1].weight`.
    """
    expected = shape(name)
    return CHECKS[expected["type"]](value, expected, where)


def checked_structure(value: Any, expected: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong_type(value, "an object", where)
    members = expected["members"]
    present = {key: item for key, item in value.items() if item is not None}
    unknown = sorted(key for key in present if key not in members)
    if unknown:
        raise bad_request(
            f"{below(where, readable(unknown[0]))} is not known; known are {', '.join(members) or 'no fields'}"
        )
    for member in expected.get("required", ()):
        if member not in present:
            raise bad_request(f"{below(where, member)} is required")
    if expected.get("union") and len(present) != 1:
        raise bad_request(f"{where} must hold exactly one of {', '.join(members)}, not {len(present)}")
    return {key: checked(item, members[key], below(where, key)) for key, item in present.items()}


def checked_list(value: Any, expected: dict[str, Any], where: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong_type(value, "a list", where)
    in_range(len(value), expected, where, "items")
    return [checked(item, expected["member"], f"{where}[{index}]") for index, item in enumerate(value)]


def checked_string(value: Any, expected: dict[str, Any], where: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "a string", where)
    in_range(len(value), expected, where, "characters")
    if "enum" in expected and value not in expected["enum"]:
        raise bad_request(f"{where} is {readable(value)}; it must be one of {', '.join(expected['enum'])}")
    if "pattern" in expected and not re.fullmatch(expected["pattern"], value):
        raise bad_request(f"{where} is {readable(value)}; it must match {expected['pattern']}")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise bad_request(f"{where} holds half of a surrogate pair, which is no character")
    return value


def checked_integer(value: Any, expected: dict[str, Any], where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(value, "an integer", where)
    in_range(value, expected, where, "")
    if abs(value) >= 2 ** INTEGERS[expected["type"]]:
        raise bad_request(f"{where} is too large for a {expected['type']}")
    return value


def checked_boolean(value: Any, _: dict[str, Any], where: str) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(value, "true or false", where)
    return value


CHECKS: dict[str, Callable[[Any, dict[str, Any], str], Any]] = {
    "structure": checked_structure,
    "list": checked_list,
    "string": checked_string,
    "integer": checked_integer,
    "long": checked_integer,
    "boolean": checked_boolean,
}


def in_range(size: int, expected: Mapping[str, Any], where: str, unit: str) -> None:
    least, most = expected.get("min"), expected.get("max")
    if (least is None or size >= least) and (most is None or size <= most):
        return
    allowed = (
        f"from {least} to {most}"
        if least is not None and most is not None
        else (f"at least {least}" if least is not None else f"at most {most}")
    )
    found = f"{size} {unit}".strip() if abs(size) < 10**20 else "too large"
    raise bad_request(
        f"{where} has {found}; allowed are {allowed}" if unit else f"{where} is {found}; allowed is {allowed}"
    )


def wrong_type(value: Any, wanted: str, where: str) -> ApiError:
    found = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )
    return bad_request(f"{where or 'the body'} must be {wanted}, not {found}")


def below(where: str, member: str) -> str:
    return f"{where}.{member}" if where else member


def readable(text: str) -> str:
    """Quote what a client sent, short and printable."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def shown(document: Any, name: str) -> Any:
    """Cut a document to what a shape knows, at every depth."""
    expected = shape(name)
    if expected["type"] == "structure":
        members = expected["members"]
        return {key: shown(item, members[key]) for key, item in document.items() if key in members}
    if expected["type"] == "list":
        return [shown(item, expected["member"]) for item in document]
    return document
