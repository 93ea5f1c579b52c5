"""`meshift import`: sources, target, plan, and with `--yes` the import itself.

Exit codes: 0 done, nothing to do, or only planned; 1 something was refused or failed; 2 usage or bad input.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meshift.drawing import console_for
from meshift.errors import DONE, FAILURE, BadInput
from meshift.importing.apply import FAILED, apply
from meshift.importing.descriptions import read_endpoint
from meshift.importing.files import read_files
from meshift.importing.plan import REFUSED, UNCHANGED, plan
from meshift.importing.resources import Found
from meshift.importing.show import json_of, summary_of, table_of
from meshift.importing.target import Target, connect, endpoint
from meshift.importing.templates import Given
from meshift.options import add_json, pair

SIGNING_NAMES = ("lambda", "appmesh", "execute-api")
Connect = Callable[[str, str, str | None, str | None], Any]
EPILOG = """\
examples:
  %(prog)s mesh.yaml --parameter Environment=prod          plan a template
  %(prog)s descriptions/ --yes                             import what `aws appmesh describe-*` printed
  %(prog)s --endpoint URL --mesh apps --to URL2 --yes      copy a mesh from one endpoint to another

exit codes: 0 done, nothing to do, or only planned; 1 something was refused or failed; 2 usage or bad input
"""


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.description = "Import a mesh into an App Mesh API such as Meshift's. Shows a plan; --yes applies it."
    found.epilog = EPILOG
    sources = found.add_argument_group("sources: files, or an endpoint")
    sources.add_argument(
        "source", nargs="*", type=Path, help="CloudFormation template, description, or a folder of them"
    )
    sources.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="a template's parameter, a pseudo parameter (AWS::AccountId=…), or the value of another service's "
        "resource (Namespace.Name=…); repeatable",
    )
    sources.add_argument(
        "--export",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="another stack's export, for Fn::ImportValue; repeatable",
    )
    sources.add_argument("--endpoint", metavar="URL", help="an App Mesh API to copy a mesh from")
    sources.add_argument("--mesh", metavar="NAME", help="the mesh to copy from --endpoint")
    sources.add_argument(
        "--signing-name", choices=SIGNING_NAMES, default="lambda", help="what requests to --endpoint are signed for"
    )
    sources.add_argument("--profile", metavar="NAME", help="the AWS profile for --endpoint")
    target = found.add_argument_group("target")
    target.add_argument(
        "--to", metavar="URL", help="the App Mesh API to import into; default AWS_ENDPOINT_URL_APP_MESH"
    )
    target.add_argument(
        "--to-signing-name", choices=SIGNING_NAMES, default="lambda", help="what requests to the target are signed for"
    )
    target.add_argument("--to-profile", metavar="NAME", help="the AWS profile for the target")
    found.add_argument("--region", help="the Region of both, and AWS::Region in templates; default as the AWS CLI's")
    add_json(found)
    found.add_argument("--yes", action="store_true", help="apply the plan")


def run(options: argparse.Namespace, connect: Connect = connect, environment: Mapping[str, str] = os.environ) -> int:
    """Plan, and with `--yes` apply. `connect` makes a client of URL, signing name, Region and profile."""
    check(options)
    url = endpoint(options.to, environment)
    client = connect(url, options.to_signing_name, options.region, options.to_profile)
    found = read(options, connect, client.meta.region_name)
    target = Target(client)
    steps = plan(found, target)
    work = any(step.action not in (REFUSED, UNCHANGED) for step in steps)
    out, err = console_for(sys.stdout), console_for(sys.stderr)
    if not options.json:
        out.print(table_of(steps))
        out.print(summary_of(steps, applied=False))
    if options.yes:
        steps = apply(steps, target, lambda line: err.print(line, markup=False, soft_wrap=True))
    if options.json:
        sys.stdout.write(json_of(steps, url, options.yes) + "\n")
    elif options.yes:
        out.print(summary_of(steps, applied=True))
    elif work:
        out.print("Nothing was changed; repeat with --yes to apply.")
    return FAILURE if any(step.outcome in (REFUSED, FAILED) for step in steps) else DONE


def check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if bool(options.source) == bool(options.endpoint):
        raise BadInput("give either files or --endpoint URL as the source (see --help)")
    if bool(options.endpoint) != bool(options.mesh):
        raise BadInput("--endpoint and --mesh belong together (see --help)")
    if options.endpoint and (options.parameter or options.export):
        raise BadInput("--parameter and --export are for templates (see --help)")


def read(options: argparse.Namespace, connect: Connect, region: str) -> list[Found]:
    if options.endpoint:
        client = connect(options.endpoint, options.signing_name, options.region, options.profile)
        return read_endpoint(client, options.mesh)
    found = read_files(options.source, Given(dict(options.parameter), dict(options.export), region))
    if not found:
        raise BadInput(f"{', '.join(map(str, options.source))}: no AWS::AppMesh resource in it")
    return found
