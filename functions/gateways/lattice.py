"""Amazon VPC Lattice: which VPCs are associated with a service network."""

from typing import Any

from botocore.exceptions import ClientError

from domain.errors import Refused
from gateways.clients import client, error_code

_REFUSALS = {
    "AccessDeniedException",
    "ConflictException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ValidationException",
}


def list_associations(vpc: str) -> list[dict[str, Any]]:
    """Return the associations of a VPC with service networks, as ListServiceNetworkVpcAssociations has them.

    Raises Refused when VPC Lattice does not take the question.
    """
    try:
        pages = client("vpc-lattice").get_paginator("list_service_network_vpc_associations").paginate(vpcIdentifier=vpc)
        return [item for page in pages for item in page["items"]]
    except ClientError as error:
        raise _translated(error) from error


def associate(network: str, vpc: str, token: str) -> dict[str, Any]:
    """Associate a VPC with a service network (ARN); the same token makes it once.

    Returns at least `id` and `status`. Raises Refused when VPC Lattice does not take it.
    """
    try:
        made: dict[str, Any] = client("vpc-lattice").create_service_network_vpc_association(
            serviceNetworkIdentifier=network, vpcIdentifier=vpc, clientToken=token
        )
    except ClientError as error:
        raise _translated(error) from error
    return made


def _translated(error: ClientError) -> Exception:
    code = error_code(error)
    if code not in _REFUSALS:
        return error
    return Refused(f"VPC Lattice does not take it: {code}: {error.response['Error'].get('Message', '')}")
