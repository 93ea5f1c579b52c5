"""`meshift inject`: a task definition in, one with its sidecar out.

Exit codes: 0 done, or as wanted; 1 refused, failed, or (with `--check`) not as wanted; 2 usage or bad input.
"""

import argparse
import json
import re
import sys
from typing import Any

import boto3
from botocore.exceptions import NoRegionError

from domain.enrolment import MESH, PREFIX, Enrolment, is_enrolled, parse_enrolment, read_tags, refuse_unfit
from domain.sidecar import Injection, inject, register_input, sidecar_for
from gateways import ecs
from gateways.mesh import Mesh
from meshift.errors import DONE, FAILURE, BadInput
from meshift.injecting.shape import check_shape
from meshift.injecting.sources import read_task_definition
from meshift.options import pair, use_aws
from meshift.stack import OUTPUTS, PARAMETERS, read_stack, settings_of
from settings import Settings

_NODE = re.compile(r"arn:aws[a-z-]*:appmesh:([a-z0-9-]+):\d{12}:mesh/([^/\s]+)/virtualNode/([^/\s]+)")
EPILOG = """\
examples:
  %(prog)s orders.json --stack meshift --service apps/orders              tags and stack as they are
  %(prog)s orders.json --stack meshift --tag mesh=apps --tag virtual-node=orders
  %(prog)s orders --stack meshift --service apps/orders --check           is the family's newest as wanted?
  %(prog)s - --node arn:aws:appmesh:…:mesh/apps/virtualNode/orders --port 80 --set ControlPlane=appmesh

exit codes: 0 done, or as wanted; 1 refused, failed, or (with --check) not as wanted; 2 usage or bad input
"""


def describe(found: argparse.ArgumentParser, _: str) -> None:
    """Add the options."""
    found.description = "Put Meshift's sidecar into a task definition. Prints what register-task-definition takes."
    found.epilog = EPILOG
    found.add_argument(
        "task_definition", metavar="SOURCE", help="a JSON file, - for standard input, or an ARN or FAMILY[:REVISION]"
    )
    found.add_argument("--check", action="store_true", help="print nothing, only say whether it is as wanted")
    service = found.add_argument_group("the service")
    service.add_argument("--service", metavar="CLUSTER/NAME", help="take the tags of a service that is there")
    service.add_argument(
        "--tag",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="a tag of the service, with or without meshift: before it (mesh=apps, container=app, …); repeatable",
    )
    service.add_argument("--node", metavar="ARN", help="the virtual node, where the mesh is not to be asked")
    service.add_argument("--port", action="append", default=[], type=port, help="a port of --node's; repeatable")
    stack = found.add_argument_group("what is wanted")
    stack.add_argument("--stack", metavar="NAME", help="take the parameters of Meshift's stack")
    stack.add_argument(
        "--set",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="a parameter or output of the stack (EnvoyImage=…), before what --stack says; repeatable",
    )
    found.add_argument("--region", help="default as the AWS CLI's")
    found.add_argument("--profile", metavar="NAME", help="the AWS profile")


def port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def say(message: str) -> None:
    sys.stderr.write(f"meshift inject: {' '.join(message.split())}\n")


def run(options: argparse.Namespace) -> int:
    """Inject, or check."""
    check(options)
    use_aws(options)
    task_definition = read_task_definition(options.task_definition, sys.stdin)
    check_shape(task_definition, options.task_definition)
    tags, name = tags_of(options)
    enrolment = parse_enrolment(tags, name)
    settings = settings_wanted(options)
    injection = inject(task_definition, enrolment, sidecar_for(node_of(options, enrolment, settings), settings.sidecar))
    return answer(injection, options.check)


def answer(injection: Injection, check: bool) -> int:
    for note in injection.notes if injection.added else ():
        say(note)
    if check:
        say("not as wanted: a sidecar is to be added or changed" if injection.added else "as wanted")
        return FAILURE if injection.added else DONE
    sys.stdout.write(json.dumps(register_input(injection.task_definition), indent=2, default=str) + "\n")
    return DONE


def check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if options.service and options.tag:
        raise BadInput("--service and --tag: tags come from one of them (see --help)")
    if options.node and not _NODE.fullmatch(options.node):
        raise BadInput(
            f"--node {options.node}: that is not the ARN of a virtual node "
            "(arn:aws:appmesh:REGION:ACCOUNT:mesh/MESH/virtualNode/NODE)"
        )
    if options.port and not options.node:
        raise BadInput("--port is for --node; without it the mesh is asked (see --help)")
    if not options.node and not options.stack and not dict(options.set).get("ControlPlane"):
        raise BadInput("which mesh? give --stack NAME, or --node ARN and its --port (see --help)")


def tags_of(options: argparse.Namespace) -> tuple[dict[str, str], str]:
    """Return the service's tags, and the name that its virtual node has if no tag says another."""
    if options.service:
        cluster, separator, name = options.service.partition("/")
        if not separator or not cluster or not name:
            raise BadInput(f"--service {options.service}: that is not CLUSTER/NAME")
        service = ecs.describe_service(name, cluster)
        refuse_unfit(service)
        tags = read_tags(service.get("tags", []))
    else:
        tags = {PREFIX + key.removeprefix(PREFIX): value for key, value in options.tag}
        name = ""
    if options.node:
        match = _NODE.fullmatch(options.node)
        tags |= {MESH: match[2], PREFIX + "virtual-node": match[3]} if match else {}
    if not is_enrolled(tags):
        raise BadInput(f"no tag {MESH}: a service without it is not enrolled, and gets no sidecar")
    if not name and PREFIX + "virtual-node" not in tags:
        raise BadInput("which virtual node? give --tag virtual-node=NAME, or --service CLUSTER/NAME")
    return tags, name


def settings_wanted(options: argparse.Namespace) -> Settings:
    """Return the stack's settings, those given one by one first."""
    given = dict(options.set)
    unknown = sorted(set(given) - {*PARAMETERS, *OUTPUTS})
    if unknown:
        raise BadInput(
            f"--set {unknown[0]}: no such parameter or output; known are {', '.join((*PARAMETERS, *OUTPUTS))}"
        )
    stack = read_stack(options.stack) if options.stack else None
    known = {**stack.parameters, **stack.outputs} if stack else {}
    return settings_of({**known, **given}, region_of(options))


def region_of(options: argparse.Namespace) -> str:
    """Return the Region of the sidecar: as the option says, the node's ARN, or as boto3 finds it."""
    match = _NODE.fullmatch(options.node or "")
    region = options.region or (match[1] if match else None) or boto3.Session(profile_name=options.profile).region_name
    if not region:
        raise NoRegionError
    return str(region)


def node_of(options: argparse.Namespace, enrolment: Enrolment, settings: Settings) -> dict[str, Any]:
    """Return the virtual node in the shape of DescribeVirtualNode, from the options or from the mesh."""
    if options.node:
        listeners = [{"portMapping": {"port": number, "protocol": "http"}} for number in options.port]
        return {"metadata": {"arn": options.node}, "spec": {"listeners": listeners}}
    if settings.hosted and not settings.mesh_endpoint:
        raise BadInput("no mesh API: give --stack NAME, --set MeshApiUrl=URL, or --node ARN and its --port")
    mesh = Mesh(enrolment.mesh, enrolment.mesh_owner, settings.mesh_endpoint, settings.mesh_signing_name)
    return mesh.describe_virtual_node(enrolment.virtual_node)
