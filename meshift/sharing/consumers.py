"""`meshift mesh consumers`: who has a mesh of this account, and whose nodes would lose it."""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict

from botocore.exceptions import ClientError

from gateways import own_shares
from gateways.clients import error_code
from gateways.mesh_principals import MeshPrincipals
from meshift.errors import DONE, BadInput, Failed
from meshift.importing.target import ENDPOINT_VARIABLE, connect
from meshift.mapping.command import Connect
from meshift.options import add_aws, add_json, use_aws
from meshift.sharing.model import Consumers, consumers_of
from meshift.stack import read_stack

SAYS = "say who has a mesh of this account, and whose virtual nodes would get no configuration without some of them"
EPILOG = """\
examples:
  meshift mesh consumers                            of the mesh that is shared; what each principal's going would cost
  meshift mesh consumers --without 444455556666     before it is taken out of SharePrincipals; changes nothing
"""


def describe(found: argparse.ArgumentParser) -> None:
    """Add the options."""
    found.epilog = EPILOG
    found.add_argument("--mesh", metavar="NAME", help="default: the one that the stack shares (ShareMesh), or its own")
    found.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="PRINCIPAL",
        help="as in SharePrincipals: what if they were taken out",
    )
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace, connect: Connect = connect) -> int:
    """Look, and tell. `connect` makes a client of URL, signing name, Region and profile."""
    use_aws(options)
    stack = read_stack(options.stack)
    settings = stack.settings
    mesh = options.mesh or stack.parameters.get("ShareMesh") or stack.parameters.get("MeshName")
    if not settings.hosted:
        raise BadInput(
            f"stack {stack.name} hosts no meshes (ControlPlane is appmesh); RAM says who has the mesh itself"
        )
    if not mesh:
        raise BadInput(f"stack {stack.name} has no mesh of its own; give --mesh")
    url, signing_name = os.environ.get(ENDPOINT_VARIABLE) or settings.mesh_endpoint or "", settings.mesh_signing_name
    client = connect(url, signing_name or "lambda", options.region, options.profile)
    try:
        pages = list(client.get_paginator("list_virtual_nodes").paginate(meshName=mesh))
    except ClientError as error:
        if "NotFound" in error_code(error):
            raise Failed(error.response["Error"]["Message"]) from error
        raise
    access = MeshPrincipals(mesh, url, signing_name or "lambda", settings.region).read()
    share, owner = own_shares.find(f"meshift-{mesh}"), stack.account
    references = [each for page in pages for each in page["virtualNodes"]]
    states = own_shares.states_of(share) if share else {}
    found = consumers_of(mesh, owner, states, access, references, options.without)
    print(json.dumps(asdict(found), indent=2) if options.json else "\n".join(lines(found)))
    return DONE


def lines(found: Consumers) -> Iterator[str]:
    """Write it for people."""
    yield f"mesh {found.mesh} of {found.owner}"
    if not found.principals and not found.consumers:
        yield "is shared with nobody"
    for name, state in found.principals.items():
        yield f"  shared with {name}: {state}"
    for each in found.consumers:
        yield f"  account {each.account} {each.state}; virtual nodes there: {len(each.nodes) or 'none'}"
        for node in each.nodes:
            yield f"    {node.name}" + (f", changed {node.changed}" if node.changed else "")
    for plan, losing in found.losing.items():
        lost = [f"{name} of {account}" for account, names in losing.items() for name in names]
        yield f"  without {plan}: " + (
            f"no configuration any more for {', '.join(lost)}" if lost else "nobody loses it"
        )
