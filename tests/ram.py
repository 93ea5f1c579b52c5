"""AWS RAM in this process: boto3's client, answered by local AWS's RAM (local/ram.py), for any accounts.

with answered_ram("222222222222") as ram:
    ram.share("111111111111", [card])     # an invitation waits
    ram.failing["AcceptResourceShareInvitation"] = ["ThrottlingException"] * 3
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from gateways.clients import client
from local.ram import Ram
from local.ram_error import RamError
from tests.hosted_mesh import Body
from tests.shapes import OWNER

REGION = "us-east-1"


def card_arn(owner: str = OWNER, mesh: str = "apps") -> str:
    return f"arn:aws:ssm:{REGION}:{owner}:parameter/meshift/meshes/{mesh}"


def card(
    owner: str = OWNER, mesh: str = "apps", url: str = "https://abc123.lambda-url.us-east-1.on.aws/"
) -> dict[str, Any]:
    endpoint = {"endpoint": url, "signingName": "lambda"}
    return {"mesh": mesh, "owner": owner, "region": REGION, "api": endpoint, "discovery": endpoint}


class AnsweredRam:
    """All accounts' shares; `failing`: errors that come before an operation's answer; `calls`: what was asked."""

    def __init__(self, account: str) -> None:
        self.ram, self.account = Ram(), account
        self.failing: dict[str, list[str]] = defaultdict(list)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.cards: dict[str, str] = {}
        self.page: int | None = None

    def share(self, sender: str, resources: list[str], to: str | None = None, name: str = "apps") -> str:
        """Share resources of the sender; gives the share's ARN."""
        asked = {"name": name, "resourceArns": resources, "principals": [to or self.account]}
        return str(self.ram.CreateResourceShare(sender, REGION, asked)["resourceShare"]["resourceShareArn"])

    def share_inside(self, sender: str, resources: list[str]) -> str:
        """Share as inside an organization: without an invitation."""
        share = self.share(sender, resources)
        for arn, invitation in list(self.ram.invitations.items()):
            if invitation["resourceShareArn"] == share:
                del self.ram.invitations[arn]
        for one in self.ram.associations:
            if one["resourceShareArn"] == share:
                one.update(status="ASSOCIATED", external=False)
        return share

    def share_card(self, sender: str = OWNER, mesh: str = "apps", says: dict[str, Any] | None = None) -> str:
        """Share a mesh card; `says` takes the place of what it would say."""
        self.cards[card_arn(sender, mesh)] = json.dumps({**card(sender, mesh), **(says or {})})
        return self.share(sender, [card_arn(sender, mesh)])

    def unshare(self, share: str) -> None:
        self.ram.DeleteResourceShare(share.split(":")[4], REGION, {"resourceShareArn": share})

    def invitation(self, share: str) -> dict[str, Any]:
        """The one invitation to a share."""
        (found,) = [each for each in self.ram.invitations.values() if each["resourceShareArn"] == share]
        return found

    def status(self, share: str) -> str:
        return str(self.invitation(share)["status"])

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """What an operation was asked."""
        return [asked for name, asked in self.calls if name == operation]

    def answer(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        asked = json.loads(request.body or b"{}") or dict(parse_qsl(urlsplit(request.url).query))
        self.calls.append((operation, asked))
        try:
            if self.failing[operation]:
                raise RamError(self.failing[operation].pop(0), "as the test wants it")
            if self.page:
                asked["maxResults"] = self.page
            return reply(request, 200, getattr(self.ram, operation)(self.account, REGION, asked))
        except RamError as error:
            return reply(request, 400, {"message": str(error)}, error.code)

    def read(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        """GetParameter by the ARN of another account's card: as far as it is shared."""
        asked = json.loads(request.body)["Name"]
        if not asked.startswith("arn:"):
            return None
        # RAM's own, whatever a test makes of its lists.
        others = Ram.ListResources(self.ram, self.account, REGION, {"resourceOwner": "OTHER-ACCOUNTS"})["resources"]
        shared = {each["arn"] for each in others}
        if self.failing["GetParameter"]:
            return reply(
                request, 400, {"__type": self.failing["GetParameter"].pop(0), "message": "as the test wants it"}
            )
        if asked not in shared:
            return reply(request, 400, {"__type": "AccessDeniedException", "message": "not shared"})
        if asked not in self.cards:
            return reply(request, 400, {"__type": "ParameterNotFound", "message": "no such parameter"})
        return reply(request, 200, {"Parameter": {"Name": asked, "Value": self.cards[asked]}})


def reply(request: AWSPreparedRequest, status: int, content: Any, error: str = "") -> AWSResponse:
    headers = {"content-type": "application/json", **({"x-amzn-errortype": error} if error else {})}
    return AWSResponse(request.url, status, headers, Body(json.dumps(content).encode()))


@contextmanager
def answered_ram(account: str) -> Iterator[AnsweredRam]:
    """Let RAM, and SSM for cards of other accounts, be answered here for the functions of an account."""
    found = AnsweredRam(account)
    reads = client("ssm"), "before-send.ssm.GetParameter", found.read
    hooks = [(client("ram"), "before-send.ram", found.answer), reads]
    for api, name, hook in hooks:
        api.meta.events.register_first(name, hook)
    yield found
    for api, name, hook in hooks:
        api.meta.events.unregister(name, hook)
