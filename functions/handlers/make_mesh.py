"""make_mesh: the mesh that `MeshName` asks for, made with the stack and kept when the stack goes.

A custom resource of CloudFormation: it waits for an answer, so every path through here gives one.
"""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from gateways.cloudformation import respond
from gateways.mesh import Mesh
from observability import logger
from settings import Settings


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Make the mesh unless it is there; a deletion deletes nothing, for a mesh outlives its stack."""
    name = event["ResourceProperties"]["MeshName"]
    try:
        if event["RequestType"] != "Delete":
            settings = Settings.from_env(os.environ)
            Mesh(name, None, settings.mesh_endpoint, settings.mesh_signing_name).make()
        reason = ""
    except Exception as error:  # noqa: BLE001 - told to CloudFormation, which would wait for an hour otherwise
        logger.exception("The mesh could not be made", mesh=name)
        reason = f"mesh {name} could not be made: {error}"
    respond(event, name, reason)
