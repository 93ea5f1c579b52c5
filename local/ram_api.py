"""RAM's REST protocol, read from botocore's own model: paths, verbs, required members and types."""

import json
import logging
from typing import Any
from urllib.parse import parse_qsl

import botocore.session
from botocore.validate import ParamValidator

from local import organizations
from local.identity import Caller
from local.permissions import refused
from local.ram import Ram
from local.ram_error import RamError

RAM = Ram()
RAM.find_organization = organizations.found
_MODEL = botocore.session.Session().get_service_model("ram")
_OPERATIONS = {
    (model.http["method"], model.http["requestUri"]): model
    for model in map(_MODEL.operation_model, _MODEL.operation_names)
}
log = logging.getLogger("meshift.ram")


def answer(scope: dict[str, Any], body: bytes, caller: Caller) -> tuple[int, dict[str, str], bytes]:
    """Answer one request of RAM's API: status, headers, body."""
    try:
        return _reply(200, _answer(scope, body, caller))
    except RamError as error:
        status = error.status or _MODEL.shape_for(error.code).metadata["error"]["httpStatusCode"]
        return _reply(status, {"message": str(error)}, error.code)


def _answer(scope: dict[str, Any], body: bytes, caller: Caller) -> dict[str, Any]:
    model = _OPERATIONS.get((scope["method"], scope["path"]))
    if model is None:
        raise RamError("UnknownOperationException", f"RAM has no {scope['method']} {scope['path']}.", 501)
    operation = getattr(RAM, model.name, None)
    if operation is None:
        raise RamError("UnsupportedOperationException", f"Local AWS's RAM has no {model.name} yet.", 501)
    asked = _read(model, scope, body)
    log.info("%s by %s", model.name, caller.account)
    share = RAM.shares.get(asked.get("resourceShareArn", ""), {})
    denied = refused(f"ram:{model.name}", {**asked, "ShareName": share.get("name", "")}, caller)
    if denied:
        raise RamError("AccessDeniedException", denied, 403)
    with RAM.lock:
        return operation(caller.account, caller.region, asked)


def _read(model: Any, scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    if model.http["method"] == "DELETE":
        asked = dict(parse_qsl(scope["query_string"].decode()))
    else:
        try:
            asked = json.loads(body or b"{}")
        except ValueError:
            raise RamError("InvalidParameterException", "The body is not JSON.") from None
    wrong = ParamValidator().validate(asked, model.input_shape)
    if wrong.has_errors():
        raise RamError("InvalidParameterException", wrong.generate_report())
    return asked


def _reply(status: int, content: dict[str, Any], error: str = "") -> tuple[int, dict[str, str], bytes]:
    headers = {"content-type": "application/json"}
    if error:
        headers["x-amzn-errortype"] = error
    return status, headers, json.dumps(content).encode()
