"""Compile botocore's App Mesh model into the two copies that Meshift carries.

`python -m tools.compile_app_mesh_model` writes

- `functions/domain/hosted/app_mesh.json`: what `mesh_api` needs to route, check and answer, no more;
- `aws-models/appmesh/2019-01-25/`: the whole model with the signing name `lambda`, for `AWS_DATA_PATH`, so that
  boto3 scripts and the AWS CLI sign for a Function URL, also when AWS has dropped the client.

A unit test fails when either differs from what the installed botocore compiles to.
"""

import json
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

ROOT = Path(__file__).parents[1]
COMPILED = ROOT / "functions" / "domain" / "hosted" / "app_mesh.json"
DATA_PATH = ROOT / "aws-models"
API_VERSION = "2019-01-25"
SIGNING_NAME = "lambda"
KEPT = ("type", "min", "max", "pattern", "enum", "union", "required", "payload")


def installed_model() -> dict[str, Any]:
    """Read the service model of the installed botocore, whatever AWS_DATA_PATH says."""
    model: dict[str, Any] = Loader(include_default_search_paths=True).load_service_model(
        "appmesh", "service-2", API_VERSION
    )
    return model


def compiled(model: dict[str, Any]) -> dict[str, Any]:
    """Reduce a botocore model to operations, shapes and the errors' HTTP status codes."""
    shapes = model["shapes"]
    errors = {name: shape["error"]["httpStatusCode"] for name, shape in shapes.items() if shape.get("exception")}
    operations = {}
    for name, operation in model["operations"].items():
        members = shapes[operation["input"]["shape"]]["members"]
        for member, reference in members.items():
            assert reference.get("locationName", member) == member, f"{name}.{member} has another name on the wire"
        operations[name] = {
            "method": operation["http"]["method"],
            "path": operation["http"]["requestUri"].strip("/").split("/"),
            "input": operation["input"]["shape"],
            "output": operation["output"]["shape"],
            "query": sorted(m for m, reference in members.items() if reference.get("location") == "querystring"),
            "errors": sorted(error["shape"] for error in operation["errors"]),
        }
    return {
        "operations": operations,
        "errors": errors,
        "shapes": {name: compiled_shape(shape) for name, shape in shapes.items() if name not in errors},
    }


def compiled_shape(shape: dict[str, Any]) -> dict[str, Any]:
    kept = {key: shape[key] for key in KEPT if key in shape}
    if "members" in shape:
        kept["members"] = {member: reference["shape"] for member, reference in shape["members"].items()}
    if "member" in shape:
        kept["member"] = shape["member"]["shape"]
    return kept


def without_documentation(model: Any) -> Any:
    if isinstance(model, dict):
        return {
            key: without_documentation(value)
            for key, value in model.items()
            if not (key == "documentation" and isinstance(value, str))
        }
    return [without_documentation(item) for item in model] if isinstance(model, list) else model


def signing_model(model: dict[str, Any]) -> dict[str, Any]:
    """Give back the whole model, undocumented, with the signing name of a Function URL."""
    copy: dict[str, Any] = without_documentation(model)
    return {**copy, "metadata": {**copy["metadata"], "signingName": SIGNING_NAME}}


def minified(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"


def write() -> None:
    model = installed_model()
    COMPILED.write_text(minified(compiled(model)))
    folder = DATA_PATH / "appmesh" / API_VERSION
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "service-2.json").write_text(minified(signing_model(model)))
    loader = Loader()
    for part in ("paginators-1", "endpoint-rule-set-1"):
        (folder / f"{part}.json").write_text(minified(loader.load_service_model("appmesh", part, API_VERSION)))


if __name__ == "__main__":
    write()
