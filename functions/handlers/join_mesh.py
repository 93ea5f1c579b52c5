"""join_mesh: make what a service's tags name and the mesh lacks: virtual node, router, route, virtual service.

An Envoy whose node is unknown must never start, so this comes before injection. What is there is left alone, and what
could refuse the deployment later refuses it here already, before anything is made.
"""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.deployment import primary
from domain.enrolment import Enrolment, enrolment_of, is_enrolled, mesh_id, read_tags, refuse_unfit, with_backends
from domain.errors import NotFound, Refused
from domain.joining import (
    Joining,
    Seen,
    application_listener,
    listener_of,
    plan_join,
    refuse_foreign,
    router_name,
    service_discovery,
)
from domain.leaving import acted_on
from domain.policy import parse_policy
from domain.sidecar import refuse_uninjectable
from domain.weights import read_weights
from gateways import service_registries
from gateways.enrolled import Enrolled
from gateways.mesh import Mesh
from gateways.parameters import read_backends, read_policy
from gateways.remembered import Remembered
from handlers.checks import refuse_missing
from handlers.looking import look, look_away
from handlers.removal import move, refuse_move
from observability import logger, metrics, tell_execution
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Document, context: LambdaContext) -> Document:
    """Join, once.

    Takes `{"service", "cluster", "deployment", "execution"}`; returns `{"outcome", "reason", "subject"}`: Joined,
    with `leave` when the service is not enrolled any more; Nothing To Do, Superseded, Refused.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    try:
        service, revision, _ = look(event, settings)
        if is_enrolled(read_tags(service.get("tags", []))):
            answer = _join_tagged(event, service, revision, settings)
        else:
            answer = _leave(service, settings)
    except NotFound as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    if answer["outcome"] != "Joined":
        look_away(event, settings)
    logger.info(answer["outcome"], reason=answer["reason"])
    return answer


def _join_tagged(event: Document, service: Document, revision: Document, settings: Settings) -> Document:
    """Join, and remember which tags were acted on: a sweep looks for others."""
    tags = read_tags(service.get("tags", []))
    try:
        enrolment = enrolment_of(service)
        refuse_unfit(service)
        answer = _join(event, service, revision, enrolment, settings)
    except (Refused, NotFound) as error:
        answer = {"outcome": "Refused", "reason": str(error)}
    if answer["outcome"] != "Superseded":
        joined = answer["subject"] if answer["outcome"] == "Joined" else None
        Enrolled(settings.rollout_table).remember(service["serviceArn"], acted_on(tags), joined)
    return answer


def _leave(service: Document, settings: Settings) -> Document:
    """Say what a service that is not enrolled any more had joined as."""
    enrolled = Enrolled(settings.rollout_table)
    known = enrolled.known(service["serviceArn"])
    if known is None or known.subject is None:
        return {"outcome": "Nothing To Do", "reason": "the service is not enrolled, and never joined a mesh"}
    enrolled.remember(service["serviceArn"], acted_on({}))
    reason = "the service is not enrolled any more"
    return {"outcome": "Joined", "reason": reason, "subject": known.subject, "leave": True}


def _join(event: Document, service: Document, revision: Document, enrolment: Enrolment, settings: Settings) -> Document:
    current = primary(service)
    if current is not None and current["id"] != event["deployment"]:
        reason = f"deployment {current['id']} took the place of {event['deployment']}"
        return {"outcome": "Superseded", "reason": reason}
    refuse_uninjectable(revision, enrolment)
    if enrolment.virtual_service:
        _refuse_policy(enrolment.policy)
    subject: Document = {
        "mesh": enrolment.mesh,
        "meshOwner": enrolment.mesh_owner,
        "virtualService": enrolment.virtual_service,
        "virtualNode": enrolment.virtual_node,
        "policy": enrolment.policy,
    }
    mesh = Mesh.of(subject, settings)
    remembered = Remembered(settings.rollout_table)
    if not mesh.is_there():
        if enrolment.mesh_owner is None:
            raise Refused(
                f"there is no mesh {enrolment.mesh} in this account; make it with the stack (MeshName), through the "
                "mesh API or by import, and deploy again"
            )
        remembered.remember_waiting(mesh_id(subject), event["service"], event["cluster"])
        return {
            "outcome": "Nothing To Do",
            "reason": f"waits for the share of mesh {mesh_id(subject)}",
            "subject": subject,
        }
    seen = _look(mesh, enrolment)
    listener = listener_of(seen.node) if seen.node else application_listener(revision, enrolment)
    discovery = None if seen.node else service_discovery(enrolment, service, _registry(enrolment, service))
    if seen.node is None and enrolment.backends_parameter:
        enrolment = with_backends(enrolment, read_backends(enrolment.backends_parameter))
    joining = plan_join(enrolment, seen, listener, discovery)
    _refuse_foreign(enrolment, service, seen)
    _refuse_others_router(subject, service, seen, remembered)
    known = Enrolled(settings.rollout_table).known(service["serviceArn"])
    refuse_move(known, subject, settings)
    _claim_names(subject, service, remembered)
    move(known, subject, settings)
    router = router_name(seen.virtual_service, enrolment)
    _make(mesh, enrolment, router, joining)
    reason = f"virtual node {enrolment.virtual_node} is in mesh {enrolment.mesh}"
    return {"outcome": "Joined", "reason": reason, "subject": {**subject, "virtualRouter": router}}


def _refuse_policy(name: str) -> None:
    refuse_missing(parse_policy(read_policy(name)).checks)


def _look(mesh: Mesh, enrolment: Enrolment) -> Seen:
    node = _found(mesh.describe_virtual_node, enrolment.virtual_node)
    if enrolment.virtual_service is None:
        return Seen(node)
    virtual_service = _found(mesh.describe_virtual_service, enrolment.virtual_service)
    name = router_name(virtual_service, enrolment)
    router = _found(mesh.describe_virtual_router, name) if name else None
    routes = mesh.describe_routes(name) if name and router else []
    return Seen(node, virtual_service, router, tuple(routes))


def _found(describe: Any, name: str) -> Document | None:
    try:
        found: Document = describe(name)
    except NotFound:
        return None
    return found


def _registry(enrolment: Enrolment, service: Document) -> tuple[str, str] | None:
    registries = service.get("serviceRegistries", [])
    if enrolment.hostname or not registries:
        return None
    return service_registries.read_registry(registries[0]["registryArn"])


def _refuse_foreign(enrolment: Enrolment, service: Document, seen: Seen) -> None:
    account = service["serviceArn"].split(":")[4]
    for document, what in (
        (seen.node, f"virtual node {enrolment.virtual_node}"),
        (seen.virtual_service, f"virtual service {enrolment.virtual_service}"),
        (seen.router, f"the virtual router of {enrolment.virtual_service}"),
        *((route, f"route {route['routeName']}") for route in seen.routes),
    ):
        if document:
            refuse_foreign(document, what, account)


def _refuse_others_router(subject: Document, service: Document, seen: Seen, remembered: Remembered) -> None:
    """Refuse a router that is there before its virtual service, unless it is this cluster's: an unfinished join."""
    if seen.virtual_service is not None:
        return
    for node in {name for route in seen.routes for name in read_weights(route["spec"])}:
        owner = remembered.service_of(mesh_id(subject), node)
        if owner is None or owner.split("/")[1] != service["clusterArn"].rpartition("/")[2]:
            raise Refused(
                f"virtual router {subject['virtualService']} is there, serves {node}, and provides another virtual "
                f"service; make virtual service {subject['virtualService']} yourself if it is to share that router"
            )


