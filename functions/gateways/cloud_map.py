"""AWS Cloud Map: the names behind an ECS service's registry."""

from gateways.clients import client


def read_registry(registry_arn: str) -> tuple[str, str]:
    """Return the names of the namespace and the service of a service registry's ARN."""
    service = client("servicediscovery").get_service(Id=registry_arn.rpartition("/")[2])["Service"]
    namespace = client("servicediscovery").get_namespace(Id=service["NamespaceId"])["Namespace"]
    return namespace["Name"], service["Name"]
