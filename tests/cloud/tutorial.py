"""The tutorial's services in the cloud: serviceB carries all, serviceBv2 comes beside it."""

import json
from typing import Any

from tests.cloud.cloud import Cloud, in_force
from tests.cloud.stack import stack_of
from tests.shapes import task_definition

MESH, NAME = "apps", "serviceb.apps.local"
POLICY: dict[str, Any] = {
    "steps": [{"weight": 25, "bakeSeconds": 60}, {"weight": 50, "bakeSeconds": 60}],
    "finalBakeSeconds": 60,
    "deadlineSeconds": 3600,
    "checkEverySeconds": 30,
    "checks": [{"alarm": "errors"}],
}
TAGS = {"meshift:mesh": MESH, "meshift:virtual-service": NAME, "meshift:hostname": NAME, "meshift:protocol": "http2"}


def bare(name: str, image: str = "app:1", **changes: Any) -> dict[str, Any]:
    """An application's task definition as people register it."""
    definition = task_definition(family=name, **changes)
    definition["containerDefinitions"][0]["image"] = image
    added = ("taskDefinitionArn", "revision", "status")
    return {key: value for key, value in definition.items() if key not in added}


def deploy(cloud: Cloud, name: str, image: str = "app:1", tags: dict[str, str] | None = None, desired: int = 2) -> str:
    """Deploy a version of a service, making it if need be; returns its ARN."""
    revision = cloud.ecs.register(bare(name, image), {"team": "b"})
    found = next((arn for arn in cloud.ecs.services if arn.endswith(f"/{name}")), None)
    if found is None:
        return cloud.ecs.create(name, revision, {**TAGS, **(tags or {})}, desired)
    cloud.ecs.deploy(found, revision)
    return found


def empty(policy: dict[str, Any] | None = None, **parameters: str) -> Cloud:
    """A stack with a mesh and a policy, and nobody in it. Only inside of `in_force` can it be used."""
    cloud = Cloud(stack_of(**parameters))
    cloud.parameters.values["/meshift/policies/default"] = json.dumps(policy or POLICY)
    cloud.alarms.states["errors"] = "OK"
    with in_force(cloud):
        from gateways.mesh import Mesh

        environment = cloud.stack.functions["JoinMeshFunction"]["Environment"]
        Mesh(MESH, None, environment["MESH_ENDPOINT"] or None, environment["MESH_SIGNING_NAME"] or None).make()
    return cloud


def begun(policy: dict[str, Any] | None = None, **parameters: str) -> Cloud:
    """The tutorial's first half: serviceB is in the mesh, has its Envoy, and carries all."""
    cloud = empty(policy, **parameters)
    with in_force(cloud):
        deploy(cloud, "serviceB")
        cloud.run()
    cloud.asked.clear()
    return cloud
