"""What botocore does with a call before it would be sent, and with its answer: validated, serialised, parsed."""

import pickle
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.utils import is_json_value_header
from botocore.validate import ParamValidator

Document = dict[str, Any]
_VALIDATOR, _PARSER, _SERIALIZER = ParamValidator(), create_parser("rest-json"), create_serializer("rest-json", False)
_Look = Callable[[Any], bool]


def validate(model: Any, parameters: Document) -> None:
    """Raise what botocore would for parameters that are not of the operation's shape."""
    shape = model.input_shape
    if shape is None or _look(model)(parameters):
        return
    report = _VALIDATOR.validate(parameters, shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


def serialized(caller: Any, model: Any, parameters: Document) -> Document:
    """Make of a call of the mesh's API what botocore would send, with the headers that the gateway adds."""
    request: Document = _SERIALIZER.serialize_to_request(parameters, model)
    name = f"before-call.app-mesh.{model.name}"
    caller.meta.events.emit(name, model=model, params=request, request_signer=None, context={})
    return request


def parsed(model: Any, answer: Document) -> Any:
    """Make of a Function URL's answer what botocore would return or raise."""
    found = pickle.loads(_parsed(model, answer["statusCode"], tuple(answer["headers"].items()), answer["body"]))
    if answer["statusCode"] >= 300:
        raise ClientError(found, model.name)
    return found


@lru_cache(10_000)
def _parsed(model: Any, status: int, headers: tuple[tuple[str, str], ...], body: str) -> bytes:
    lower = {key.lower(): value for key, value in headers}
    response = {"status_code": status, "headers": lower, "body": body.encode()}
    return pickle.dumps(_PARSER.parse(response, model.output_shape))


@cache
def _look(model: Any) -> _Look:
    return _compiled(model.input_shape, {})


def _compiled(shape: Any, known: dict[str, _Look]) -> _Look:
    """Compile a shape into a quick look: True only of what is right for sure; of all else botocore itself judges."""
    if shape.name in known:
        return known[shape.name]
    known[shape.name] = lambda value: known[shape.name](value)  # a shape may hold itself
    known[shape.name] = _of_kind(shape, known)
    return known[shape.name]


def _of_kind(shape: Any, known: dict[str, _Look]) -> _Look:
    kind, least = shape.type_name, shape.metadata.get("min", 0)
    if is_json_value_header(shape) or (kind == "structure" and shape.is_document_type):
        return lambda value: False
    if kind == "structure":
        needed, one = frozenset(shape.metadata.get("required", ())), shape.is_tagged_union
        members = {name: _compiled(each, known) for name, each in shape.members.items()}
        return lambda value: (
            type(value) is dict
            and needed <= value.keys()
            and (not one or len(value) == 1)
            and all(name in members and members[name](each) for name, each in value.items())
        )
    if kind == "list":
        member = _compiled(shape.member, known)
        return lambda value: type(value) is list and len(value) >= least and all(map(member, value))
    if kind == "map":
        of_key, of_value = _compiled(shape.key, known), _compiled(shape.value, known)
        return lambda value: type(value) is dict and all(map(of_key, value)) and all(map(of_value, value.values()))
    if kind == "string":
        return lambda value: type(value) is str and len(value) >= max(least, 1)
    if kind == "integer":
        return lambda value: type(value) is int and value >= least
    return lambda value: kind == "boolean" and type(value) is bool
