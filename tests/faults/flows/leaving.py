"""Tags that go, come back and change: the sweep finds them, Envoy is taken out, the node's name is given back."""

from tests.cloud.cloud import Cloud, in_force
from tests.cloud.tutorial import TAGS, begun, deploy
from tests.faults.flows.flow import CANDIDATE, SHORT, STABLE, Flow, arn_of, given_up, has_envoy, rolling_out, when
from tests.faults.flows.rollouts import candidate_carries_all

SLOW = {**SHORT, "steps": [{"weight": 25, "bakeSeconds": 150}], "finalBakeSeconds": 60}
"""The sweep, every five minutes, comes in the middle of it."""
MISSPELT = {"meshift:protocol": "spdy"}


def retag(cloud: Cloud, name: str, **tags: str | None) -> None:
    """Set tags of a service, written `mesh=…` for `meshift:mesh`; None takes one away."""
    service = cloud.ecs.services[arn_of(cloud, name)]
    found = {each["key"]: each["value"] for each in service["tags"]}
    found |= {f"meshift:{key}": value for key, value in tags.items()}
    service["tags"] = [{"key": key, "value": value} for key, value in found.items() if value is not None]


def has_name(cloud: Cloud, name: str) -> bool:
    return ("names#apps", f"virtualNode#{name}") in cloud.tables.tables["RolloutTable"]


def weight(cloud: Cloud, name: str) -> int:
    return max(weights.get(name, 0) for weights in cloud.routes().values())


def _half_out(cloud: Cloud) -> list[str]:
    """Say which service without an Envoy gets traffic that others could take, or lacks its name with an Envoy.

    Who stops an execution has the traffic taken back, wherever its service is by then; and after a roll back nobody
    else is fit for it.
    """
    found = []
    excused = given_up(cloud) or any(each.ending.state == "Rolled Back" for each in cloud.executions() if each.ending)
    for name in (each["serviceName"] for each in cloud.ecs.services.values()):
        if not has_name(cloud, name) and has_envoy(cloud, name):
            found.append(f"{name} runs with its Envoy, and its node's name was given away")
        others = len(cloud.ecs.services) > 1
        if not has_envoy(cloud, name) and weight(cloud, name) and others and not excused:
            found.append(f"{name} gets traffic without its Envoy, and others could take it")
    return found


def _leave(cloud: Cloud, name: str = CANDIDATE) -> None:
    retag(cloud, name, mesh=None)
    cloud.clock.later(310, lambda: None)  # until the sweep has looked


def _leave_alone(cloud: Cloud) -> None:
    _leave(cloud, STABLE)


def _leave_by_deployment(cloud: Cloud) -> None:
    retag(cloud, CANDIDATE, mesh=None)
    deploy(cloud, CANDIDATE, "app:3")


def _leave_in_rollout(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    when(cloud, rolling_out, lambda: _leave(cloud))


def _stable_leaves(cloud: Cloud) -> None:
    deploy(cloud, CANDIDATE, "app:2")
    when(cloud, rolling_out, lambda: _leave(cloud, STABLE))


def _come_back_at_once(cloud: Cloud) -> None:
    _leave(cloud)
    when(cloud, lambda each: not weight(each, CANDIDATE), lambda: _tag(cloud))


def _come_back_in_the_middle(cloud: Cloud) -> None:
    _leave(cloud)
    when(
        cloud,
        lambda each: each.ecs.primary(arn_of(each, CANDIDATE))["rolloutState"] != "COMPLETED",
        lambda: _tag(cloud),
    )


def _come_back_later(cloud: Cloud) -> None:
    _leave(cloud)
    when(cloud, lambda each: not has_name(each, CANDIDATE), lambda: _tag(cloud))


def _tag(cloud: Cloud) -> None:
    retag(cloud, CANDIDATE, mesh="apps")
    cloud.clock.later(310, lambda: None)  # until the sweep has looked


def _become_another(cloud: Cloud) -> None:
    retag(cloud, STABLE, **{"virtual-node": "serviceC"})
    cloud.clock.later(310, lambda: None)  # until the sweep has looked


def _two_names(cloud: Cloud) -> list[str]:
    """Say whether a service has two nodes' names."""
    names = [
        item["value"]["S"] for (pk, sk), item in cloud.tables.tables["RolloutTable"].items() if "virtualNode#" in sk
    ]
    return [f"{arn} has two nodes" for arn in set(names) if names.count(arn) > 1 and not given_up(cloud)]


def _correct(cloud: Cloud) -> None:
    retag(cloud, CANDIDATE, protocol="http2")
    cloud.clock.later(310, lambda: None)  # until the sweep has looked


def _misspelt() -> Cloud:
    cloud = begun(SHORT)
    with in_force(cloud):
        deploy(cloud, CANDIDATE, tags={**TAGS, **MISSPELT})
        cloud.run()
    return cloud


LEAVING = (
    Flow("leave", candidate_carries_all, _leave, ("Redeployed",), _half_out),
    Flow("leave by a deployment", candidate_carries_all, _leave_by_deployment, ("Redeployed",), _half_out),
    Flow("leave as the last", lambda: begun(SHORT), _leave_alone, ("Redeployed",), _half_out),
    Flow(
        "leave in one's own rollout",
        lambda: begun(SLOW),
        _leave_in_rollout,
        ("Redeployed", "Promoted", "Redeployed"),
        _half_out,
    ),
    Flow(
        "the stable side leaves in a rollout",
        lambda: begun(SLOW),
        _stable_leaves,
        ("Redeployed", "Promoted", "Redeployed"),
        _half_out,
    ),
    Flow("come back at once", candidate_carries_all, _come_back_at_once, ("Superseded", "Nothing To Do"), _half_out),
    Flow(
        "come back in the middle",
        candidate_carries_all,
        _come_back_in_the_middle,
        ("Redeployed", "Redeployed", "Promoted"),
        _half_out,
    ),
    Flow(
        "come back later", candidate_carries_all, _come_back_later, ("Redeployed", "Redeployed", "Promoted"), _half_out
    ),
    Flow("become another node", candidate_carries_all, _become_another, ("Redeployed", "Promoted"), _two_names),
    Flow("get tags that make sense later", _misspelt, _correct, ("Redeployed", "Promoted"), _half_out),
)
