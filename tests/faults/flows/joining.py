"""Services that join: an empty mesh, with backends from a parameter and a hostname from Cloud Map."""

from tests.cloud.cloud import Cloud
from tests.cloud.tutorial import NAME, bare, deploy, empty
from tests.faults.flows.flow import SHORT, STABLE, Flow, has_envoy

BACKENDS = "/meshift/backends/serviceA"
A = {"meshift:mesh": "apps", "meshift:virtual-service": "servicea.apps.local", "meshift:backends": f"@{BACKENDS}"}


def _join(cloud: Cloud) -> None:
    deploy(cloud, STABLE)


def _join_with_backends(cloud: Cloud) -> None:
    cloud.parameters.values[BACKENDS] = f"{NAME} servicec.apps.local"
    arn = cloud.ecs.create("serviceA", cloud.ecs.register(bare("serviceA")), A)
    registry = "arn:aws:servicediscovery:us-east-1:111111111111:service/srv-servicea"
    cloud.ecs.services[arn]["serviceRegistries"] = [{"registryArn": registry}]


def _without_node(cloud: Cloud) -> list[str]:
    """Say whose Envoy runs without its virtual node: it would never get a configuration."""
    nodes = {sk.rpartition("/")[2] for _, sk in cloud.tables.tables["MeshTable"] if "/virtualNode/" in sk}
    names = [each["serviceName"] for each in cloud.ecs.services.values()]
    return [
        f"{name} has an Envoy and no virtual node" for name in names if has_envoy(cloud, name) and name not in nodes
    ]


def _attaches() -> Cloud:
    return empty(SHORT, TaskRolePolicy="attach-scoped", TaskRolePath="/")


def _say_nonsense(cloud: Cloud) -> None:
    event = {"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "resources": []}
    cloud.emit({**event, "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"}})


def _not_buried(cloud: Cloud) -> list[str]:
    return [] if cloud.told.buried or cloud.dead else ["what nobody understands was lost"]


JOINING = (
    Flow("join an empty mesh", lambda: empty(SHORT), _join, ("Redeployed", "Nothing To Do"), _without_node),
    Flow(
        "join with backends", lambda: empty(SHORT), _join_with_backends, ("Redeployed", "Nothing To Do"), _without_node
    ),
    Flow("join and attach a policy", _attaches, _join, ("Redeployed", "Nothing To Do"), _without_node),
    Flow("hear nonsense", lambda: empty(SHORT), _say_nonsense, (), _not_buried),
)
