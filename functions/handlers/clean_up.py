"""clean_up: scale the services to zero whose traffic the promoted candidate has now."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.clean_up import idle_nodes
from domain.enrolment import mesh_id, router_id
from gateways.enrolled import Enrolled
from gateways.mesh import Mesh
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from handlers.idle_services import scale_to_zero
from handlers.phases import tell_phase
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Clean up.

    Takes the execution's document with `plan`; returns `{"reason"}`. A node that no service brought, or that carries
    traffic anywhere in the mesh, is left alone, and so is a service that speaks for another node by now. The rollout is
    decided first: from then on recovery completes it, and gives nothing back to a side that is being scaled to zero.
    """
    tell_execution(event)
    settings, subject, plan = Settings.from_env(os.environ), event["subject"], event["plan"]
    mesh, remembered = Mesh.of(subject, settings), Remembered(settings.rollout_table)
    table, history = RolloutTable(settings.rollout_table), (mesh_id(subject), subject["virtualService"])
    idle = idle_nodes(plan["before"], plan["candidate"], mesh.all_routes(), mesh.providers())
    if not table.decide(*router_id(subject), event["execution"], event):
        return {"reason": f"{event['reason']}; nothing was scaled to zero, for the execution has lost its claim"}
    scaled = []
    for node in idle:
        arn = remembered.service_of(mesh_id(subject), node)
        if arn is not None and _speaks_for(arn, node, event, settings) and scale_to_zero(arn, remembered):
            scaled.append(node)
    if not scaled:
        return {"reason": f"{event['reason']}; there was nothing to scale to zero"}
    table.record(*history, event["execution"], "clean-up", {"scaledToZero": scaled})
    reason = f"{event['reason']}; {', '.join(scaled)} scaled to zero"
    tell_phase(event, "Cleaned Up", reason, plan["steps"][-1]["weights"][plan["routes"][0]])
    return {"reason": reason}


def _speaks_for(service_arn: str, node: str, event: dict[str, Any], settings: Settings) -> bool:
    """Say whether a service still is the node's: its tags may have given it another node, or mesh, since."""
    known, subject = Enrolled(settings.rollout_table).known(service_arn), event["subject"]
    if service_arn == event["service"] or known is None or known.subject is None:
        return False
    return mesh_id(known.subject) == mesh_id(subject) and bool(known.subject["virtualNode"] == node)
