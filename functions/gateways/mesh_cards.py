"""Mesh cards: how other accounts learn of a hosted mesh, advanced SSM parameters that RAM can share."""

import json

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import client, error_code

CARDS = "/meshift/meshes/"


def write_card(name: str, card: dict[str, object]) -> None:
    """Write a mesh's card, over the one that was there."""
    client("ssm").put_parameter(
        Name=CARDS + name,
        Value=json.dumps(card),
        Type="String",
        Tier="Advanced",
        Overwrite=True,
        Description=f"Where the hosted mesh {name} is found",
    )


def remove_card(name: str) -> None:
    """Remove a mesh's card; one that is gone already is fine."""
    try:
        client("ssm").delete_parameter(Name=CARDS + name)
    except ClientError as error:
        if error_code(error) != "ParameterNotFound":
            raise


def read_card(arn: str) -> str:
    """Return the text of another account's card, by its ARN. Raises NotFound when it is gone, or not shared (yet)."""
    try:
        return str(client("ssm").get_parameter(Name=arn)["Parameter"]["Value"])
    except ClientError as error:
        if error_code(error) in ("ParameterNotFound", "AccessDeniedException", "ValidationException"):
            raise NotFound(f"mesh card {arn} cannot be read: {error_code(error)}") from error
        raise
