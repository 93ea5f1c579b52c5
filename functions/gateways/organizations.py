"""AWS Organizations: which accounts an organizational unit holds, and which organization an account is in."""

from collections.abc import Iterator
from typing import Any

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
UNTOLD = {
    "AccessDeniedException",
    "AccountNotFoundException",
    "AWSOrganizationsNotInUseException",
    "InvalidInputException",
}


def accounts_of(unit: str) -> list[str]:
    """Return all active accounts below an organizational unit; told to management and delegated accounts only.

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


def organization_of(account: str) -> str | None:
    """Return the id of the organization that an active account is in, as far as Organizations tells this account.

    Only the management account and delegated administrators are told of others; None is "not known". Raises Busy.
    """
    found = _told("describe_account", AccountId=account)
    if found is None or found["Account"].get("Status") != "ACTIVE" or found["Account"].get("Id") != account:
        return None
    return _organization_in(found["Account"]["Arn"])


def own_organization() -> str | None:
    """Return the id of the organization that this account is in; None is "in none", or not known. Raises Busy."""
    found = describe_own()
    return str(found["Id"]) if found else None


def describe_own() -> dict[str, Any] | None:
    """Return the organization that this account is in, as DescribeOrganization shows it; see `own_organization`."""
    found = _told("describe_organization")
    return found["Organization"] if found else None


def _told(operation: str, **asked: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = getattr(client("organizations"), operation)(**asked)
    except ClientError as error:
        code = error_code(error)
        if code in UNTOLD:
            return None
        if code in ("TooManyRequestsException", "ServiceException"):
            raise Busy(f"Organizations does not answer {operation} now: {code}") from error
        raise
    return found


def _organization_in(arn: str) -> str | None:
    """Read the organization out of an account's ARN: arn:aws:organizations::MANAGEMENT:account/o-…/ACCOUNT."""
    parts = arn.split(":", 5)[-1].split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "account" else None
