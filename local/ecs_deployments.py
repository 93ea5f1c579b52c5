"""The life of an ECS deployment: it takes a while, then completes, or fails and is rolled back.

Half way its tasks run; at the end it completes, or, when an image's tag holds the failing tag, the circuit
breaker decides: enabled, the deployment FAILED (with rollback the last completed one comes back); without it ECS
goes on trying, so the deployment stays IN_PROGRESS. A newer deployment supersedes one in work, which then
never completes. Shapes and reasons:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
"""

import contextvars
import random
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import ecs

from local import ecs_tasks as tasks
from local import events
from local.dataplane import PLANE
from local.settings import SETTINGS

LOCK = threading.RLock()
Record = dict[str, Any]


def as_started(deployment: Record) -> Record:
    """Turn the emulator's fresh deployment record into one that has just begun."""
    deployment["id"] = f"ecs-svc/{random.randrange(10**18, 10**19)}"
    deployment["rolloutState"] = "IN_PROGRESS"
    return deployment


def reconcile(cluster_name: str, svc_key: str) -> None:
    """Bring a service's tasks to what its record wants: begin a new deployment, or scale the present one."""
    with LOCK:
        service = ecs._services.get(svc_key)
        if not service or service["status"] != "ACTIVE":
            return
        primary = ecs._primary_deployment(service)
        if not primary.get("_begun"):
            _begin(svc_key, service, primary, f"ECS deployment {primary['id']} in progress.")
        elif primary["rolloutState"] != "FAILED":
            tasks.scale(service, primary)
            _later(1, _settle, svc_key, primary["id"])
        _recount(service)


def replace_stopped(task: Record) -> None:
    """Start a new task for one of a service that somebody stopped."""
    group = task.get("group", "")
    if group.startswith("service:"):
        cluster = ecs._cluster_name_from_arn(task["clusterArn"])
        reconcile(cluster, f"{cluster}/{group.removeprefix('service:')}")


def set_health(cluster: str, name: str, status: str, container: str | None) -> list[str]:
    """Set the health of the containers with a health check in the service's running tasks; gives their ARNs."""
    with LOCK:
        service = ecs._services.get(f"{cluster}/{name}")
        if not service:
            raise LookupError(f"no service {name!r} in cluster {cluster!r} of account {get_account_id()}")
        changed = [task for task in tasks.of(service) if task["lastStatus"] == "RUNNING"]
        for task in changed:
            tasks.set_health(task, status, container)
        return [task["taskArn"] for task in changed]


def end_task(task: Record, reason: str) -> None:
    """Stop a task whose Envoy ended or stayed unhealthy, and start another in its place."""
    with LOCK:
        if task["lastStatus"] in tasks.LIVE:
            ecs._mark_task_stopped(task["taskArn"], task, reason, "EssentialContainerExited", exit_code=1)
            _count_failure(task)
            replace_stopped(task)


def _count_failure(task: Record) -> None:
    """Count a task that failed in a deployment, and let the circuit breaker, where there is one, end that.

    Source: ECS developer guide, "Deployment circuit breaker": half of the desired count, but not less than three.
    """
    svc_key = f"{ecs._cluster_name_from_arn(task['clusterArn'])}/{task['group'].removeprefix('service:')}"
    service, deployment = _in_work(svc_key, task["_deployment_id"])
    if service and deployment:
        deployment["failedTasks"] += 1
        if _breaker(service).get("enable") and deployment["failedTasks"] >= max(3, service["desiredCount"] / 2):
            for other in tasks.of(service, deployment):
                ecs._mark_task_stopped(other["taskArn"], other, "The deployment failed", "ServiceSchedulerInitiated")
            _fail(svc_key, service, deployment)


def tell_health(task: Record, status: str) -> None:
    """Set the health of a task's containers with a health check to what was found."""
    with LOCK:
        tasks.set_health(task, status)


