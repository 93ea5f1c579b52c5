"""App Mesh's API for the hosted meshes, behind a Function URL with IAM authentication.

Who calls is what IAM found out about the signature (`requestContext.authorizer.iam`), never what a request says.
"""

import os
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from domain.errors import Busy, NotFound
from domain.hosted.access import caller_of
from domain.hosted.answers import error_response, mesh_card, response
from domain.hosted.errors import ApiError, bad_request
from domain.hosted.kinds import MESH
from domain.hosted.reads import list_meshes, looked
from domain.hosted.requests import call_of, request_of
from domain.hosted.sharing import share, shared, sharing_call_of, sharing_task_of, units_of
from domain.hosted.state import Answer, Outcome, State
from domain.hosted.tasks import Place, Task, authorize, task_of
from domain.hosted.writes import written
from gateways.mesh_cards import remove_card, write_card
from gateways.mesh_store import MeshStore
from gateways.organizations import accounts_of
from observability import logger
from settings import MeshApiSettings

Event = Mapping[str, Any]


def handler(event: Event, context: Any) -> dict[str, Any]:
    """Answer one request."""
    settings, store = wiring()
    return serve(event, settings, store, context.invoked_function_arn.split(":")[4])


@cache
def wiring() -> tuple[MeshApiSettings, MeshStore]:
    """Make what all requests share, once."""
    settings = MeshApiSettings.from_env(os.environ)
    return settings, MeshStore(settings.table)


def serve(event: Event, settings: MeshApiSettings, store: MeshStore, account: str) -> dict[str, Any]:
    """Turn a Function URL event into a response; `account` is the one that hosts the meshes."""
    request_id = str(event["requestContext"].get("requestId") or uuid.uuid4())
    try:
        caller = caller_of(event)
        request = request_of(event)
        place = Place(settings.partition, settings.region)
        call = sharing_call_of(request)
        task = sharing_task_of(call, caller, place) if call else task_of(call_of(request), caller, place)
        if task.reads_only:
            return response(read(task, store), request_id)
        outcome = write(task, store, request_id)
    except ApiError as error:
        logger.info("refused", code=error.code, reason=error.message, request_id=request_id)
        return error_response(error, request_id)
    except Exception:  # noqa: BLE001 - logged, and answered as the fault that it is
        logger.exception("failed", request_id=request_id)
        return error_response(ApiError("InternalServerErrorException", "this is a fault of the mesh API"), request_id)
    keep_card(task, outcome, settings, event, account)
    return response(outcome.answer, request_id)


def read(task: Task, store: MeshStore) -> Answer:
    """Answer an operation that only looks."""
    if task.kind is MESH and task.verb == "List":
        return list_meshes(task, store.meshes())
    state = store.look(task.needs, task.caller)
    return shared(task, state) if task.verb == "Get" else looked(task, state)


def write(task: Task, store: MeshStore, request_id: str) -> Outcome:
    """Carry out an operation that changes something, and say who did it."""
    units = resolved(task, store) if task.verb == "Put" else {}
    uid = str(uuid.uuid4())

    def decide(state: State, at: float) -> Outcome:
        return share(task, state, units) if task.verb == "Put" else written(task, state, at, uid)

    outcome = store.write(task.needs, task.caller, request_id, decide)
    logger.info(
        "wrote" if outcome.change else "found done",
        operation=task.call.operation,
        resource=task.arn,
        version=outcome.answer.version,
        caller=task.caller.arn,
        request_id=request_id,
    )
    return outcome


def resolved(task: Task, store: MeshStore) -> dict[str, list[str]]:
    """Look up the accounts of the organizational units in a request; one that cannot be resolved is refused.

    Only for those who may write them: others must not learn which units there are.
    """
    units = units_of(task)
    if units:
        authorize(task, store.look(task.needs, task.caller))
    try:
        return {unit: accounts_of(unit) for unit in units}
    except NotFound as error:
        raise bad_request(str(error)) from error
    except Busy as error:
        raise ApiError("TooManyRequestsException", str(error)) from error


def keep_card(task: Task, outcome: Outcome, settings: MeshApiSettings, event: Event, account: str) -> None:
    """Write or remove the card of a mesh that this account owns.

    A mesh is no less made when its card cannot be written; the next change of the mesh or its principals writes it.
    """
    if task.kind is not MESH or task.verb not in ("Create", "Update", "Put", "Delete") or task.mesh.owner != account:
        return
    url = settings.api_url or f"https://{event['requestContext']['domainName']}/"
    try:
        if task.verb == "Delete":
            remove_card(task.mesh.name)
        else:
            where = settings.region, url, settings.discovery_url, settings.signing_name
            write_card(task.mesh.name, mesh_card(task.mesh, *where, settings.discover_function_arn))
    except Exception:  # noqa: BLE001 - logged; the mesh is made all the same
        logger.exception("the mesh card was not kept", mesh=task.mesh.name)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # INIT has a full processor, whatever the function's memory: use it
    wiring()[1].connect()
