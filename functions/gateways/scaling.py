"""How many tasks an ECS service is to have: its desired count, and what Application Auto Scaling makes of it."""

from typing import Any

from gateways.clients import client

_SERVICE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
_ALL_SUSPENDED = {
    "DynamicScalingInSuspended": True,
    "DynamicScalingOutSuspended": True,
    "ScheduledScalingSuspended": True,
}


def scalable_target(service_arn: str) -> dict[str, Any] | None:
    """Return a service's scalable target: `{"MinCapacity", "SuspendedState"}`; None without one."""
    answer = client("application-autoscaling").describe_scalable_targets(
        **_SERVICE, ResourceIds=[_resource(service_arn)]
    )
    for target in answer["ScalableTargets"]:
        return {"MinCapacity": target["MinCapacity"], "SuspendedState": target.get("SuspendedState", {})}
    return None


def suspend(service_arn: str) -> None:
    """Let a service's scalable target leave it at no task at all: its least is 0 and its policies rest."""
    _register(service_arn, MinCapacity=0, SuspendedState=_ALL_SUSPENDED)


def bring_back(service_arn: str, target: dict[str, Any]) -> None:
    """Give a scalable target back what `scalable_target` returned."""
    suspended = dict.fromkeys(_ALL_SUSPENDED, False) | target["SuspendedState"]
    _register(service_arn, MinCapacity=target["MinCapacity"], SuspendedState=suspended)


def set_desired_count(service_arn: str, cluster: str, count: int) -> None:
    """Set how many tasks a service is to have; this makes no deployment."""
    client("ecs").update_service(cluster=cluster, service=service_arn, desiredCount=count)


def _register(service_arn: str, **what: Any) -> None:
    client("application-autoscaling").register_scalable_target(**_SERVICE, ResourceId=_resource(service_arn), **what)


def _resource(service_arn: str) -> str:
    """Turn `arn:…:service/CLUSTER/NAME` into `service/CLUSTER/NAME`."""
    return service_arn.split(":", 5)[5]
