"""Rollouts that wait, for their turn or for tasks, and are steered meanwhile; names that are handed over."""

from tests.cloud.cloud import Cloud, in_force
from tests.cloud.tutorial import bare, begun, deploy
from tests.faults.flows.flow import CANDIDATE, SHORT, Flow, arn_of, insist, when

NEXT = "serviceBv3"


def waits(cloud: Cloud, name: str) -> str | None:
    """Return the execution of a service's deployment that waits; for its turn, or for tasks."""
    deployment = cloud.ecs.primary(arn_of(cloud, name))["id"].replace("/", "-")
    found = [each for each in cloud.states.running if deployment in each.name and each.path[-1] == "Wait Its Turn"]
    return found[0].arn if found else None


def _steer(cloud: Cloud, name: str, signal: str) -> None:
    insist(cloud, signal, execution=waits(cloud, name) or "")


def _two(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    deploy(cloud, NEXT, "app:3")


def _abort_what_waits(cloud: Cloud) -> None:
    _two(cloud)
    when(cloud, lambda each: waits(each, NEXT), lambda: _steer(cloud, NEXT, "abort"))


def _promote_what_waits(cloud: Cloud) -> None:
    _two(cloud)
    when(cloud, lambda each: waits(each, NEXT), lambda: _steer(cloud, NEXT, "promote"))


def _overtake_what_waits(cloud: Cloud) -> None:
    _two(cloud)
    when(cloud, lambda each: waits(each, NEXT), lambda: deploy(cloud, NEXT, "app:4") and None)


def _pause_what_waits_for_tasks(cloud: Cloud) -> None:
    arn = deploy(cloud, CANDIDATE, "app:2")
    cloud.ecs.sick.add(arn)

    def pause() -> None:
        _steer(cloud, CANDIDATE, "pause")
        cloud.ecs.sick.discard(arn)
        cloud.clock.later(200, lambda: insist(cloud, "resume"))

    when(cloud, lambda each: waits(each, CANDIDATE), pause)


def _never_get_well(cloud: Cloud) -> None:
    cloud.ecs.sick.add(deploy(cloud, CANDIDATE, "app:2"))


def _begun() -> Cloud:
    return begun({**SHORT, "deadlineSeconds": 300})


def _named_by_another() -> Cloud:
    """The node serviceC is another service's, which only calls others."""
    cloud = begun(SHORT)
    with in_force(cloud):
        tags = {"meshift:mesh": "apps", "meshift:virtual-node": "serviceC", "meshift:hostname": "c.apps.local"}
        cloud.ecs.create("other", cloud.ecs.register(bare("other")), tags)
        cloud.run()
        deploy(cloud, "serviceC")
        cloud.run()
    return cloud


def _hand_over(cloud: Cloud) -> None:
    insist(cloud, "hand-over", virtualNode="serviceC", service="serviceC", cluster="apps")
    insist(cloud, "hand-over", cluster="apps")
    insist(cloud, "start", service="serviceC", cluster="apps")


OVERTAKEN = ("Redeployed", "Redeployed", "Promoted", "Superseded", "Redeployed", "Promoted")
WAITING = (
    Flow("abort what waits its turn", _begun, _abort_what_waits, ("Redeployed", "Redeployed", "Promoted", "Refused")),
    Flow(
        "promote what waits its turn", _begun, _promote_what_waits, ("Redeployed", "Redeployed", "Promoted", "Promoted")
    ),
    Flow("overtake what waits its turn", _begun, _overtake_what_waits, OVERTAKEN),
    Flow("pause what waits for tasks", _begun, _pause_what_waits_for_tasks, ("Redeployed", "Promoted")),
    Flow("never get well", _begun, _never_get_well, ("Redeployed", "Refused")),
    Flow("hand a name over", _named_by_another, _hand_over, ("Redeployed", "Promoted")),
)
