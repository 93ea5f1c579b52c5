"""Mesh cards of other accounts: where a hosted mesh is found. What a card says is checked, never believed.

Its owner must be the account whose parameter it is, and its endpoints AWS's own in the card's Region: who shares a
card must not learn what is sent to somebody else, nor have requests signed for anything but his mesh.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidCard
from domain.sharing import CARD, SharedMesh

LONGEST = 8192
"""Characters that an advanced parameter holds."""
_BELOW = re.compile(r"[A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)*/?")


@dataclass(frozen=True)
class Endpoint:
    """Where a service is reached, and which name requests to it are signed for."""

    url: str
    signing_name: str
    function: str = ""
    """ARN of the Lambda function behind it, where the card names it."""


@dataclass(frozen=True)
class MeshCard:
    """Where the hosted mesh of another account is found."""

    mesh: str
    owner: str
    region: str
    api: Endpoint
    discovery: Endpoint

    def document(self) -> dict[str, Any]:
        """Write it as cards are written."""
        endpoints = {
            name: {"endpoint": each.url, "signingName": each.signing_name}
            | ({"function": each.function} if each.function else {})
            for name, each in (("api", self.api), ("discovery", self.discovery))
        }
        return {"mesh": self.mesh, "owner": self.owner, "region": self.region, **endpoints}


def parse_card(document: Mapping[str, Any]) -> MeshCard:
    """Take a card that was checked before."""
    api, discovery = (
        Endpoint(document[name]["endpoint"], document[name]["signingName"], document[name].get("function", ""))
        for name in ("api", "discovery")
    )
    return MeshCard(document["mesh"], document["owner"], document["region"], api, discovery)


def shared_by_card(mesh: str, partition: str, region: str) -> SharedMesh:
    """Say where the card of a mesh (NAME@OWNER) is.

    >>> shared_by_card("apps@111122223333", "aws", "us-east-1").arn
    'arn:aws:ssm:us-east-1:111122223333:parameter/meshift/meshes/apps'
    """
    name, _, owner = mesh.partition("@")
    return SharedMesh(name, owner, f"arn:{partition}:ssm:{region}:{owner}:parameter/meshift/meshes/{name}", CARD)


def check_card(text: str, shared: SharedMesh, region: str, aws_endpoint: str | None = None) -> MeshCard:
    """Check a card's text against the parameter that it was read from.

    `aws_endpoint` is where all of AWS is (AWS_ENDPOINT_URL), None for where it really is. Raises InvalidCard.
    """
    if len(text) > LONGEST:
        raise InvalidCard(f"mesh card {shared.arn} is longer than {LONGEST} characters")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidCard(f"mesh card {shared.arn} is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidCard(f"mesh card {shared.arn} is not an object")
    for field, right in (("mesh", shared.name), ("owner", shared.owner), ("region", region)):
        if document.get(field) != right:
            raise InvalidCard(f"mesh card {shared.arn}: {field} is {document.get(field)!r}, not {right!r}")
    api, discovery = (_endpoint(document, name, shared, region, aws_endpoint) for name in ("api", "discovery"))
    return MeshCard(shared.name, shared.owner, region, api, discovery)


def _endpoint(
    document: Mapping[str, Any], name: str, shared: SharedMesh, region: str, aws_endpoint: str | None
) -> Endpoint:
    found = document.get(name)
    told = found if isinstance(found, dict) else {}
    url, signing_name, function = told.get("endpoint"), told.get("signingName"), told.get("function", "")
    if not isinstance(url, str) or not isinstance(signing_name, str):
        raise InvalidCard(f"mesh card {shared.arn}: {name} must hold endpoint and signingName, not {found!r}")
    if not _is_aws(url, signing_name, region, aws_endpoint):
        raise InvalidCard(
            f"mesh card {shared.arn}: {name} is {url!r}, signed for {signing_name!r}; right would be a Function URL "
            f"(lambda) or an API Gateway endpoint (execute-api) of {region}"
        )
    if function != "" and not _is_function(function, shared):
        raise InvalidCard(
            f"mesh card {shared.arn}: {name} names {function!r}, which is no Lambda function of its owner's"
        )
    return Endpoint(url, signing_name, function)


def _is_function(arn: Any, shared: SharedMesh) -> bool:
    """Say whether this is a function of the card's own partition, Region and account: roles get rights on it."""
    own = shared.arn.partition(":parameter/")[0].replace(":ssm:", ":lambda:", 1)
    return isinstance(arn, str) and re.fullmatch(rf"{re.escape(own)}:function:[A-Za-z0-9_-]{{1,64}}", arn) is not None


def _is_aws(url: str, signing_name: str, region: str, aws_endpoint: str | None) -> bool:
    where, suffix = re.escape(region), r"\.cn" if region.startswith("cn-") else ""
    patterns = {
        "lambda": rf"https://[a-z0-9]{{1,63}}\.lambda-url\.{where}\.on\.aws/?",
        "execute-api": rf"https://[a-z0-9]{{1,63}}(-vpce-[a-z0-9]{{1,40}})?\.execute-api\.{where}\.amazonaws\.com{suffix}/?",
    }
    if signing_name not in patterns:
        return False
    if re.fullmatch(patterns[signing_name], url):
        return True
    base = aws_endpoint.rstrip("/") + "/" if aws_endpoint else None
    return base is not None and url.startswith(base) and _BELOW.fullmatch(url.removeprefix(base)) is not None
