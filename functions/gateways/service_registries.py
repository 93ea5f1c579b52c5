"""AWS Cloud Map: the names behind an ECS service's registry."""

from botocore.exceptions import ClientError

from domain.errors import NotFound
from gateways.clients import client, error_code


def read_registry(registry_arn: str) -> tuple[str, str]:
    """Return the names of the namespace and the service of a service registry's ARN. Raises NotFound."""
    try:
        service = client("servicediscovery").get_service(Id=registry_arn.rpartition("/")[2])["Service"]
    except ClientError as error:
        if error_code(error) == "ServiceNotFound":
            raise NotFound(f"the Cloud Map service {registry_arn} of the ECS service does not exist") from error
        raise
    namespace = client("servicediscovery").get_namespace(Id=service["NamespaceId"])["Namespace"]
    return namespace["Name"], service["Name"]
