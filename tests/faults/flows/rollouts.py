"""Rollouts: promoted, rolled back, stopped, paused, approved, edited, overtaken; in both control planes."""

from tests.cloud.cloud import Cloud, in_force
from tests.cloud.tutorial import begun, deploy, empty
from tests.faults.flows.flow import CANDIDATE, SHORT, STABLE, Flow, edit, insist, rolling_out, when


def _roll_out(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")


def _fall_ill(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    when(cloud, rolling_out, lambda: cloud.alarms.states.update(errors="ALARM"))


def _redeploy(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:3")


def _pause(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")

    def pause() -> None:
        insist(cloud, "pause")
        cloud.clock.later(600, lambda: insist(cloud, "resume"))

    when(cloud, rolling_out, pause)


def _stop(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")

    def stop() -> None:
        for each in cloud.states.running:
            cloud.states.stop_execution(each.arn)

    when(cloud, rolling_out, stop)


def _deploy_broken(cloud: Cloud) -> None:
    cloud.ecs.broken.add("app:broken")
    deploy(cloud, CANDIDATE, "app:broken")


def _both_die(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")

    def die() -> None:
        for arn in cloud.ecs.services:
            cloud.ecs.scale(arn, 0)

    when(cloud, rolling_out, die)


def _edit(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    when(cloud, rolling_out, lambda: edit(cloud, {STABLE: 40, CANDIDATE: 60}))


def _overtake(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    when(cloud, rolling_out, lambda: _redeploy(cloud))


def _overtake_paused(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    paused = lambda each: any(one.token for one in each.states.running)  # noqa: E731
    when(cloud, rolling_out, lambda: insist(cloud, "pause"))
    when(cloud, paused, lambda: _redeploy(cloud))


def _come_back(cloud: Cloud) -> None:
    deploy(cloud, STABLE, "app:3")


def _accept(cloud: Cloud) -> None:
    cloud.invitations.invite("222222222222", "shop")
    cloud.clock.later(3700, lambda: None)  # until the sweep has looked


def candidate_carries_all(**parameters: str) -> Cloud:
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
    when(cloud, lambda each: any(one.token for one in each.states.running), lambda: insist(cloud, "approve"))


def _begun() -> Cloud:
    return begun(SHORT)


def gated() -> Cloud:
    gate = {"timeoutSeconds": 600, "onTimeout": "rollback"}
    return begun({**SHORT, "steps": [{"weight": 25, "bakeSeconds": 30, "gate": gate}]})


ROLLOUTS = (
    Flow("roll out", _begun, _roll_out, ("Redeployed", "Promoted")),
    Flow("fall ill", _begun, _fall_ill, ("Redeployed", "Rolled Back")),
    Flow("stop", _begun, _stop, ("Redeployed", "ABORTED")),
    Flow("pause and resume", _begun, _pause, ("Redeployed", "Promoted")),
    Flow("approve a gate", gated, _approve, ("Redeployed", "Promoted")),
    Flow("answer no gate", gated, _roll_out, ("Redeployed", "Rolled Back")),
    Flow("clean up", lambda: begun({**SHORT, "cleanUp": "scale-to-zero"}), _roll_out, ("Redeployed", "Promoted")),
    Flow("die on both sides", _begun, _both_die, ("Redeployed", "Roll Back Failed")),
    Flow("be edited", _begun, _edit, ("Redeployed", "Frozen")),
    Flow("be overtaken", _begun, _overtake, ("Redeployed", "Superseded", "Redeployed", "Promoted")),
    Flow("be overtaken while paused", _begun, _overtake_paused, ("Redeployed", "Superseded", "Redeployed", "Promoted")),
    Flow("come back from zero", _cleaned_up, _come_back, ("Redeployed", "Promoted")),
    Flow("redeploy what carries all", candidate_carries_all, _redeploy, ("Redeployed", "Promoted")),
    Flow("deploy what never starts", candidate_carries_all, _deploy_broken, ("Redeployed", "Promoted")),
    Flow("roll out on App Mesh", lambda: begun(SHORT, ControlPlane="appmesh"), _roll_out, ("Redeployed", "Promoted")),
    Flow("stop on App Mesh", lambda: begun(SHORT, ControlPlane="appmesh"), _stop, ("Redeployed", "ABORTED")),
    Flow("accept a share", _waits_for_share, _accept, ("Nothing To Do",)),
)
