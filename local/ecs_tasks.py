"""The tasks of a service: started, running, healthy, stopped, as list_tasks and describe_tasks show them."""

from typing import Any

from ministack.services import ecs

from local.dataplane import PLANE

LIVE = ("PENDING", "RUNNING")
Record = dict[str, Any]


def scale(service: Record, deployment: Record) -> None:
    """Start or stop tasks of the deployment until there are as many as the service wants."""
    have = of(service, deployment)
    missing = service["desiredCount"] - len(have)
    if missing > 0:
        ecs._run_task(
            {
                "cluster": ecs._cluster_name_from_arn(service["clusterArn"]),
                "taskDefinition": deployment["taskDefinition"],
                "count": missing,
                "group": f"service:{service['serviceName']}",
                "startedBy": deployment["id"],
                "launchType": service.get("launchType"),
                "capacityProviderStrategy": service.get("capacityProviderStrategy"),
                "platformVersion": service.get("platformVersion", ""),
                "networkConfiguration": service.get("networkConfiguration", {}),
                "enableExecuteCommand": service.get("enableExecuteCommand", False),
                "_deploymentId": deployment["id"],
            }
        )
        for task in of(service, deployment)[len(have) :]:
            task.update(lastStatus="PENDING", startedAt=None, pullStartedAt=None, pullStoppedAt=None)
            for container in task["containers"]:
                container["lastStatus"] = "PENDING"
    for task in have[service["desiredCount"] :]:
        ecs._mark_task_stopped(
            task["taskArn"], task, "Scaling activity initiated by the service scheduler",
            "ServiceSchedulerInitiated", exit_code=0,
        )  # fmt: skip


def set_running(task: Record) -> None:
    """A pending task runs."""
    if task["lastStatus"] == "PENDING":
        now = ecs._iso()
        task.update(lastStatus="RUNNING", startedAt=now, pullStartedAt=now, pullStoppedAt=now)
        task["version"] += 1
        for container in task["containers"]:
            container["lastStatus"] = "RUNNING"
        PLANE.start(task)


def become_healthy(task: Record) -> None:
    """A task is healthy as soon as it runs, unless there is something to ask: what the data plane runs for it."""
    if not PLANE.judges(task):
        set_health(task, "HEALTHY")


def set_health(task: Record, status: str, only: str | None = None) -> None:
    """Only a container with a health check has a health; the task's is that of its essential ones."""
    definition = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]
    checked = {c["name"]: c for c in definition["containerDefinitions"] if c.get("healthCheck")}
    for container in task["containers"]:
        if container["name"] in checked and only in (None, container["name"]):
            container["healthStatus"] = status
    essential = {
        container["healthStatus"]
        for container in task["containers"]
        if container["name"] in checked and checked[container["name"]].get("essential", True)
    }
    task["healthStatus"] = next((s for s in ("UNHEALTHY", "UNKNOWN", "HEALTHY") if s in essential), "UNKNOWN")


def of(service: Record, deployment: Record | None = None) -> list[Record]:
    """The live tasks of a service, or of one of its deployments, oldest first."""
    return [
        task
        for task in list(ecs._tasks.values())
        if task.get("group") == f"service:{service['serviceName']}"
        and task["clusterArn"] == service["clusterArn"]
        and task["lastStatus"] in LIVE
        and (deployment is None or task["_deployment_id"] == deployment["id"])
    ]
