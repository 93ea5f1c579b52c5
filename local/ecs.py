"""ECS as on AWS: the emulator's API with deployments that take their time (local/ecs_deployments.py).

The emulator keeps the records and speaks the protocol; what it gets wrong in an answer is put right here.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import responses
from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from local import ecs_deployments as deployments
from local.dataplane import PLANE
from local.patching import PatchDoesNotApply, expect, replace
from local.settings import OWNER, REGION

Answer = tuple[int, dict[str, str], bytes]
Action = Callable[[dict[str, Any]], Answer]


def install() -> None:
    """Put our deployments in the place of the emulator's instant ones."""
    for name in ("_services", "_tasks", "_task_defs", "_clusters", "_tags"):
        expect(ecs, name)
    for name, parameters in {
        "_run_task": ("data",),
        "_stop_task": ("data",),
        "_refresh_service_state": ("cluster_name", "group"),
        "_recount_cluster": ("cluster_name",),
        "_primary_deployment": ("svc",),
        "_resolve_td_key": ("ref",),
        "_resolve_cluster_name": ("ref",),
        "_resolve_service_ref": ("ref",),
        "_cluster_name_from_arn": ("arn",),
        "_iso": (),
    }.items():
        expect(ecs, name, *parameters)
    replace(ecs, "_get_docker", lambda: None)
    PLANE.install(deployments.end_task, deployments.tell_health)
    stop = replace(
        ecs,
        "_mark_task_stopped",
        lambda arn, task, *args, **more: (PLANE.stop(task), stop(arn, task, *args, **more))[1],
        *("task_arn", "task", "reason", "stop_code"),
    )
    replace(ecs, "_reconcile_service_tasks", deployments.reconcile, "cluster_name", "svc_key")
    replace(ecs, "_record_service_task_failure", lambda task, **_: None, "task")
    replace(ecs, "_complete_service_deployment", lambda *_, **__: None, "cluster_name", "svc_key")
    make = replace(
        ecs,
        "_make_deployment",
        lambda definition, desired, status="PRIMARY": deployments.as_started(make(definition, desired, status)),
        *("task_definition", "desired_count", "status"),
    )
    _wrap("CreateService", "_create_service", _create_service)
    _wrap("UpdateService", "_update_service", _update_service)
    _wrap("DeleteService", "_delete_service", _delete_service)
    _wrap("DescribeServices", "_describe_services", _describe_services)
    _wrap("StopTask", "_stop_task", _stop_task)
    _wrap("RegisterTaskDefinition", "_register_task_definition", _register_task_definition)


def set_health(
    service: str,
    status: str,
    container: str | None = None,
    cluster: str = "default",
    account: str = OWNER,
    region: str = REGION,
) -> dict[str, Any]:
    """Set the health of a service's running containers that have a health check (all, or the one named)."""
    if status not in ("HEALTHY", "UNHEALTHY", "UNKNOWN"):
        raise ValueError(f"status must be HEALTHY, UNHEALTHY or UNKNOWN, not {status!r}")
    with responses.request_scope(account, region):
        return {"tasks": deployments.set_health(cluster, service, status, container)}


def _wrap(operation: str, name: str, around: Callable[[Action, dict[str, Any]], Answer]) -> None:
    """Lead both ways to an action, the API's and the emulator's own, through `around`, one at a time."""
    action = expect(ecs, name, "data")
    if ecs._ACTION_MAP.get(operation) is not action:
        raise PatchDoesNotApply(f"ECS action {operation} is not {name}")

    def wrapped(data: dict[str, Any]) -> Answer:
        with deployments.LOCK:
            return around(action, data)

    setattr(ecs, name, wrapped)
    ecs._ACTION_MAP[operation] = wrapped


def _create_service(create: Action, data: dict[str, Any]) -> Answer:
    if not data.get("taskDefinition"):
        return error_response_json("InvalidParameterException", "TaskDefinition can not be blank.", 400)
    return _unusable_definition(data) or create(data)


def _update_service(update: Action, data: dict[str, Any]) -> Answer:
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if cluster not in ecs._clusters:
        return error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
    service = _service(data)
    if service and service["status"] != "ACTIVE":
        return error_response_json("ServiceNotActiveException", "Service was not ACTIVE.", 400)
    return _unusable_definition(data) or update(data)


def _delete_service(delete: Action, data: dict[str, Any]) -> Answer:
    service = _service(data)
    answer = delete(data)
    if service and answer[0] == 200:
        service["deployments"] = []
        ecs._tags.pop(service["serviceArn"], None)
        service["tags"] = []
    return answer


def _describe_services(describe: Action, data: dict[str, Any]) -> Answer:
    status, headers, body = describe(data)
    if status != 200 or "TAGS" in data.get("include", []):
        return status, headers, body
    content = json.loads(body)
    for service in content["services"]:
        service.pop("tags", None)
    return json_response(content)


def _stop_task(stop: Action, data: dict[str, Any]) -> Answer:
    answer = stop(data)
    if answer[0] == 200:
        deployments.replace_stopped(json.loads(answer[2])["task"])
    return answer


def _register_task_definition(register: Action, data: dict[str, Any]) -> Answer:
    """Return a definition as AWS does: what was not given is not there, what was given is."""
    answer = register(data)
    if answer[0] != 200:
        return answer
    content = json.loads(answer[2])
    stored = ecs._task_defs[ecs._resolve_td_key(content["taskDefinition"]["taskDefinitionArn"])]
    for name in [name for name, value in stored.items() if value in ("", None)]:
        del stored[name]
    for name in ("enableFaultInjection", "inferenceAccelerators"):
        if name in data:
            stored[name] = data[name]
    return json_response({**content, "taskDefinition": stored})


def _service(data: dict[str, Any]) -> dict[str, Any] | None:
    reference = ecs._resolve_service_ref(data.get("service", ""))
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    return ecs._services.get(f"{cluster}/{reference[0]}") if reference else None


def _unusable_definition(data: dict[str, Any]) -> Answer | None:
    wanted = data.get("taskDefinition")
    if wanted is None:
        return None
    definition = ecs._task_defs.get(ecs._resolve_td_key(wanted) or "")
    if definition is None:
        return error_response_json("ClientException", "TaskDefinition not found.", 400)
    if definition["status"] != "ACTIVE":
        return error_response_json("ClientException", "TaskDefinition is inactive", 400)
    return None
