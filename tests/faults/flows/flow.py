"""What a flow is, and what its people do: deploy, ask, edit, wait until something is so."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from domain.weights import with_weights
from gateways.mesh import Mesh
from tests.asl import TaskFailed
from tests.cloud.cloud import Cloud
from tests.cloud.tutorial import NAME, POLICY
from tests.hosted_mesh import OWNER

CANDIDATE, STABLE = "serviceBv2", "serviceB"
SHORT = {**POLICY, "steps": [{"weight": 25, "bakeSeconds": 30}], "finalBakeSeconds": 30}


@dataclass(frozen=True)
class Flow:
    """What begins, what happens, and the endings that it has without a fault."""

    name: str
    before: Callable[[], Cloud]
    act: Callable[[Cloud], None]
    endings: tuple[str, ...]
    wrong: Callable[[Cloud], list[str]] = lambda cloud: []
    """What more must be so at its end, whatever went wrong; returns what is not."""

    def fresh(self) -> Cloud:
        return _kept(self).fork()


@cache
def _kept(flow: Flow) -> Cloud:
    return flow.before()


def operate(cloud: Cloud, signal: str, **more: str) -> int:
    """Ask the operators' function; returns the status of its answer, 500 when it fails."""
    request = {"signal": signal, "mesh": "apps", "virtualService": NAME, **more}
    if signal == "start":
        request = {"signal": signal, **more}
    iam = {"userArn": f"arn:aws:iam::{OWNER}:user/ann", "accountId": OWNER}
    try:
        answer = cloud.invoke(
            "OperateFunction", {"requestContext": {"authorizer": {"iam": iam}}, "body": json.dumps(request)}
        )
    except TaskFailed:
        return 500
    return int(answer["statusCode"])


def insist(cloud: Cloud, signal: str, times: int = 100, **more: str) -> None:
    """Ask the operators' function, and again every minute while it fails."""
    if operate(cloud, signal, **more) == 500 and times:
        cloud.clock.later(60, lambda: insist(cloud, signal, times - 1, **more))


def mesh_of(cloud: Cloud) -> Mesh:
    """The mesh, as a function of the stack would reach it."""
    environment = cloud.stack.functions["JoinMeshFunction"]["Environment"]
    return Mesh("apps", None, environment["MESH_ENDPOINT"] or None, environment["MESH_SIGNING_NAME"] or None)


def edit(cloud: Cloud, weights: dict[str, int]) -> None:
    """Set the weights by hand."""
    mesh = mesh_of(cloud)
    route = mesh.describe_route(NAME, NAME)
    mesh.update_route(NAME, NAME, with_weights(route["spec"], weights), route["metadata"]["version"])


def arn_of(cloud: Cloud, name: str) -> str:
    return next(arn for arn in cloud.ecs.services if arn.endswith(f"/{name}"))


def has_envoy(cloud: Cloud, name: str) -> bool:
    """Say whether the tasks that a service runs have an Envoy."""
    revision = cloud.ecs.revisions[cloud.ecs.services[arn_of(cloud, name)]["running"]]
    return any(each["name"] == "envoy" for each in revision["containerDefinitions"])


def given_up(cloud: Cloud) -> bool:
    """Say whether people have to see to something: an execution was stopped, or told them that it could not go on."""
    ends = {each.ending.state if each.ending else each.status for each in cloud.executions()}
    return bool(ends & {"ABORTED", "Refused", "Roll Back Failed"})


def rolling_out(cloud: Cloud) -> bool:
    """Say whether a rollout has shifted traffic and is not at its end."""
    return any("Shift Traffic" in each.path for each in cloud.states.running)


def when(cloud: Cloud, so: Callable[[Cloud], bool], act: Callable[[], Any]) -> None:
    """Do something as soon as something is so; gives up when it never is."""

    def look(times: int = 400) -> None:
        if so(cloud):
            act()
        elif times:
            cloud.clock.later(7, lambda: look(times - 1))

    look()
