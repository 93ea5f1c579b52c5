"""Parameters of other accounts on local AWS: GetParameter by an ARN, as far as RAM shares it with the caller.

A mesh card is handed over as on AWS, but for its Function URLs: they are those under which the emulator answers.
"""

import os
import re
from typing import Any

from ministack.core import responses
from ministack.services import ssm

from local.patching import replace
from local.ram_api import RAM

_ARN = re.compile(r"arn:aws[a-z-]*:ssm:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):parameter(?P<name>/.+)")
_FUNCTION_URL = re.compile(rb"https://([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\.on\.aws/")


def install() -> None:
    """Let the emulator answer for parameters of other accounts."""
    original = replace(ssm, "_get_parameter", lambda data: _answer(data), "data")

    def _answer(data: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        arn, account = _ARN.fullmatch(str(data.get("Name"))), responses.get_account_id()
        if arn is None or arn["account"] == account:
            return original(data)
        with RAM.lock:
            received = RAM.ListResources(account, arn["region"], {"resourceOwner": "OTHER-ACCOUNTS"})["resources"]
        if arn[0] not in {each["arn"] for each in received}:
            message = f"{arn[0]} is not shared with account {account}"
            return responses.error_response_json("AccessDeniedException", message, 400)
        with responses.request_scope(arn["account"], arn["region"]):
            status, headers, content = original({**data, "Name": arn["name"]})
        here = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}/_aws/lambda-url/".encode()
        return status, headers, _FUNCTION_URL.sub(here + rb"\1/", content)
