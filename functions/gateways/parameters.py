"""SSM parameters: rollout policies, lists of backends."""

from typing import Any

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import client, error_code

POLICIES = "/meshift/policies/"


def read_policy(name: str) -> str:
    """Return a rollout policy's text. Raises NotFound."""
    try:
        return str(client("ssm").get_parameter(Name=POLICIES + name)["Parameter"]["Value"])
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            raise NotFound(f"there is no rollout policy {name} (SSM parameter {POLICIES}{name})") from error
        raise


def read_backends(name: str) -> dict[str, Any] | None:
    """Return a parameter that lists backends in the shape of GetParameter, not decrypted; None when there is none."""
    try:
        return dict(client("ssm").get_parameter(Name=name)["Parameter"])
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise
