"""Who is calling: the account of a signed request, and the caller's identity on Function URLs.

AWS puts `requestContext.authorizer.iam` into a Function URL's event; the emulator does not. It also takes
a compressed JSON body for text, which destroys it: such a body goes in as base64, as on AWS.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

from ministack import app as ministack_app
from ministack.core import responses
from ministack.services import lambda_svc, sts

from local import organizations
from local.patching import expect, replace
from local.settings import REGION

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


@dataclass(frozen=True)
class Caller:
    """The one who signed a request: access key, account, Region and the service it was signed for."""

    access_key: str
    account: str
    region: str
    service: str
    arn: str
    user_id: str


def caller_of(headers: dict[str, str]) -> Caller | None:
    """Read the caller from the signature's scope (a 12-digit key is that account); None when unsigned."""
    signed = _CREDENTIAL.search(headers.get("authorization", ""))
    if not signed:
        return None
    key, region, service = signed.groups()
    with responses.request_scope("000000000000", region or REGION):
        responses.set_request_account_id(ministack_app._request_account_scope(key))
        account = responses.get_account_id()
    session = sts._sessions.get(key) or {}
    return Caller(
        access_key=key,
        account=account,
        region=region,
        service=service,
        arn=session.get("Arn", f"arn:aws:iam::{account}:root"),
        user_id=session.get("UserId", account),
    )


def install() -> None:
    """Complete the events of Function URLs."""
    expect(ministack_app, "_request_account_scope", "access_key_id")
    expect(sts, "_sessions")
    build = replace(
        lambda_svc,
        "_build_function_url_event",
        lambda *args, **more: _completed(build(*args, **more), *args, **more),
        *("url_id", "account_id", "region", "method", "path", "headers", "body"),
    )


def _completed(event: dict[str, Any], *args: Any, anonymous: bool = False, **more: Any) -> dict[str, Any]:
    headers, body = args[5], args[6]
    caller = None if anonymous else caller_of({name.lower(): value for name, value in headers.items()})
    if caller:
        event["requestContext"]["authorizer"] = {
            "iam": {
                "accessKey": caller.access_key,
                "accountId": caller.account,
                "callerId": caller.user_id,
                "cognitoIdentity": None,
                "principalOrgId": organizations.organization_of(caller.account),
                "userArn": caller.arn,
                "userId": caller.user_id,
            }
        }
    if body and event["headers"].get("content-encoding") and not event["isBase64Encoded"]:
        event["body"] = base64.b64encode(body).decode("ascii")
        event["isBase64Encoded"] = True
    return event
