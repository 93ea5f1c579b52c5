"""shift_traffic: write the weights of a step into the route, or the snapshot's, and read them back."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.rollout import weights_before, weights_written
from domain.weights import read_weights, with_weights
from gateways.mesh import Mesh
from gateways.rollout_table import RolloutTable
from observability import logger, metrics, tell_execution
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Shift, unless somebody else has changed the weights.

    Takes the execution's document with `to` (`step`: the position's step, `before`: the snapshot). Returns
    `{"shifted", "reason"}`. Raises RuntimeError when what is read back is not what was written.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    subject, plan, step = event["subject"], event["plan"], event["position"]["step"]
    back = event["to"] == "before"
    target = plan["before"] if back else plan["steps"][step]["weights"]
    mesh = Mesh(subject["mesh"], subject["meshOwner"], settings.mesh_endpoint, settings.mesh_signing_name)
    table, claim = (
        RolloutTable(settings.rollout_table),
        (subject["mesh"], subject["virtualService"], event["execution"]),
    )
    route = mesh.describe_route(plan["virtualRouter"], plan["route"])
    present = read_weights(route["spec"])
    if present not in (weights_written(plan, step) if back else weights_before(plan, step)):
        return _refused(f"somebody else set route {plan['route']} to {present}; it is left as it is")
    # Read after the route: recovery fences the claim first and then moves the route on, so one of both is seen.
    if not table.holds(*claim):
        return _refused(f"the execution has lost its claim on {subject['virtualService']}")
    if present != target:
        version = route["metadata"]["version"]
        mesh.update_route(plan["virtualRouter"], plan["route"], with_weights(route["spec"], target), version)
        found = read_weights(mesh.describe_route(plan["virtualRouter"], plan["route"])["spec"])
        if found != target:
            raise RuntimeError(f"route {plan['route']} has the weights {found} after {target} were written")
        table.record(*claim, "weights", {"from": present, "to": target})
    logger.info("Shifted", weights=target)
    return {"shifted": True, "reason": f"route {plan['route']} has the weights {target}"}


def _refused(reason: str) -> dict[str, Any]:
    logger.warning(reason)
    return {"shifted": False, "reason": reason}
