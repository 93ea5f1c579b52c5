"""share_mesh: share a hosted mesh with SharePrincipals: its card through RAM, the mesh itself, and its functions' URLs.

A custom resource of CloudFormation: it waits for an answer, so every path through here gives one. Who loses something
is announced before he does.
"""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from domain.errors import NotFound
from domain.principals import NOBODY, Principals, losers, parse_principals, refuse_oversize, statements_of
from gateways import announcements, own_shares, permissions
from gateways.cloudformation import respond
from gateways.mesh import Mesh
from gateways.mesh_principals import MeshPrincipals
from observability import logger
from settings import Settings

Document = dict[str, Any]


@logger.inject_lambda_context
def handler(event: Document, context: LambdaContext) -> None:
    """Share as the properties say (`MeshName`, `Principals`, `AllowExternalPrincipals`), or unshare on deletion.

    The name of the mesh is the resource's: of another name a new one is made, and then the old one deleted.
    """
    wanted = event["ResourceProperties"]
    name = wanted["MeshName"]
    try:
        account = context.invoked_function_arn.split(":")[4]
        gone = event["RequestType"] == "Delete"
        principals = NOBODY if gone else parse_principals(wanted["Principals"], account)
        external = str(wanted.get("AllowExternalPrincipals")).lower() == "true"
        _share(name, principals, external, account, event["RequestId"], Settings.from_env(os.environ))
        reason = ""
    except Exception as error:  # noqa: BLE001 - told to CloudFormation, which would wait for an hour otherwise
        logger.exception("The mesh could not be shared", mesh=name)
        reason = f"mesh {name} could not be shared: {error}"
    respond(event, f"share-of-{name}", reason)


def _share(name: str, principals: Principals, external: bool, account: str, token: str, settings: Settings) -> None:
    policies = {function: permissions.read_policy(function) for function in settings.shared_functions}
    for function, policy in policies.items():
        arn = f"arn:{settings.partition}:lambda:{settings.region}:{account}:function:{function}"
        refuse_oversize(principals, name, policy, arn)
    try:
        _share_mesh(name, principals, account, settings)
    except NotFound:
        if principals is not NOBODY:
            raise
        logger.info("The mesh is gone, so nobody has it", mesh=name)
    for function, policy in policies.items():
        _permit(function, name, policy, principals)
    # Last: who accepts at once finds everything in place.
    _invite(name, principals, external, account, token, settings)


def _share_mesh(name: str, principals: Principals, account: str, settings: Settings) -> None:
    """Announce whose virtual nodes lose their configuration, and tell the mesh its principals."""
    endpoint, signing_name = settings.mesh_endpoint or "", settings.mesh_signing_name or "lambda"
    mesh = MeshPrincipals(name, endpoint, signing_name, settings.region)
    before, nodes = mesh.read(), Mesh(name, None, endpoint, signing_name).list_virtual_nodes()
    losing = losers(nodes, account, before, principals)
    if losing:
        logger.warning("Virtual nodes lose their mesh", mesh=name, nodes=losing)
        reason = "their Envoys keep what they have, and get no news from now on; the nodes stay until you delete them"
        what = {"mesh": name, "nodes": losing, "reason": reason}
        announcements.notify(settings.topic_arn, f"Meshift: mesh {name} is taken away from some", what)
    mesh.write(principals.of_mesh())


def _permit(function: str, mesh: str, policy: Document, principals: Principals) -> None:
    """Bring a function's policy to what the principals need; other statements in it are others' business."""
    wanted = {each["StatementId"]: each for each in principals.permissions(mesh)}
    own = statements_of(mesh)
    there = {each["Sid"] for each in policy.get("Statement", []) if str(each.get("Sid", "")).startswith(own)}
    for statement in sorted(there - wanted.keys()):
        permissions.remove(function, statement)
    for statement in sorted(wanted.keys() - there):
        permissions.add(function, wanted[statement])


def _invite(mesh: str, principals: Principals, external: bool, account: str, token: str, settings: Settings) -> None:
    """Share the mesh's card through RAM with these principals and nobody else."""
    name, share = f"meshift-{mesh}", own_shares.find(f"meshift-{mesh}")
    card = f"arn:{settings.partition}:ssm:{settings.region}:{account}:parameter/meshift/meshes/{mesh}"
    if not principals.texts:
        if share:
            own_shares.delete(share)
        return
    if share is None:
        own_shares.create(name, card, principals.texts, external, token)
        return
    there = own_shares.principals_of(share)
    if gone := there - set(principals.texts):
        own_shares.take_away(share, gone)
    own_shares.allow_external(share, external)
    if new := set(principals.texts) - there:
        own_shares.add(share, card, new)
