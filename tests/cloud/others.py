"""The small rest of AWS: parameters, alarms, metrics, hooks, topics, buses, registries; what was told is kept."""

import io
import json
from datetime import datetime, timedelta
from typing import Any

from tests.cloud.dynamodb import refusal

Document = dict[str, Any]
ORGANIZATION = "o-abcdefghij"


class Parameters:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get_parameter(self, Name: str, **_: Any) -> Document:
        if Name not in self.values:
            raise refusal("ParameterNotFound", "GetParameter")
        return {"Parameter": {"Name": Name, "Type": "String", "Value": self.values[Name]}}

    def put_parameter(self, Name: str, Value: str, **_: Any) -> Document:
        self.values[Name] = Value
        return {"Version": 1}


class Alarms:
    """CloudWatch: the states of alarms, and metrics that always were what they are now."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.metrics: dict[str, float] = {}
        """Value of each period, by metric and statistic, as in `Queued Maximum`; before that by virtual node, too."""

    def describe_alarms(self, AlarmNames: list[str], **_: Any) -> Document:
        known = [name for name in AlarmNames if name in self.states]
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": self.states[name]} for name in known]}

    def get_metric_data(
        self, MetricDataQueries: list[Document], StartTime: datetime, EndTime: datetime, **_: Any
    ) -> Document:
        return {"MetricDataResults": [self._told(each, StartTime, EndTime) for each in MetricDataQueries]}

    def _told(self, query: Document, start: datetime, end: datetime) -> Document:
        metric, stat = query["MetricStat"]["Metric"], query["MetricStat"]["Stat"].partition("(")[0]
        name, nodes = f"{metric['MetricName']} {stat}", [each["Value"] for each in metric["Dimensions"]]
        known = [each for each in (*(f"{node} {name}" for node in nodes), name) if each in self.metrics]
        value = self.metrics[known[0]] if known else None
        period = timedelta(seconds=query["MetricStat"]["Period"])
        times = [] if value is None else [start + period * number for number in range((end - start) // period)]
        return {"Id": query["Id"], "Timestamps": times, "Values": [value] * len(times)}


class Hooks:
    """AWS Lambda, where hooks are: what each answers, the last thing again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Document]] = {}

    def get_function_configuration(self, FunctionName: str) -> Document:
        if FunctionName not in self.answers:
            raise refusal("ResourceNotFoundException", "GetFunctionConfiguration")
        return {"FunctionName": FunctionName}

    def invoke(self, FunctionName: str, **_: Any) -> Document:
        answers = self.answers[FunctionName]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}


class Registries:
    """AWS Cloud Map: every service is called as its id says, in one namespace."""

    def get_service(self, Id: str) -> Document:
        return {"Service": {"Id": Id, "Name": Id.removeprefix("srv-"), "NamespaceId": "ns-1"}}

    def get_namespace(self, Id: str) -> Document:
        return {"Namespace": {"Id": Id, "Name": "apps.local"}}


class Told:
    """SNS, EventBridge and SQS as ears: what was said, in its order."""

    def __init__(self) -> None:
        self.mails: list[Document] = []
        self.events: list[Document] = []
        self.buried: list[Document] = []

    def publish(self, **request: Any) -> Document:
        self.mails.append(request)
        return {"MessageId": "1"}

    def put_events(self, Entries: list[Document], **_: Any) -> Document:
        self.events += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def send_message(self, **request: Any) -> Document:
        self.buried.append(request)
        return {"MessageId": "1"}


class Roles:
    """IAM: every role may do everything."""

    def simulate_principal_policy(self, ActionNames: list[str], **_: Any) -> Document:
        results = [{"EvalActionName": name, "EvalResourceName": "*", "EvalDecision": "allowed"} for name in ActionNames]
        return {"EvaluationResults": results, "IsTruncated": False}

    def attach_role_policy(self, **_: Any) -> Document:
        return {}


class Scaling:
    """Application Auto Scaling's targets, by resource."""

    def __init__(self) -> None:
        self.targets: dict[str, Document] = {}

    def describe_scalable_targets(self, ResourceIds: list[str], **_: Any) -> Document:
        return {"ScalableTargets": [self.targets[each] for each in ResourceIds if each in self.targets]}

    def register_scalable_target(self, ResourceId: str, **request: Any) -> Document:
        self.targets[ResourceId] = {**self.targets.get(ResourceId, {"MaxCapacity": 10}), **request}
        return {}


