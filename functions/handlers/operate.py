"""operate: what operators ask of rollouts, behind a URL with IAM authentication, so that history knows who asked."""

import base64
import json
import os
import uuid
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import primary
from domain.enrolment import enrolment_of, is_enrolled, mesh_id, read_tags
from domain.errors import InvalidRequest, NotFound, Refused
from domain.operations import ACCEPT_SHARE, APPROVE, HAND_OVER, START, Request, Signal, caller_of, parse_request
from gateways import ecs, executions
from gateways.enrolled import Enrolled
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers.accept_by_hand import accept_by_hand
from handlers.attempts import start_attempt
from observability import logger, metrics
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Take one request: `{"signal", "mesh", "virtualService", …}`, see README, "Operate".

    Answers 200 with `{"signal", "execution"}`; 400 when the request makes no sense, 404 when what it is about is not
    there, with `{"message"}`.
    """
    settings = Settings.from_env(os.environ)
    try:
        caller = caller_of(event)
        body = event.get("body") or ""
        account = settings.state_machine_arn.split(":")[4]
        request = parse_request(base64.b64decode(body).decode() if event.get("isBase64Encoded") else body, account)
        answer = _act(request, caller, settings)
    except (Refused, ValueError) as error:
        return _answer(400, {"message": str(error)})
    except NotFound as error:
        return _answer(404, {"message": str(error)})
    logger.info(request.signal, caller=caller, **answer)
    return _answer(200, {"signal": request.signal, **answer})


def _act(request: Request, caller: str, settings: Settings) -> Document:
    if request.steers:
        return _steer(request, caller, settings)
    if request.signal == HAND_OVER:
        return _hand_over(request, settings)
    if request.signal == ACCEPT_SHARE:
        return accept_by_hand(request.invitation, caller, settings)
    return _begin(request, caller, settings)


def _steer(request: Request, caller: str, settings: Settings) -> Document:
    table, name = RolloutTable(settings.rollout_table), (request.mesh, request.virtual_service)
    claim, signal = table.claim_for(*name), Signal(uuid.uuid4().hex, request.signal, caller)
    # Without an application it is a service's traffic that is moved away, which nothing can steer.
    if claim is None or "application" not in (claim["document"] or {}) or not _meant(request, claim):
        execution = _signal_waiting(request, signal, settings)
        table.record(*name, execution, "signal", {"signal": request.signal, "by": caller})
        return {"execution": execution}
    if request.signal == APPROVE and claim["gate"] is None:
        raise InvalidRequest(f"signal: the rollout of {request.virtual_service} waits at no gate")
    token = table.give_signal(claim["mesh"], claim["virtualRouter"], claim["execution"], signal)
    table.record(*name, claim["execution"], "signal", {"signal": request.signal, "by": caller})
    if token:
        executions.wake(token)
    return {"execution": claim["execution"]}


def _signal_waiting(request: Request, signal: Signal, settings: Settings) -> str:
    """Leave a signal for the rollout that waits; which one must be said when several do."""
    rollouts, name = WaitingRollouts(settings.rollout_table), (request.mesh, request.virtual_service)
    found = [each for each in rollouts.waiting() if (each["mesh"], each["virtualService"]) == name]
    found = [each for each in found if _meant(request, each)]
    if not found:
        raise NotFound(f"no rollout of {request.virtual_service} in mesh {request.mesh} is at work")
    if len(found) > 1:
        names = ", ".join(sorted(each["execution"].rpartition(":")[2] for each in found))
        raise InvalidRequest(f"execution: missing; several rollouts wait: {names}")
    if request.signal == APPROVE:
        raise InvalidRequest(f"signal: the rollout of {request.virtual_service} waits at no gate")
    rollouts.give_signal(*name, found[0]["execution"], signal)
    return str(found[0]["execution"])


def _meant(request: Request, rollout: Document) -> bool:
    return request.execution in ("", rollout["execution"], rollout["execution"].rpartition(":")[2])


def _begin(request: Request, caller: str, settings: Settings) -> Document:
    """Start an execution for the deployment that a service has now, also for an application that is known."""
    table = RolloutTable(settings.rollout_table)
    last = {"service": request.service, "cluster": request.cluster, "deployment": ""}
    if request.signal != START:
        found = table.last(request.mesh, request.virtual_service)
        if found is None:
            raise NotFound(f"{request.virtual_service} in mesh {request.mesh} has had no rollout that could be retried")
        last = found
    service = ecs.describe_service(last["service"], last["cluster"])
    current, subject = primary(service), _subject(service, settings)
    if current is None or subject is None:
        raise InvalidRequest(f"service: {last['service']} is not enrolled, or has no deployment")
    if last["deployment"] not in ("", current["id"]):
        raise InvalidRequest(f"deployment {current['id']} took the place of {last['deployment']}; use start for it")
    mesh, virtual_service = mesh_id(subject), subject["virtualService"] or ""
    held = table.claim_for(mesh, virtual_service)
    if held and (held["document"] or {}).get("deployment") == current["id"]:
        raise InvalidRequest(f"deployment {current['id']} is at work already, in execution {held['execution']}")
    waits = [each for each in WaitingRollouts(settings.rollout_table).waiting() if _is_of(each, service, current["id"])]
    if waits:
        raise InvalidRequest(f"deployment {current['id']} waits for its turn, in execution {waits[0]['execution']}")
    execution = start_attempt(service, last["cluster"], settings, forced=True)
    signal = {"signal": request.signal, "by": caller}
    table.record(mesh, virtual_service, execution, "signal", signal)
    return {"execution": execution}


def _subject(service: Document, settings: Settings) -> Document | None:
    """Say what a service is by its tags or, when they are gone, what it joined as, until it has left."""
    if is_enrolled(read_tags(service.get("tags", []))):
        enrolment = enrolment_of(service)
        mesh = {"mesh": enrolment.mesh, "meshOwner": enrolment.mesh_owner}
        return {**mesh, "virtualService": enrolment.virtual_service}
    known = Enrolled(settings.rollout_table).known(service["serviceArn"])
    return dict(known.subject) if known and known.subject and not known.left else None


def _is_of(rollout: Document, service: Document, deployment: str) -> bool:
    return (rollout["document"]["service"], rollout["document"]["deployment"]) == (service["serviceArn"], deployment)


def _hand_over(request: Request, settings: Settings) -> Document:
    kind, name = (
        ("virtualNode", request.virtual_node) if request.virtual_node else ("virtualService", request.virtual_service)
    )
    if request.virtual_node:
        owner = ecs.describe_service(request.service, request.cluster)["serviceArn"]
    else:
        owner = ecs.describe_cluster(request.cluster)["clusterArn"]
    Remembered(settings.rollout_table).hand_over(request.mesh, kind, name, owner)
    return {kind: name, "to": owner}


def _answer(status: int, document: Document) -> Document:
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(document)}
