"""Whom an owner shares a mesh with: the parameter SharePrincipals, in the words of RAM, of the mesh and of Lambda.

RAM takes every principal as it is. The mesh knows accounts, one organization and organizational units; a role or user
stands for its account there, and a mesh policy says more. Function URLs know accounts and organizations: a unit stands
for its organization there, for who calls is checked against the mesh's principals all the same.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidSetting

LARGEST_POLICY = 20_480
"""Bytes that a function's resource policy may have (Lambda quotas)."""
_ACCOUNT = re.compile(r"[0-9]{12}")
_ORGANIZATION = re.compile(r"arn:aws[a-z-]*:organizations::[0-9]{12}:organization/(o-[a-z0-9]{10,32})")
_UNIT = re.compile(r"arn:aws[a-z-]*:organizations::[0-9]{12}:ou/(o-[a-z0-9]{10,32})/(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})")
_IAM = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(?:role|user)/[\w+=,.@/-]{1,576}", re.ASCII)


@dataclass(frozen=True)
class Principals:
    """The principals of a share, understood."""

    texts: tuple[str, ...]
    """As RAM takes them."""
    accounts: frozenset[str]
    organization: str | None
    units: frozenset[str]
    organizations: frozenset[str]
    """The organization and those of the units."""

    def of_mesh(self) -> dict[str, Any]:
        """Write them as the mesh API takes them (PUT …/principals)."""
        whole = {"organization": self.organization} if self.organization else {}
        return {"accounts": sorted(self.accounts), "organizationalUnits": sorted(self.units), **whole}

    def permissions(self, mesh: str) -> list[dict[str, Any]]:
        """List the permissions of a function that is called by its URL, as AddPermission takes them."""
        whom = [(account, {"Principal": account}) for account in sorted(self.accounts)]
        whom += [(each, {"Principal": "*", "PrincipalOrgID": each}) for each in sorted(self.organizations)]
        url = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "AWS_IAM"}
        invoke = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}
        return [
            {"StatementId": f"{statements_of(mesh)}{name}-{what}", **principal, **allowed}
            for name, principal in whom
            for what, allowed in (("url", url), ("invoke", invoke))
        ]


NOBODY = Principals((), frozenset(), None, frozenset(), frozenset())


def parse_principals(texts: Iterable[str], own_account: str) -> Principals:
    """Understand SharePrincipals: account ids, ARNs of an organization, of units, of IAM roles and users.

    >>> parse_principals(["111122223333"], "999999999999").of_mesh()
    {'accounts': ['111122223333'], 'organizationalUnits': []}

    Raises InvalidSetting.
    """
    accounts, organizations, units, wholes = set(), set(), set(), set()
    given = tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
    for text in given:
        if _ACCOUNT.fullmatch(text):
            accounts.add(text)
        elif match := _IAM.fullmatch(text):
            accounts.add(match[1])
        elif match := _ORGANIZATION.fullmatch(text):
            wholes.add(match[1])
        elif match := _UNIT.fullmatch(text):
            organizations.add(match[1])
            units.add(match[2])
        else:
            raise InvalidSetting(
                f"SharePrincipals: {text!r} is not an account id of 12 digits, nor the ARN of an organization, of an "
                "organizational unit or of an IAM role or user"
            )
    if len(wholes) > 1:
        raise InvalidSetting(f"SharePrincipals: a mesh knows one organization, not {' and '.join(sorted(wholes))}")
    if own_account in accounts:
        raise InvalidSetting(f"SharePrincipals: {own_account} is the owner's own account")
    return Principals(
        given, frozenset(accounts), next(iter(wholes), None), frozenset(units), frozenset(organizations | wholes)
    )


def statements_of(mesh: str) -> str:
    """Return how the ids of the statements begin that are for a mesh; ids take no dots, names do."""
    return f"meshift-share-{hashlib.sha256(mesh.encode()).hexdigest()[:8]}-"


def refuse_oversize(principals: Principals, mesh: str, policy: Mapping[str, Any], function_arn: str) -> None:
    """Refuse principals that a function's resource policy (parsed, with what others put into it) has no room for.

    Raises InvalidSetting.
    """
    own = statements_of(mesh)
    others = [each for each in policy.get("Statement", []) if not str(each.get("Sid", "")).startswith(own)]
    ours = [_statement(each, function_arn) for each in principals.permissions(mesh)]
    size = len(json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": [*others, *ours]}))
    if size > LARGEST_POLICY:
        raise InvalidSetting(
            f"SharePrincipals: {len(principals.accounts)} accounts make a resource policy of {size} bytes, and Lambda "
            f"takes {LARGEST_POLICY}; name their organization instead"
        )


def _statement(permission: Mapping[str, Any], function_arn: str) -> dict[str, Any]:
    """Write a permission as it stands in the policy."""
    account = permission["Principal"]
    condition: dict[str, Any] = (
        {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
        if "FunctionUrlAuthType" in permission
        else {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    )
    if account == "*":
        of = {"aws:PrincipalOrgID": permission["PrincipalOrgID"]}
        condition = {**condition, "StringEquals": {**condition.get("StringEquals", {}), **of}}
    return {
        "Sid": permission["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if account == "*" else {"AWS": f"{function_arn.split(':lambda:')[0]}:iam::{account}:root"},
        "Action": permission["Action"],
        "Resource": function_arn,
        "Condition": condition,
    }


def losers(
    nodes: Sequence[tuple[str, str]], owner: str, before: Mapping[str, Any], after: Principals
) -> dict[str, list[str]]:
    """List the virtual nodes, by their account, whose Envoys would get no configuration any more.

    `nodes`: name and account; `before`: the mesh's principals as it shows them. Who is in an organization
    or unit is not known here: while the new principals name one, only accounts are listed that were principals by
    themselves.

    >>> losers([("serviceC", "222222222222")], "111111111111", {"accounts": ["222222222222"]}, NOBODY)
    {'222222222222': ['serviceC']}
    """
    stays: Collection[str] = after.accounts | {owner}
    named = set(before.get("accounts", []))
    found: dict[str, list[str]] = {}
    for name, account in sorted(nodes):
        if account not in stays and (not after.organizations or account in named):
            found.setdefault(account, []).append(name)
    return found
