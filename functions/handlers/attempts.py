"""One more attempt at the deployment that a service has now, for an operator, a share that arrived, changed tags."""

from collections.abc import Mapping
from typing import Any

from domain.deployment import execution_name, primary
from domain.errors import NotFound
from gateways import executions
from gateways.rollout_table import RolloutTable
from settings import Settings


def start_attempt(service: Mapping[str, Any], cluster: str, settings: Settings, **more: Any) -> str:
    """Start an execution for a service's deployment and return its ARN. Raises NotFound without a deployment."""
    current, arn = primary(service), service["serviceArn"]
    if current is None:
        raise NotFound(f"service {service['serviceName']} has no primary deployment")
    attempt = RolloutTable(settings.rollout_table).next_attempt(arn, current["id"])
    name = execution_name(current["id"], attempt)
    document = {"service": arn, "cluster": cluster, "deployment": current["id"], **more}
    if not executions.start(settings.state_machine_arn, name, document):
        raise NotFound(f"execution {name} has been there before; try again")
    return f"{settings.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
