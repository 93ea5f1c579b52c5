"""VPC Lattice's associations of VPCs in this process: boto3's client, checked against botocore's model, answered here.

moto makes a second association where AWS refuses one, and knows no network of another account.

with answered_lattice({network}) as lattice:
    lattice.failing["CreateServiceNetworkVpcAssociation"] = ["ThrottlingException"] * 3
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.model import Shape

from gateways.clients import client
from tests.ram import REGION, reply


def network_arn(owner: str, number: int = 0) -> str:
    return f"arn:aws:vpc-lattice:{REGION}:{owner}:servicenetwork/sn-{number:017x}"


class AnsweredLattice:
    """Associations by id; `failing`: errors that come before an operation's answer; `calls`: what was asked."""

    def __init__(self, networks: set[str]) -> None:
        self.networks, self.associations = networks, dict[str, dict[str, Any]]()
        self.failing: dict[str, list[str]] = defaultdict(list)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.page = 100
        self.made = 0

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """What an operation was asked."""
        return [asked for name, asked in self.calls if name == operation]

    def add(self, network: str, vpc: str, status: str = "ACTIVE") -> dict[str, Any]:
        """Have an association."""
        self.made += 1
        found = {"id": f"snva-{self.made:017x}", "status": status, "serviceNetworkArn": network, "vpcId": vpc}
        self.associations[found["id"]] = found
        return found

    def CreateServiceNetworkVpcAssociation(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        network, vpc = asked["serviceNetworkIdentifier"], asked["vpcIdentifier"]
        if network not in self.networks:
            raise LookupError("ResourceNotFoundException")
        if any((each["serviceNetworkArn"], each["vpcId"]) == (network, vpc) for each in self.associations.values()):
            raise LookupError("ConflictException")
        made = self.add(network, vpc, "CREATE_IN_PROGRESS")
        return {name: made[name] for name in ("id", "status")}

    def ListServiceNetworkVpcAssociations(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [each for each in self.associations.values() if each["vpcId"] == asked["vpcIdentifier"]]
        start = int(asked.get("nextToken", 0))
        more = {"nextToken": str(start + self.page)} if len(found) > start + self.page else {}
        return {"items": found[start : start + self.page], **more}

    def answer(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        asked = json.loads(request.body or b"{}") or dict(parse_qsl(urlsplit(request.url).query))
        self.calls.append((operation, asked))
        model = client("vpc-lattice").meta.service_model.operation_model(operation)
        check(model.input_shape, asked)
        try:
            if self.failing[operation]:
                raise LookupError(self.failing[operation].pop(0))
            answer = getattr(self, operation)(asked)
        except LookupError as error:
            return reply(request, 400, {"message": "as the test wants it"}, str(error.args[0]))
        check(model.output_shape, answer)
        return reply(request, 200, answer)


def check(shape: Shape, value: Any) -> None:
    """Hold a value against a shape of the model, with the patterns and lengths that botocore does not look at."""
    if shape.type_name == "structure":
        unknown, missing = set(value) - set(shape.members), set(shape.required_members) - set(value)
        assert not unknown | missing, f"{shape.name}: unknown {unknown}, missing {missing}"
        for name, each in value.items():
            check(shape.members[name], each)
    elif shape.type_name == "list":
        for each in value:
            check(shape.member, each)
    elif shape.type_name == "string":
        assert not shape.enum or value in shape.enum, f"{shape.name}: {value}"
        assert re.fullmatch(shape.metadata.get("pattern", ".*"), value), f"{shape.name}: {value}"
        assert shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value)), value


@contextmanager
def answered_lattice(networks: set[str]) -> Iterator[AnsweredLattice]:
    """Let VPC Lattice be answered here; `networks`: what is shared with the account, by ARN."""
    found, events = AnsweredLattice(networks), client("vpc-lattice").meta.events
    events.register_first("before-send.vpc-lattice", found.answer)
    yield found
    events.unregister("before-send.vpc-lattice", found.answer)
