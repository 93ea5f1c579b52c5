"""The flows that are swept: each begins in a quiet cloud, and does one thing."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from domain.weights import with_weights
from gateways.mesh import Mesh
from tests.asl import TaskFailed
from tests.cloud.cloud import Cloud, in_force
from tests.cloud.tutorial import NAME, POLICY, begun, deploy, empty
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

    def fresh(self) -> Cloud:
        return _kept(self).fork()

    def begin(self, cloud: Cloud) -> None:
        with in_force(cloud):
            self.act(cloud)


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


def insist(cloud: Cloud, signal: str, times: int = 100) -> None:
    """Ask the operators' function, and again every minute while it fails."""
    if operate(cloud, signal) == 500 and times:
        cloud.clock.later(60, lambda: insist(cloud, signal, times - 1))


def mesh_of(cloud: Cloud) -> Mesh:
    """The mesh, as a function of the stack would reach it."""
    environment = cloud.stack.functions["JoinMeshFunction"]["Environment"]
    return Mesh("apps", None, environment["MESH_ENDPOINT"] or None, environment["MESH_SIGNING_NAME"] or None)


def edit(cloud: Cloud, weights: dict[str, int]) -> None:
    """Set the weights by hand."""
    mesh = mesh_of(cloud)
    route = mesh.describe_route(NAME, NAME)
    mesh.update_route(NAME, NAME, with_weights(route["spec"], weights), route["metadata"]["version"])


def rolling_out(cloud: Cloud) -> bool:
    """Say whether a rollout has shifted traffic and is not at its end."""
    return any("Shift Traffic" in each.path for each in cloud.states.running)


def _roll_out(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")


def _fall_ill(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    _when(cloud, rolling_out, lambda: cloud.alarms.states.update(errors="ALARM"))


def _redeploy(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:3")


def _pause(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")

    def pause() -> None:
        insist(cloud, "pause")
        cloud.clock.later(600, lambda: insist(cloud, "resume"))

    _when(cloud, rolling_out, pause)


def _stop(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")

    def stop() -> None:
        for each in cloud.states.running:
            cloud.states.stop_execution(each.arn)

    _when(cloud, rolling_out, stop)


def _deploy_broken(cloud: Cloud) -> None:
    cloud.ecs.broken.add("app:broken")
    deploy(cloud, CANDIDATE, "app:broken")


def _both_die(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")

    def die() -> None:
        for arn in cloud.ecs.services:
            cloud.ecs.scale(arn, 0)

    _when(cloud, rolling_out, die)


def _edit(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    _when(cloud, rolling_out, lambda: edit(cloud, {STABLE: 40, CANDIDATE: 60}))


def _overtake(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    _when(cloud, rolling_out, lambda: _redeploy(cloud))


def _overtake_paused(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    paused = lambda each: any(one.token for one in each.states.running)  # noqa: E731
    _when(cloud, rolling_out, lambda: insist(cloud, "pause"))
    _when(cloud, paused, lambda: _redeploy(cloud))


def _come_back(cloud: Cloud) -> None:
    deploy(cloud, STABLE, "app:3")


def _accept(cloud: Cloud) -> None:
    cloud.invitations.invite("222222222222", "shop")
    cloud.clock.later(3700, lambda: None)  # until the sweep has looked


def _when(cloud: Cloud, so: Callable[[Cloud], bool], act: Callable[[], Any]) -> None:
    """Do something as soon as something is so; gives up when it never is."""

    def look(times: int = 400) -> None:
        if so(cloud):
            act()
        elif times:
            cloud.clock.later(7, lambda: look(times - 1))

    look()


def _candidate_carries_all(**parameters: str) -> Cloud:
    cloud = begun(SHORT, **parameters)
    with in_force(cloud):
        deploy(cloud, CANDIDATE, "app:2")
        cloud.run()
        cloud.wait(100)
    return cloud


def _cleaned_up() -> Cloud:
    cloud = begun({**SHORT, "cleanUp": "scale-to-zero"})
    with in_force(cloud):
        for arn in cloud.ecs.services:
            target = {"MinCapacity": 1, "ResourceId": arn.split(":", 5)[5], "ServiceNamespace": "ecs"}
            cloud.scaling.register_scalable_target(**target)
        deploy(cloud, CANDIDATE, "app:2")
        cloud.run()
        cloud.wait(100)
    return cloud


def _waits_for_share() -> Cloud:
    cloud = empty(SHORT, ControlPlane="appmesh", TrustedAccounts="222222222222")
    with in_force(cloud):
        deploy(cloud, "serviceA", tags={"meshift:mesh": "shop@222222222222"})
        cloud.run()
    return cloud


def _approve(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    _when(cloud, lambda each: any(one.token for one in each.states.running), lambda: insist(cloud, "approve"))


def _begun() -> Cloud:
    return begun(SHORT)


def _gated() -> Cloud:
    gate = {"timeoutSeconds": 600, "onTimeout": "rollback"}
    return begun({**SHORT, "steps": [{"weight": 25, "bakeSeconds": 30, "gate": gate}]})


FLOWS = (
    Flow("roll out", _begun, _roll_out, ("Redeployed", "Promoted")),
    Flow("fall ill", _begun, _fall_ill, ("Redeployed", "Rolled Back")),
    Flow("stop", _begun, _stop, ("Redeployed", "ABORTED")),
    Flow("pause and resume", _begun, _pause, ("Redeployed", "Promoted")),
    Flow("approve a gate", _gated, _approve, ("Redeployed", "Promoted")),
    Flow("answer no gate", _gated, _roll_out, ("Redeployed", "Rolled Back")),
    Flow("clean up", lambda: begun({**SHORT, "cleanUp": "scale-to-zero"}), _roll_out, ("Redeployed", "Promoted")),
    Flow("die on both sides", _begun, _both_die, ("Redeployed", "Roll Back Failed")),
    Flow("be edited", _begun, _edit, ("Redeployed", "Frozen")),
    Flow("be overtaken", _begun, _overtake, ("Redeployed", "Superseded", "Redeployed", "Promoted")),
    Flow("be overtaken while paused", _begun, _overtake_paused, ("Redeployed", "Superseded", "Redeployed", "Promoted")),
    Flow("come back from zero", _cleaned_up, _come_back, ("Redeployed", "Promoted")),
    Flow("redeploy what carries all", _candidate_carries_all, _redeploy, ("Redeployed", "Promoted")),
    Flow("deploy what never starts", _candidate_carries_all, _deploy_broken, ("Redeployed", "Promoted")),
    Flow("roll out on App Mesh", lambda: begun(SHORT, ControlPlane="appmesh"), _roll_out, ("Redeployed", "Promoted")),
    Flow("stop on App Mesh", lambda: begun(SHORT, ControlPlane="appmesh"), _stop, ("Redeployed", "ABORTED")),
    Flow("accept a share", _waits_for_share, _accept, ("Nothing To Do",)),
)