def _claim_names(subject: Document, service: Document, remembered: Remembered) -> None:
    """Claim the names: who may tag a service must not thereby take over another team's traffic."""
    mesh, node, virtual_service = mesh_id(subject), subject["virtualNode"], subject["virtualService"]
    cluster, arn = service["clusterArn"], service["serviceArn"]
    if virtual_service:
        _refuse_other(remembered.cluster_of(mesh, virtual_service), cluster, f"virtual service {virtual_service}")
    _refuse_other(remembered.claim_virtual_node(mesh, node, arn), arn, f"virtual node {node}")
    if virtual_service:
        owner = remembered.claim_virtual_service(mesh, virtual_service, cluster)
        _refuse_other(owner, cluster, f"virtual service {virtual_service}")


def _refuse_other(owner: str | None, own: str, what: str) -> None:
    if owner not in (None, own):
        raise Refused(
            f"{what} was brought by {owner}; choose another name, or let an operator hand it over (signal hand-over)"
        )


def _make(mesh: Mesh, enrolment: Enrolment, router: str | None, joining: Joining) -> None:
    if joining.node is not None:
        mesh.create_virtual_node(enrolment.virtual_node, joining.node)
    if router is None or enrolment.virtual_service is None:
        return
    if joining.router is not None:
        mesh.create_virtual_router(router, joining.router)
    if joining.route is not None:
        mesh.create_route(router, enrolment.virtual_service, joining.route)
    if joining.wider_route is not None and joining.wider_spec is not None:
        route = joining.wider_route
        mesh.update_route(router, route["routeName"], joining.wider_spec, route["metadata"]["version"])
    if joining.virtual_service is not None:
        mesh.create_virtual_service(enrolment.virtual_service, joining.virtual_service)
