"""CloudFormation's spelling to the API's, along the shapes of App Mesh's model: `Spec.ServiceDiscovery.DNS` is `dns`.

CloudFormation's names are the API's with capitals (`Http2Route`, `DNS`, `GRPC`, `TLS`), and no shape has two members
that differ by capitals only; so the model alone says what is what. CloudFormation also takes numbers and booleans
written as text, which is what parameters give.
"""

from typing import Any

from domain.hosted.errors import bad_request
from domain.hosted.model import shape

BOOLEANS = {"true": True, "false": False}


def spelled(value: Any, name: str, where: str = "") -> Any:
    """Spell a value as the shape `name` does; an unknown member is a BadRequestException that gives its path.

    What does not fit the shape is given back as it is: checking is the rules' business.

    >>> spelled({"Port": "80", "Protocol": "http2"}, "PortMapping")
    {'port': 80, 'protocol': 'http2'}
    """
    expected = shape(name)
    kind = expected["type"]
    if kind == "structure" and isinstance(value, dict):
        return members_spelled(value, expected["members"], where)
    if kind == "list" and isinstance(value, list):
        return [spelled(item, expected["member"], f"{where}[{index}]") for index, item in enumerate(value)]
    if kind in ("integer", "long"):
        return number_of(value)
    if kind == "boolean" and isinstance(value, str):
        return BOOLEANS.get(value.lower(), value)
    if kind == "string" and not isinstance(value, dict | list | None):
        return text_of(value)
    return value


def members_spelled(value: dict[str, Any], members: dict[str, str], where: str) -> dict[str, Any]:
    known = {member.lower(): member for member in members}
    found: dict[str, Any] = {}
    for key, item in value.items():
        member, path = known.get(str(key).lower()), f"{where}.{key}" if where else str(key)
        if member is None:
            raise bad_request(f"{path} is not known to App Mesh; known are {', '.join(members) or 'no members'}")
        if member in found:
            raise bad_request(f"{path} is given twice, in different spellings")
        found[member] = spelled(item, members[member], path)
    return found


def number_of(value: Any) -> Any:
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError:
        return value


def text_of(value: Any) -> str:
    """Write a scalar as CloudFormation does.

    >>> text_of(True), text_of(80)
    ('true', '80')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
