"""`meshift mesh map`: a mesh as text, and as a picture."""

import argparse
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import error_code
from gateways.mesh import card_of
from meshift.errors import DONE, BadInput, Failed
from meshift.importing.descriptions import describe as description_of
from meshift.importing.descriptions import names_in
from meshift.importing.target import ENDPOINT_VARIABLE, connect
from meshift.mapping.model import MeshMap, map_of
from meshift.mapping.picture import draw
from meshift.mapping.text import lines
from meshift.options import add_aws, add_json, use_aws
from meshift.stack import Stack, read_stack

SAYS = "draw a mesh: virtual services, their routes and weights, virtual nodes and what they call"
_AT_ONCE = 8
Connect = Callable[[str | None, str, str | None, str | None], Any]


def describe(found: argparse.ArgumentParser) -> None:
    """Add the options."""
    found.add_argument("mesh", nargs="?", help="mesh, or mesh@owner; default: the stack's (MeshName)")
    found.add_argument("--svg", type=Path, metavar="FILE", help="draw it into a file as SVG")
    add_aws(found)
    add_json(found)


def run(options: argparse.Namespace, connect: Connect = connect) -> int:
    """Draw one. `connect` makes a client of URL, signing name, Region and profile."""
    use_aws(options)
    stack = read_stack(options.stack)
    mesh = options.mesh or stack.parameters.get("MeshName")
    if not mesh:
        raise BadInput(f"stack {stack.name} has no mesh of its own; name one")
    url, signing_name = where(mesh, stack)
    client = connect(url, signing_name, options.region, options.profile)
    found = read(client, mesh)
    if options.svg:
        write(options.svg, draw(found))
    if options.json:
        print(json.dumps(asdict(found), indent=2))
    elif not options.svg:
        print("\n".join(lines(found)))
    return DONE


def where(mesh: str, stack: Stack) -> tuple[str | None, str]:
    """Say where a mesh's API is, and what requests to it are signed for.

    Of a hosted mesh of another account (NAME@OWNER) its card says so. Raises Failed when it is not shared.
    """
    settings = stack.settings
    name, _, owner = mesh.partition("@")
    if owner and settings.hosted and owner != stack.account:
        try:
            api = card_of({"mesh": name, "meshOwner": owner}, settings).api
        except NotFound as error:
            raise Failed(f"{error}; an invitation that waits for a person was announced on the topic") from error
        return api.url, api.signing_name
    return os.environ.get(ENDPOINT_VARIABLE) or settings.mesh_endpoint, settings.mesh_signing_name or "appmesh"


def read(client: Any, mesh: str) -> MeshMap:
    """Read a mesh (NAME or NAME@OWNER). Raises Failed when it is not there."""
    name, _, owner = mesh.partition("@")
    whole = {"meshName": name, **({"meshOwner": owner} if owner else {})}
    try:
        client.describe_mesh(**whole)
        wanted = list(names_in(client, whole))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(lambda each: (each[0].name, description_of(client, *each)), wanted))
    except ClientError as error:
        if "NotFound" in error_code(error):
            raise Failed(error.response["Error"]["Message"]) from error
        raise
    return map_of(mesh, found)


def write(path: Path, text: str) -> None:
    """Write a file. Raises BadInput where none can be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
