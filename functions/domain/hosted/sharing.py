"""Beyond App Mesh's API: who a mesh is shared with, and the mesh policy. The mesh's owner reads and writes them.

    GET, PUT /meshift/v1/meshes/{meshName}/principals
        {"accounts": ["111122223333"], "organization": "o-…", "organizationalUnits": ["ou-…"]}
    GET, PUT /meshift/v1/meshes/{meshName}/policy
        {"policy": {"Version": "2012-10-17", "Statement": […]}}   null: no policy

A PUT replaces everything. Organizational units are resolved to their accounts when they are put; the answer shows
both. Putting them again resolves them anew. After a principal is taken away its resources stay, but only the mesh's
owner reaches them, and its Envoys get no configuration (App Mesh's rule for unsharing).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.hosted.access import Ask, Caller, refusal
from domain.hosted.errors import bad_request
from domain.hosted.kinds import MESH, MeshKey, named
from domain.hosted.policy import parse_policy
from domain.hosted.requests import Call, Request, json_object, segments_of
from domain.hosted.shapes import readable
from domain.hosted.state import Answer, Change, Needs, Outcome, State
from domain.hosted.tasks import Place, Task, authorize

PREFIX = ["meshift", "v1", "meshes"]
OPERATIONS = {
    ("GET", "principals"): "GetMeshPrincipals",
    ("PUT", "principals"): "PutMeshPrincipals",
    ("GET", "policy"): "GetMeshPolicy",
    ("PUT", "policy"): "PutMeshPolicy",
}
ACCOUNT = re.compile(r"[0-9]{12}")
ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}")
MOST_ACCOUNTS = 1000
MOST_UNITS = 50


def sharing_call_of(request: Request) -> Call | None:
    """Read a call of this page's paths; None for any other path."""
    parts = segments_of(request.path)
    if len(parts) != 5 or parts[:3] != PREFIX or (request.method, parts[4]) not in OPERATIONS:
        return None
    operation = OPERATIONS[request.method, parts[4]]
    if any(name.lower() == "if-match" for name in request.headers):
        raise bad_request("If-Match is not supported here: principals and policies have no version")
    params: dict[str, Any] = {"meshName": named(parts[3], "meshName")}
    if request.method == "PUT":
        body = json_object(request.body)
        params["body"] = principals_of(body) if parts[4] == "principals" else policy_of(body)
    return Call(operation, params)


def principals_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Check principals; absent is empty, and null is absent."""
    known = ("accounts", "organization", "organizationalUnits")
    unknown = sorted(key for key in body if key not in known)
    if unknown:
        raise bad_request(f"{readable(unknown[0])} is not known; known are {', '.join(known)}")
    organization = body.get("organization")
    if organization is not None and not (isinstance(organization, str) and ORGANIZATION.fullmatch(organization)):
        raise bad_request("organization must be an organization's id, o-…")
    accounts = texts(body.get("accounts"), "accounts", ACCOUNT, "account ids of 12 digits", MOST_ACCOUNTS)
    units = texts(body.get("organizationalUnits"), "organizationalUnits", UNIT, "ids, ou-…", MOST_UNITS)
    return {"accounts": accounts, "organizationalUnits": units} | (
        {"organization": organization} if organization is not None else {}
    )


def texts(value: Any, where: str, form: re.Pattern[str], wanted: str, most: int) -> list[str]:
    listed = [] if value is None else value
    fits = isinstance(listed, list) and all(isinstance(text, str) and form.fullmatch(text) for text in listed)
    if not fits or len(listed) > most:
        raise bad_request(f"{where} must be a list of {wanted}, at most {most}")
    return sorted(set(listed))


def policy_of(body: Mapping[str, Any]) -> dict[str, Any]:
    if set(body) != {"policy"}:
        raise bad_request("the body must hold policy, and nothing else")
    if body["policy"] is not None:
        parse_policy(body["policy"])
    return dict(body)


def sharing_task_of(call: Call, caller: Caller, place: Place) -> Task:
    """Prepare a call: it is always about a mesh of the caller's own account."""
    mesh = MeshKey(caller.account, call.params["meshName"])
    return Task(call, caller, place, call.operation[:3], MESH, mesh, "", Needs(mesh, ("",)))


def units_of(task: Task) -> list[str]:
    """The organizational units that somebody has to resolve before the task can be decided."""
    units: list[str] = task.params.get("body", {}).get("organizationalUnits", [])
    return units


def shared(task: Task, state: State) -> Answer:
    """Answer a read of principals or policy."""
    return shown_access(task, authorize(task, state).access)


def share(task: Task, state: State, units: Mapping[str, list[str]]) -> Outcome:
    """Replace principals or policy; `units`: organizational unit → its accounts, all the way down."""
    mesh = authorize(task, state)
    body = task.params["body"]
    if task.call.operation == "PutMeshPrincipals":
        access = {"policy": mesh.access.get("policy"), **body, "organizationalUnits": dict(units)}
    else:
        access = {**mesh.access, "policy": body["policy"]}
        check_author_stays(task, access)
    access = {key: value for key, value in access.items() if value}
    change = Change(task.mesh, task.call.operation, "", puts={"": replace(mesh, access=access)})
    return Outcome(shown_access(task, access), None if access == mesh.access else change)


def check_author_stays(task: Task, access: Mapping[str, Any]) -> None:
    """Refuse a policy whose author could not change it again."""
    if refusal(task.caller, Ask("PutMeshPolicy", task.mesh, task.arn), access) is not None:
        raise bad_request(
            f"policy would lock {task.caller.arn} out: it does not allow meshift:PutMeshPolicy on {task.arn}"
        )


def shown_access(task: Task, access: Mapping[str, Any]) -> Answer:
    if task.call.operation.endswith("Policy"):
        return Answer({"policy": access.get("policy")})
    units = access.get("organizationalUnits", {})
    return Answer(
        {
            "accounts": access.get("accounts", []),
            "organization": access.get("organization"),
            "organizationalUnits": sorted(units),
            "resolvedAccounts": sorted(set(access.get("accounts", [])).union(*units.values())),
        }
    )
