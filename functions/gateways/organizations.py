"""AWS Organizations: which accounts an organizational unit holds. Works in the management or a delegated account."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from domain.errors import Busy, NotFound
from gateways.clients import client, error_code

DEEPEST = 5
"""How deep organizational units can be nested (AWS Organizations' quota)."""
UNRESOLVABLE = {
    "AccessDeniedException",
    "AWSOrganizationsNotInUseException",
    "InvalidInputException",
    "ParentNotFoundException",
}


def accounts_of(unit: str) -> list[str]:
    """Return all active accounts below an organizational unit.

    Raises NotFound when it cannot be resolved, Busy when not now.
    """
    try:
        return sorted(_below(unit, DEEPEST))
    except ClientError as error:
        code = error_code(error)
        if code in UNRESOLVABLE:
            raise NotFound(f"organizational unit {unit} cannot be resolved to accounts: {code}") from error
        if code == "TooManyRequestsException":
            raise Busy(f"organizational unit {unit} cannot be resolved now: {code}") from error
        raise


def _below(unit: str, depth: int) -> Iterator[str]:
    organizations = client("organizations")
    for page in organizations.get_paginator("list_accounts_for_parent").paginate(ParentId=unit):
        yield from (account["Id"] for account in page["Accounts"] if account["Status"] == "ACTIVE")
    if depth:
        for page in organizations.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit):
            for child in page["OrganizationalUnits"]:
                yield from _below(child["Id"], depth - 1)
