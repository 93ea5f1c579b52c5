"""The mesh policy: which accounts and roles may do what, in IAM's own grammar.

    {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/team-b"},
       "Action": "appmesh:*", "Resource": "arn:aws:appmesh:*:*:mesh/apps/virtualRouter/serviceb*"}]}

Principals are account ids, their root ARNs, role and user ARNs (a role's sessions are the role), or `*`. Actions are
App Mesh's, and `meshift:` for principals and policy. A Deny beats an Allow; with a policy, what nothing allows is
denied. Conditions and the `Not…` elements are refused: what is not understood must not look as if it protected.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from domain.hosted.errors import bad_request
from domain.hosted.shapes import checked_string, readable

LARGEST_POLICY = 20_000
ELEMENTS = {"Sid", "Effect", "Principal", "Action", "Resource"}
ACTION = re.compile(r"\*|(appmesh|meshift):[A-Za-z*?]+", re.IGNORECASE)
ROOT = re.compile(r"(?:arn:[a-z0-9-]+:iam::)?(\d{12})(?::root)?")
ROLE = re.compile(r"arn:[a-z0-9-]+:iam::(\d{12}):role/(?:[\x21-\x7e]+/)?([\w+=,.@-]+)")
USER = re.compile(r"arn:[a-z0-9-]+:iam::\d{12}:user/[\w+=,.@/-]+")
SESSION = re.compile(r"arn:[a-z0-9-]+:sts::(\d{12}):assumed-role/([\w+=,.@-]+)/.*")

Verdict = Literal["allow", "deny", "silent"]


@dataclass(frozen=True)
class Statement:
    allows: bool
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def parse_policy(document: Any) -> tuple[Statement, ...]:
    """Read a policy strictly; the message of a BadRequestException names the element."""
    if not isinstance(document, Mapping) or set(document) - {"Version", "Id", "Statement"}:
        raise bad_request("policy must be an object with Version, Id and Statement only")
    if len(json.dumps(document)) > LARGEST_POLICY:
        raise bad_request(f"policy is longer than {LARGEST_POLICY} characters")
    if document.get("Version", "2012-10-17") != "2012-10-17":
        raise bad_request("policy.Version must be 2012-10-17")
    one_text(document, "Id", "policy")
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise bad_request("policy.Statement must be a list of at least one statement")
    return tuple(parse_statement(item, f"policy.Statement[{index}]") for index, item in enumerate(statements))


def parse_statement(item: Any, where: str) -> Statement:
    if not isinstance(item, Mapping):
        raise bad_request(f"{where} must be an object")
    unknown = sorted(str(key) for key in item if key not in ELEMENTS)
    if unknown:
        raise bad_request(
            f"{where}.{readable(unknown[0])} is not supported; supported are {', '.join(sorted(ELEMENTS))}"
        )
    one_text(item, "Sid", where)
    if item.get("Effect") not in ("Allow", "Deny"):
        raise bad_request(f"{where}.Effect must be Allow or Deny")
    principal = item.get("Principal")
    if isinstance(principal, Mapping):
        if set(principal) != {"AWS"}:
            raise bad_request(f"{where}.Principal must hold AWS only")
        principal = principal["AWS"]
    elif principal != "*":
        raise bad_request(f'{where}.Principal must be "*" or {{"AWS": …}}')
    principals, actions = texts(principal, f"{where}.Principal"), texts(item.get("Action"), f"{where}.Action")
    for text in principals:
        if text != "*" and not any(form.fullmatch(text) for form in (ROOT, ROLE, USER)):
            raise bad_request(
                f"{where}.Principal holds {readable(text)}; expected an account, a role's or user's ARN, or *"
            )
    for text in actions:
        if not ACTION.fullmatch(text):
            raise bad_request(f"{where}.Action holds {readable(text)}; expected appmesh:… or meshift:…")
    return Statement(item["Effect"] == "Allow", principals, actions, texts(item.get("Resource"), f"{where}.Resource"))


def texts(value: Any, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(text, str) and text for text in listed):
        raise bad_request(f"{where} must be a string or a list of strings")
    for text in listed:
        checked_string(text, {}, where)
    return tuple(listed)


def one_text(item: Mapping[str, Any], name: str, where: str) -> None:
    if name in item:
        checked_string(item[name], {}, f"{where}.{name}")


def verdict(policy: Iterable[Statement], account: str, arn: str, action: str, resource: str) -> Verdict:
    """Evaluate a policy for a caller (account and IAM or STS ARN), an action and a resource's ARN."""
    found: Verdict = "silent"
    for statement in policy:
        if (
            any(is_principal(text, account, arn) for text in statement.principals)
            and any(matches(text.lower(), action.lower()) for text in statement.actions)
            and any(matches(text, resource) for text in statement.resources)
        ):
            if not statement.allows:
                return "deny"
            found = "allow"
    return found


def is_principal(text: str, account: str, arn: str) -> bool:
    """Whether a policy's principal is the caller.

    A session's ARN has lost the path of its role, so roles match by account and name, which are unique together.

    >>> session = "arn:aws:sts::111122223333:assumed-role/b/i-1"
    >>> is_principal("arn:aws:iam::111122223333:role/teams/b", "111122223333", session)
    True
    """
    if text in ("*", account, arn):
        return True
    root = ROOT.fullmatch(text)
    if root:
        return root[1] == account
    role, session = ROLE.fullmatch(text), SESSION.fullmatch(arn)
    return bool(role and session and role.groups() == session.groups())


def matches(pattern: str, text: str) -> bool:
    """Match with IAM's wildcards, `*` for any characters and `?` for one, in time linear in both for each `*`.

    >>> matches("arn:aws:appmesh:*:mesh/apps/*", "arn:aws:appmesh:us-east-1:1:mesh/apps/virtualNode/a")
    True
    """
    at = mark = 0
    star = -1
    index = 0
    while at < len(text):
        if index < len(pattern) and pattern[index] == "*":
            star, mark, index = index, at, index + 1
        elif index < len(pattern) and pattern[index] in ("?", text[at]):
            at, index = at + 1, index + 1
        elif star >= 0:
            mark += 1
            at, index = mark, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[index:])