def _begin(svc_key: str, service: Record, deployment: Record, reason: str) -> None:
    deployment.update(
        _begun=True, rolloutState="IN_PROGRESS", rolloutStateReason=reason, updatedAt=ecs._iso(), failedTasks=0
    )
    if service.get("networkConfiguration"):
        deployment["networkConfiguration"] = service["networkConfiguration"]
    deployment["desiredCount"] = service["desiredCount"]
    tasks.scale(service, deployment)
    _announce(service, deployment, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", reason)
    _later(0.5, _start, svc_key, deployment["id"])
    _later(1, _finish, svc_key, deployment["id"])


def _start(svc_key: str, deployment_id: str) -> None:
    """Half way: tasks run, or do not start."""
    service, deployment = _in_work(svc_key, deployment_id)
    if not service or not deployment:
        return
    if _fails(deployment):
        stopped = tasks.of(service, deployment)
        for task in stopped:
            ecs._mark_task_stopped(
                task["taskArn"], task, "CannotPullContainerError: image not found", "TaskFailedToStart"
            )
        deployment["failedTasks"] = max(3, len(stopped))
        _tell(service, f"(service {service['serviceName']}) was unable to start tasks.")
    else:
        for task in tasks.of(service, deployment):
            tasks.set_running(task)
    _recount(service)


def _finish(svc_key: str, deployment_id: str) -> None:
    """At the end: completed, failed, or (a failing one without circuit breaker) still trying."""
    service, deployment = _in_work(svc_key, deployment_id)
    if not service or not deployment:
        return
    if not _fails(deployment):
        if _are_ready(service, deployment):
            _complete(service, deployment)
        else:
            _after(0.1, _finish, svc_key, deployment_id)
    elif _breaker(service).get("enable"):
        _fail(svc_key, service, deployment)
    _recount(service)


def _are_ready(service: Record, deployment: Record) -> bool:
    """Whether the tasks of a deployment are healthy, and those before it may be stopped."""
    new = tasks.of(service, deployment)
    for task in new:
        tasks.set_running(task)
    if not PLANE.are_healthy(new):
        return False
    return PLANE.leave([task for task in tasks.of(service) if task["_deployment_id"] != deployment["id"]]) <= 0


def _complete(service: Record, deployment: Record) -> None:
    for task in tasks.of(service):
        if task["_deployment_id"] != deployment["id"]:
            ecs._mark_task_stopped(
                task["taskArn"], task, f"Scaling activity initiated by (deployment {deployment['id']})",
                "ServiceSchedulerInitiated", exit_code=0,
            )  # fmt: skip
    for task in tasks.of(service, deployment):
        tasks.become_healthy(task)
    service["deployments"] = [deployment]
    reason = f"ECS deployment {deployment['id']} completed."
    deployment.update(rolloutState="COMPLETED", rolloutStateReason=reason, updatedAt=ecs._iso())
    name = f"(service {service['serviceName']})"
    _tell(service, f"{name} (deployment {deployment['id']}) deployment completed.")
    _tell(service, f"{name} has reached a steady state.")
    _announce(service, deployment, "INFO", "SERVICE_DEPLOYMENT_COMPLETED", reason)


def _fail(svc_key: str, service: Record, deployment: Record) -> None:
    reason = "ECS deployment circuit breaker: tasks failed to start."
    deployment.update(rolloutState="FAILED", rolloutStateReason=reason, desiredCount=0, updatedAt=ecs._iso())
    name = f"(service {service['serviceName']})"
    _tell(service, f"{name} (deployment {deployment['id']}) deployment failed: tasks failed to start.")
    _announce(
        service, deployment, "ERROR", "SERVICE_DEPLOYMENT_FAILED",
        "ECS deployment circuit breaker: task failed to start.",
    )  # fmt: skip
    completed = [other for other in service["deployments"] if other["rolloutState"] == "COMPLETED"]
    if _breaker(service).get("rollback") and completed:
        back_to = completed[0]
        deployment["status"], back_to["status"] = "ACTIVE", "PRIMARY"
        service["taskDefinition"] = back_to["taskDefinition"]
        _tell(service, f"{name} rolling back to deployment {back_to['id']}.")
        reason = f"ECS deployment circuit breaker: rolling back to deploymentId {back_to['id']}."
        _begin(svc_key, service, back_to, reason)


def _settle(svc_key: str, deployment_id: str) -> None:
    """Tasks that were added to a completed deployment run and are healthy after a while."""
    service = ecs._services.get(svc_key)
    primary = ecs._primary_deployment(service) if service and service["status"] == "ACTIVE" else None
    if primary and primary["id"] == deployment_id and primary["rolloutState"] == "COMPLETED":
        for task in tasks.of(service, primary):
            if task["lastStatus"] == "PENDING":
                tasks.set_running(task)
                tasks.become_healthy(task)
        _recount(service)


def _fails(deployment: Record) -> bool:
    definition = ecs._task_defs[ecs._resolve_td_key(deployment["taskDefinition"])]
    images = [container["image"].rsplit("/", 1)[-1] for container in definition["containerDefinitions"]]
    return any(SETTINGS.failingTag in image.partition(":")[2] for image in images)


def _breaker(service: Record) -> Record:
    return (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}


def _in_work(svc_key: str, deployment_id: str) -> tuple[Record, Record] | tuple[None, None]:
    """The service and its deployment, unless that was superseded, finished or deleted meanwhile."""
    service = ecs._services.get(svc_key)
    primary = ecs._primary_deployment(service) if service and service["status"] == "ACTIVE" else None
    if primary and primary["id"] == deployment_id and primary["rolloutState"] == "IN_PROGRESS":
        return service, primary
    return None, None


def _recount(service: Record) -> None:
    cluster = ecs._cluster_name_from_arn(service["clusterArn"])
    ecs._refresh_service_state(cluster, f"service:{service['serviceName']}")
    ecs._recount_cluster(cluster)


def _tell(service: Record, message: str) -> None:
    service["events"].insert(0, {"id": new_uuid(), "createdAt": ecs._iso(), "message": message})


def _announce(service: Record, deployment: Record, kind: str, name: str, reason: str) -> None:
    events.announce(
        get_account_id(), get_region(), "aws.ecs", "ECS Deployment State Change", [service["serviceArn"]],
        {
            "eventType": kind,
            "eventName": name,
            "clusterArn": service["clusterArn"],
            "deploymentId": deployment["id"],
            "updatedAt": events.now(),
            "reason": reason,
        },
    )  # fmt: skip


def _later(share: float, action: Callable[[str, str], None], svc_key: str, deployment_id: str) -> None:
    """Call `action` after this share of a deployment's time, in the caller's account and Region."""
    _after(SETTINGS.deploymentSeconds * share, action, svc_key, deployment_id)


def _after(seconds: float, action: Callable[[str, str], None], svc_key: str, deployment_id: str) -> None:
    scope = contextvars.copy_context()

    def act() -> None:
        with LOCK:
            scope.run(action, svc_key, deployment_id)

    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
