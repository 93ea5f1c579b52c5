"""Is it a task definition at all: botocore's model says, fields aside that it does not know."""

from typing import Any

from botocore.model import Shape
from botocore.validate import ParamValidator

from gateways.clients import client
from meshift.errors import BadInput


def check_shape(task_definition: dict[str, Any], origin: str) -> None:
    """Raise BadInput, with botocore's words, for what RegisterTaskDefinition would not take."""
    shape = client("ecs").meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(_known(task_definition, shape), shape)
    if report.has_errors():
        raise BadInput(f"{origin} is no task definition: {report.generate_report()}")


def _known(value: Any, shape: Shape) -> Any:
    """Leave out the fields that the model does not know: they may be of the future."""
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members  # type: ignore[attr-defined]
        return {key: _known(each, members[key]) for key, each in value.items() if key in members}
    if shape.type_name == "list" and isinstance(value, list):
        return [_known(each, shape.member) for each in value]  # type: ignore[attr-defined]
    return value
