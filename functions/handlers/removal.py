"""The way out of the mesh: the sidecar of a service that is not enrolled any more is taken out. For inject_envoy.

For join_mesh, a service gives its node up because its tags name another. Node, routes and virtual service stay, the
node at weight 0; its name is given back when nothing of it runs any more.
"""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from domain.deployment import primary
from domain.enrolment import MESH, is_enrolled, mesh_id, read_tags, refuse_controller, router_id
from domain.errors import NotFound, Refused
from domain.leaving import Known, refuse_encrypted
from domain.sidecar import is_injected, remove, unmarked
from gateways import ecs
from gateways.enrolled import Enrolled
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.away import goes_back_to, take_traffic_off, weights_of
from observability import metrics
from settings import Settings

Document = dict[str, Any]


def remove_envoy(event: Document, settings: Settings) -> Document:
    """Remove, once; answers as injection does. Nothing To Do where no sidecar is."""
    service = ecs.describe_service(event["service"], event["cluster"])
    arn, current, enrolled = service["serviceArn"], primary(service), Enrolled(settings.rollout_table)
    known = enrolled.known(arn)
    if current is None or known is None:
        raise NotFound(f"service {service['serviceName']} has no primary deployment, or was never enrolled")
    if (known.removed, known.removed_by) == (current["taskDefinition"], event["execution"]):
        return _answer("Redeployed", f"{current['taskDefinition']} was made by an earlier try")
    overtaken = _overtaken(event, service)
    if overtaken:
        return overtaken
    refuse_controller(service)
    revision, tags = ecs.describe_task_definition(current["taskDefinition"])
    if not is_injected(revision):
        return _let_go(event, service, known, settings)
    asked = event.get("forced") or event.get("retagged")
    if Remembered(settings.rollout_table).rolled_back(arn) == event["deployment"] and not asked:
        raise Refused(
            f"ECS rolled the service back to {current['taskDefinition']}; it keeps its Envoy until you deploy again"
        )
    if not event.get("plan"):
        answer = _clear(event, service, settings, has_envoy=True)
        if answer is not None:
            return answer
    registered = ecs.register_task_definition(remove(revision), unmarked(tags))
    overtaken = _overtaken(event, ecs.describe_service(arn, event["cluster"]))
    if overtaken:
        return overtaken
    enrolled.remember_removed(arn, registered, event["execution"])
    if event.get("plan"):  # should the tags come back before it has left, a rollout brings the traffic back
        Remembered(settings.rollout_table).forget_finished(arn)
    ecs.update_service(arn, event["cluster"], registered)
    metrics.add_metric("EnvoyRemoved", MetricUnit.Count, 1)
    return _answer("Redeployed", f"{registered} is without Envoy: the service is not enrolled any more")


def leave(known: Known, settings: Settings) -> None:
    """Note that nothing of a service's sidecar runs any more: its node's name is free, its history begins anew."""
    _give_up_node(known, settings)
    Enrolled(settings.rollout_table).remember_left(known.service)


def refuse_move(known: Known | None, subject: Mapping[str, Any], settings: Settings) -> None:
    """Refuse to let a service be another node while the one that it is carries traffic: it would keep its weights."""
    old = _other_node(known, subject)
    if old and _is_needed(old, settings):
        raise Refused(
            f"the service is virtual node {old['virtualNode']} of mesh {mesh_id(old)}, which carries traffic of "
            f"{old['virtualService']}, or would after a roll back; give its weight to another node first, or take the "
            f"tag {MESH} away and set the new tags when the service has left"
        )


def move(known: Known | None, subject: Mapping[str, Any], settings: Settings) -> None:
    """Give up the node that a service was before its tags named another one, which it has claimed."""
    if known and _other_node(known, subject):
        _give_up_node(known, settings)


def _is_needed(subject: Document, settings: Settings) -> bool:
    """Say whether a node carries traffic, or gets some back if the rollout that is at work is taken back."""
    mesh, node = Mesh.of(subject, settings), subject["virtualNode"]
    if subject["virtualRouter"] is not None:
        claim = RolloutTable(settings.rollout_table).claim(*router_id(subject))
        return any(_weights(mesh, subject)) or goes_back_to(node, claim)
    if subject["virtualService"] is None:
        return False
    try:
        provider = mesh.describe_virtual_service(subject["virtualService"])["spec"].get("provider", {})
    except NotFound:
        return False
    return bool(provider.get("virtualNode", {}).get("virtualNodeName") == node)


def _other_node(known: Known | None, subject: Mapping[str, Any]) -> Document | None:
    """Return what a service joined as, if that is another node than the subject's."""
    old = known.subject if known and not known.left else None
    return dict(old) if old and _node_of(old) != _node_of(subject) else None


def _node_of(subject: Mapping[str, Any]) -> tuple[str, str]:
    return mesh_id(subject), subject["virtualNode"]


def _give_up_node(known: Known, settings: Settings) -> None:
    remembered = Remembered(settings.rollout_table)
    if known.subject:
        remembered.release_virtual_node(*_node_of(known.subject), known.service)
    remembered.forget_finished(known.service)
    remembered.forget_moved_away(known.service)


def _let_go(event: Document, service: Document, known: Known, settings: Settings) -> Document:
    """See the service off that its owner deployed without Envoy: its traffic goes first, where others can take it."""
    current = primary(service) or {}
    reason = f"the service is not enrolled, and {current['taskDefinition']} has no Envoy"
    if current.get("rolloutState") != "COMPLETED":
        return _answer("Nothing To Do", reason)
    answer = None if event.get("plan") or known.left else _clear(event, service, settings, has_envoy=False)
    if answer is not None:
        return answer
    leave(known, settings)
    return _answer("Redeployed" if event.get("plan") else "Nothing To Do", reason)


def _clear(event: Document, service: Document, settings: Settings, *, has_envoy: bool) -> Document | None:
    """Have the traffic taken off the node, if it is still the service's own and somebody else can carry it."""
    subject, mesh = event["subject"], Mesh.of(event["subject"], settings)
    owner = Remembered(settings.rollout_table).service_of(mesh_id(subject), subject["virtualNode"])
    if owner != service["serviceArn"] or subject["virtualRouter"] is None or not _weights(mesh, subject):
        return None
    answer = take_traffic_off(event, service, mesh, settings, for_good=True)
    if answer is None and has_envoy and any(_weights(mesh, subject)):
        refuse_encrypted(mesh.describe_virtual_node(subject["virtualNode"]))
    return answer


def _weights(mesh: Mesh, subject: Document) -> list[int]:
    """Read the node's weight in each route; who took it out of the mesh already has seen to that."""
    try:
        return [each[subject["virtualNode"]] for each in weights_of(mesh, subject).values()]
    except (NotFound, Refused):
        return []


def _overtaken(event: Document, service: Document) -> Document | None:
    current = primary(service)
    if current is None or current["id"] != event["deployment"]:
        newer = current["id"] if current else "none"
        return _answer("Superseded", f"deployment {newer} took the place of {event['deployment']}")
    if is_enrolled(read_tags(service.get("tags", []))):
        return _answer("Superseded", "the service is enrolled again")
    return None


def _answer(outcome: str, reason: str) -> Document:
    return {"outcome": outcome, "reason": reason}
