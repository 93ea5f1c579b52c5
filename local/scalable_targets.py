"""Application Auto Scaling, which the emulator has not: scalable targets are kept, and nothing scales by itself."""

import json
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from local.identity import Caller
from local.permissions import refused

_MODEL = botocore.session.Session().get_service_model("application-autoscaling")
_TARGETS: dict[tuple[str, str, str, str], dict[str, Any]] = {}
_PREFIX = "AnyScaleFrontendService."


def answer(headers: dict[str, str], body: bytes, caller: Caller) -> tuple[int, dict[str, str], bytes]:
    """Answer one request: status, headers, body."""
    name = headers.get("x-amz-target", "").removeprefix(_PREFIX)
    if name not in ("DescribeScalableTargets", "RegisterScalableTarget"):
        return _reply(400, {"__type": "ValidationException", "message": f"Local AWS has no {name} yet."})
    asked = json.loads(body or b"{}")
    wrong = ParamValidator().validate(asked, _MODEL.operation_model(name).input_shape)
    if wrong.has_errors():
        return _reply(400, {"__type": "ValidationException", "message": wrong.generate_report()})
    denied = refused(f"application-autoscaling:{name}", asked, caller)
    if denied:
        return _reply(400, {"__type": "AccessDeniedException", "message": denied})
    if name == "DescribeScalableTargets":
        return _reply(200, {"ScalableTargets": _describe(asked, caller)})
    return _register(asked, caller)


def _describe(asked: dict[str, Any], caller: Caller) -> list[dict[str, Any]]:
    wanted = asked.get("ResourceIds")
    return [
        target
        for (account, region, *_), target in _TARGETS.items()
        if (account, region) == (caller.account, caller.region)
        and target["ServiceNamespace"] == asked["ServiceNamespace"]
        and (not wanted or target["ResourceId"] in wanted)
    ]


def _register(asked: dict[str, Any], caller: Caller) -> tuple[int, dict[str, str], bytes]:
    key = caller.account, caller.region, asked["ResourceId"], asked["ScalableDimension"]
    target = {**_TARGETS.get(key, {"CreationTime": 0, "RoleARN": "arn:aws:iam::aws:role/local"}), **asked}
    if "MinCapacity" not in target or "MaxCapacity" not in target:
        message = "A new scalable target needs MinCapacity and MaxCapacity."
        return _reply(400, {"__type": "ValidationException", "message": message})
    _TARGETS[key] = target
    return _reply(200, {})


def _reply(status: int, content: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/x-amz-json-1.1"}, json.dumps(content).encode()
