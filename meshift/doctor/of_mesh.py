"""Is there a mesh, and do the rollout policies make sense?"""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from domain.errors import InvalidPolicy
from domain.policy import parse_policy
from gateways import alarms
from gateways.clients import client
from gateways.parameters import POLICIES
from meshift.doctor.findings import MISSING, OK, WARNING, Finding, Ground
from meshift.policy import alarms_of
from meshift.stack import mesh_of


def mesh(ground: Ground) -> Iterator[Finding]:
    """Ask the mesh API, with the caller's credentials, for the stack's own mesh."""
    name = ground.stack.parameters.get("MeshName", "")
    if not name:
        yield Finding(OK, "the stack has no mesh of its own (MeshName)")
        return
    try:
        there = mesh_of(ground.settings, name).is_there()
    except ClientError as error:
        said = error.response["Error"]
        to_do = "allow these credentials to call the mesh API (docs/hosted-mesh.md)"
        yield Finding(MISSING, f"the mesh API answers {said.get('Code')}: {said.get('Message')}", to_do)
        return
    if there:
        yield Finding(OK, f"mesh {name} is there")
    else:
        to_do = f"aws appmesh create-mesh --mesh-name {name}, or import one: meshift import --help"
        yield Finding(MISSING, f"there is no mesh {name}, or these credentials may not see it", to_do)


def policies(_: Ground) -> Iterator[Finding]:
    """Read all rollout policies, and look for the alarms that they name."""
    pages = client("ssm").get_paginator("get_parameters_by_path").paginate(Path=POLICIES)
    found = {each["Name"].removeprefix(POLICIES): each["Value"] for page in pages for each in page["Parameters"]}
    if "default" not in found:
        yield Finding(
            MISSING, "there is no rollout policy default", "deploy the stack again, or write one: meshift policy check"
        )
    for name, text in sorted(found.items()):
        yield _policy(name, text)


def _policy(name: str, text: str) -> Finding:
    try:
        policy = parse_policy(text)
    except InvalidPolicy as error:
        return Finding(MISSING, f"policy {name}: {error}", "meshift policy check FILE says what a policy means")
    wanted = alarms_of(policy)
    states = alarms.read_states(wanted)
    lacking = sorted(set(wanted) - set(states))
    if lacking:
        return Finding(
            MISSING, f"policy {name} names alarms that do not exist: {', '.join(lacking)}", "make them, or name others"
        )
    ringing = sorted(each for each, state in states.items() if state == "ALARM")
    if ringing:
        return Finding(
            WARNING, f"policy {name}: in alarm: {', '.join(ringing)}", "a rollout by it would be taken back now"
        )
    return Finding(OK, f"policy {name}: {len(policy.steps)} steps")
