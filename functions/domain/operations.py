"""What operators may ask of a rollout, and how a request of theirs is understood."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest

PAUSE, RESUME, ABORT, SKIP_WAIT, PROMOTE, APPROVE = "pause", "resume", "abort", "skip-wait", "promote", "approve"
RETRY, START, HAND_OVER, ACCEPT_SHARE = "retry", "start", "hand-over", "accept-share"
_STEERING = (PAUSE, RESUME, ABORT, SKIP_WAIT, PROMOTE, APPROVE)
SIGNALS = (*_STEERING, RETRY, START, HAND_OVER, ACCEPT_SHARE)
_FIELDS = {"mesh", "virtualService", "virtualNode", "signal", "service", "cluster", "execution", "invitation"}
_MESH = re.compile(r"[^\s/@#]{1,255}(@\d{12})?")


@dataclass(frozen=True)
class Signal:
    """What somebody wants of the rollout that holds a virtual service."""

    id: str
    """Each signal's own, so that it counts once."""
    name: str
    by: str
    """ARN of who asked, as IAM says."""


@dataclass(frozen=True)
class Request:
    """A request to `operate`, understood."""

    signal: str
    mesh: str = ""
    """NAME or NAME@OWNER, as in the tag."""
    virtual_service: str = ""
    service: str = ""
    """Of `start` and `hand-over`: name of an ECS service."""
    cluster: str = ""
    virtual_node: str = ""
    """Of `hand-over`: the node that goes to the service; without one the virtual service goes to the cluster."""
    execution: str = ""
    """Of what steers: the execution (ARN) that is meant, if another one is at work by now nothing happens."""
    invitation: str = ""
    """Of `accept-share`: ARN of an invitation of AWS RAM."""

    @property
    def steers(self) -> bool:
        """Whether it is meant for a rollout at work; the others begin one."""
        return self.signal in _STEERING


def parse_request(body: str | None, own_account: str) -> Request:
    """Understand the JSON body of a request; a mesh of one's own account goes by its name alone.

    >>> parse_request('{"signal": "abort", "mesh": "a@111122223333", "virtualService": "b"}', "111122223333").mesh
    'a'

    Raises InvalidRequest, naming the field.
    """
    try:
        document = json.loads(body or "")
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequest(f"the body is {document!r}, not an object")
    for field, value in document.items():
        if field not in _FIELDS:
            raise InvalidRequest(f"{field}: not known here; known are {', '.join(sorted(_FIELDS))}")
        if not isinstance(value, str) or len(value) > 2048:
            raise InvalidRequest(f"{field}: {value!r} is not a text of at most 2048 characters")
    signal = document.get("signal", "")
    if signal not in SIGNALS:
        raise InvalidRequest(f"signal: {signal!r} is not one of {', '.join(SIGNALS)}")
    needed = _needed(signal, document)
    for field in needed:
        if not document.get(field):
            raise InvalidRequest(f"{field}: missing; {signal} needs {' and '.join(needed)}")
    if signal not in (START, ACCEPT_SHARE) and not _MESH.fullmatch(document["mesh"]):
        raise InvalidRequest(f"mesh: {document['mesh']!r} is not a mesh's name, or NAME@ACCOUNT")
    return Request(
        signal=signal,
        mesh=document.get("mesh", "").removesuffix(f"@{own_account}"),
        virtual_service=document.get("virtualService", ""),
        service=document.get("service", ""),
        cluster=document.get("cluster", ""),
        virtual_node=document.get("virtualNode", ""),
        execution=document.get("execution", ""),
        invitation=document.get("invitation", ""),
    )


def _needed(signal: str, document: Mapping[str, Any]) -> tuple[str, ...]:
    if signal == START:
        return "service", "cluster"
    if signal == ACCEPT_SHARE:
        return ("invitation",)
    if signal == HAND_OVER:
        return (
            ("mesh", "virtualNode", "service", "cluster")
            if document.get("virtualNode")
            else ("mesh", "virtualService", "cluster")
        )
    return "mesh", "virtualService"


def caller_of(event: Mapping[str, Any]) -> str:
    """Return the ARN of who called the function's URL, as IAM says it.

    Raises InvalidRequest when the request did not come through the URL: only there does IAM say who it is.
    """
    iam = event.get("requestContext", {}).get("authorizer", {}).get("iam") or {}
    if not iam.get("userArn"):
        raise InvalidRequest("the request did not come through the function's URL, signed")
    return str(iam["userArn"])
