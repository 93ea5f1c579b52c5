"""AWS Organizations with members: the emulator gives every account an organization of its own.

The setting `organization` names the accounts of one, its management account first. Members are told which organization
they are in, and nothing else, as on AWS; Function URLs see it in who calls, and RAM shares inside it (local/ram.py).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ministack.core import responses
from ministack.services import organizations

from local.patching import expect
from local.ram_state import Organization
from local.settings import REGION, SETTINGS

Handler = Callable[[Any], Any]


def install() -> None:
    """Let members be answered as such."""
    expect(organizations, "_ensure_org")
    expect(organizations, "_public_account", "a")
    dispatch = expect(organizations, "_DISPATCH")
    for name, handler in dispatch.items():
        dispatch[name] = partial(_answer, name, handler)


def found() -> Organization | None:
    """Return the organization that the setting makes; None for none."""
    if not SETTINGS.organization:
        return None
    management, *members = SETTINGS.organization
    with responses.request_scope(management, REGION):
        organizations._ensure_org()
        whole = organizations._orgs["self"]
        (root, *_) = organizations._roots
        for member in members:
            if member not in organizations._accounts:
                organizations._accounts[member] = _account(member, whole, root)
        parents = {account: each["_ParentId"] for account, each in organizations._accounts.items()}
        units = {unit: frozenset(a for a, parent in parents.items() if parent == unit) for unit in organizations._ous}
    return Organization(whole["Id"], management, frozenset(SETTINGS.organization), units)


def organization_of(account: str) -> str | None:
    """Return the id of the organization that an account is in by the setting."""
    whole = found()
    return whole.id if whole and account in whole.members else None


def _account(member: str, whole: dict[str, Any], root: str) -> dict[str, Any]:
    return {
        "Id": member,
        "Arn": f"arn:aws:organizations::{whole['MasterAccountId']}:account/{whole['Id']}/{member}",
        "Email": f"{member}@example.com",
        "Name": member,
        "Status": "ACTIVE",
        "JoinedMethod": "INVITED",
        "JoinedTimestamp": 0,
        "Path": "/",
        "_ParentId": root,
    }


def _answer(name: str, handler: Handler, payload: Any) -> Any:
    whole, account = found(), responses.get_account_id()
    if whole is None or account == whole.management or account not in whole.members:
        return handler(payload)
    if name != "DescribeOrganization":
        return responses.error_response_json("AccessDeniedException", f"{account} may not call {name}", 400)
    with responses.request_scope(whole.management, REGION):
        return handler(payload)
