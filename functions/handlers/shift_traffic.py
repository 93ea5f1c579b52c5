"""shift_traffic: write the weights of a step into the routes, or the snapshot's, and read them back."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.enrolment import mesh_id, router_id
from domain.rollout import foreign_edits, weights_before, weights_written
from domain.weights import own_weights, with_weights
from gateways.mesh import Mesh
from gateways.rollout_table import RolloutTable
from handlers.phases import tell_phase
from handlers.siblings import refuse_dead_ends
from observability import logger, metrics, tell_execution, tell_weights
from settings import Settings


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Shift, unless somebody else has changed the weights; then no route is touched.

    Takes the execution's document with `to` (`step`: the position's step, `before`: the snapshot). Returns
    `{"shifted", "reason"}`. Raises RuntimeError when what is read back is not what was written, NobodyThere when
    traffic would go to a node none of whose tasks can answer.
    """
    tell_execution(event)
    settings = Settings.from_env(os.environ)
    subject, plan, position = event["subject"], event["plan"], event["position"]
    back = event["to"] == "before"
    target = plan["before"] if back else plan["steps"][position["step"]]["weights"]
    mesh, table = Mesh.of(subject, settings), RolloutTable(settings.rollout_table)
    history = mesh_id(subject), subject["virtualService"]
    routes = {name: mesh.describe_route(plan["virtualRouter"], name) for name in plan["routes"]}
    present = {name: own_weights(route["spec"], target[name]) for name, route in routes.items()}
    own = weights_written(plan, position) if back else weights_before(plan, position)
    foreign = foreign_edits(present, own)
    if foreign:
        return _refused(f"somebody else set {foreign}; it is left as it is")
    # Read after the routes: recovery fences the claim first and then moves the routes on, so one of both is seen.
    if not table.holds(*router_id(subject), event["execution"]):
        return _refused(f"the execution has lost its claim on {subject['virtualService']}")
    refuse_dead_ends(subject, present, target, settings)  # also forward: the plan's look may be minutes old
    for name, route in routes.items():
        if present[name] != target[name]:
            _write(mesh, plan["virtualRouter"], route, target[name])
        # Also what is there already, if it was not before this step: a try before wrote it and could not say so.
        if target[name] != own[0][name] or present[name] != target[name]:
            table.record(
                *history, event["execution"], "weights", {"route": name, "from": own[0][name], "to": target[name]}
            )
    tell_weights(*history, target[plan["routes"][0]])
    if not plan.get("away"):
        tell_phase(event, "Traffic Back" if back else "Shifted", event["reason"], target[plan["routes"][0]])
    logger.info("Shifted", weights=target)
    return {"shifted": True, "reason": f"the routes have the weights {target}"}


def _write(mesh: Mesh, router: str, route: dict[str, Any], weights: dict[str, int]) -> None:
    name = route["routeName"]
    mesh.update_route(router, name, with_weights(route["spec"], weights), route["metadata"]["version"])
    found = own_weights(mesh.describe_route(router, name)["spec"], weights)
    if found != weights:
        raise RuntimeError(f"route {name} has the weights {found} after {weights} were written")


def _refused(reason: str) -> dict[str, Any]:
    logger.warning(reason)
    return {"shifted": False, "reason": reason}