class Invitations:
    """RAM: the shares of other accounts, by ARN, and invitations to those that are not from inside."""

    def __init__(self) -> None:
        self.invitations: dict[str, Document] = {}
        self.shares: dict[str, Document] = {}

    def invite(self, owner: str, mesh: str, card: bool = False) -> str:
        """Share a mesh, or its card; returns the invitation's ARN."""
        share = self._share(owner, mesh, card)
        arn = share.replace(":resource-share/", ":resource-share-invitation/")
        about = {"resourceShareInvitationArn": arn, "senderAccountId": owner, "status": "PENDING"}
        self.invitations[arn] = {**about, "resourceShareName": mesh, "resourceShareArn": share}
        return arn

    def share_inside(self, owner: str, name: str, network: bool = False) -> None:
        """Share a mesh's card, or a service network, inside of the organization, where nobody is asked."""
        share = self.shares[self._share(owner, name, True)]
        share |= {"here": True, "external": False}
        if network:
            share["resource"] |= {"arn": network_arn(owner, name), "type": "vpc-lattice:ServiceNetwork"}

    def end(self) -> None:
        """End all shares."""
        self.shares.clear()

    def _share(self, owner: str, mesh: str, card: bool) -> str:
        arn = f"arn:aws:ram:us-east-1:{owner}:resource-share/{mesh}"
        if card:
            resource = {"arn": card_arn(owner, mesh), "type": "ssm:Parameter"}
        else:
            resource = {"arn": f"arn:aws:appmesh:us-east-1:{owner}:mesh/{mesh}", "type": "appmesh:Mesh"}
        self.shares[arn] = {"resource": {**resource, "resourceShareArn": arn}, "here": False, "external": True}
        return arn

    def list_resources(self, **_: Any) -> Document:
        return {"resources": [dict(each["resource"]) for each in self.shares.values() if each["here"]]}

    def list_principals(self, **_: Any) -> Document:
        here = [(arn, each) for arn, each in self.shares.items() if each["here"]]
        return {"principals": [{"resourceShareArn": arn, "external": each["external"]} for arn, each in here]}

    def get_resource_share_invitations(self, **_: Any) -> Document:
        return {"resourceShareInvitations": [dict(each) for each in self.invitations.values()]}

    def list_pending_invitation_resources(self, resourceShareInvitationArn: str, **_: Any) -> Document:
        share = self.invitations[resourceShareInvitationArn]["resourceShareArn"]
        return {"resources": [dict(self.shares[share]["resource"])]}

    def accept_resource_share_invitation(self, resourceShareInvitationArn: str, **_: Any) -> Document:
        invitation = self.invitations[resourceShareInvitationArn]
        if invitation["status"] != "PENDING":
            raise refusal("ResourceShareInvitationAlreadyAcceptedException", "AcceptResourceShareInvitation")
        invitation["status"], self.shares[invitation["resourceShareArn"]]["here"] = "ACCEPTED", True
        return {"resourceShareInvitation": dict(invitation)}


def card_arn(owner: str, mesh: str) -> str:
    return f"arn:aws:ssm:us-east-1:{owner}:parameter/meshift/meshes/{mesh}"


def network_arn(owner: str, name: str) -> str:
    return f"arn:aws:vpc-lattice:us-east-1:{owner}:servicenetwork/{name}"


class Lattice:
    """VPC Lattice: which VPCs are associated with which service networks."""

    def __init__(self) -> None:
        self.associated: dict[str, list[str]] = {}

    def list_service_network_vpc_associations(self, vpcIdentifier: str, **_: Any) -> Document:
        return {"items": [self._association(each) for each in self.associated.get(vpcIdentifier, [])]}

    def create_service_network_vpc_association(
        self, serviceNetworkIdentifier: str, vpcIdentifier: str, **_: Any
    ) -> Document:
        networks = self.associated.setdefault(vpcIdentifier, [])
        if serviceNetworkIdentifier not in networks:
            networks.append(serviceNetworkIdentifier)
        return self._association(serviceNetworkIdentifier)

    def _association(self, network: str) -> Document:
        return {"id": f"snva-{network[-8:]}", "status": "ACTIVE", "serviceNetworkArn": network}


class Organization:
    """AWS Organizations as a member account sees it: its own organization, and no other account."""

    def describe_organization(self) -> Document:
        return {"Organization": {"Id": ORGANIZATION}}

    def describe_account(self, **_: Any) -> Document:
        raise refusal("AccessDeniedException", "DescribeAccount")
