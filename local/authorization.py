"""What AWS checks a call for: the actions, on which resources, with which condition keys.

As the Service Authorization Reference has it (https://docs.aws.amazon.com/service-authorization/latest/reference/),
for the calls that Meshift makes. Arguments have boto3's names.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Document = dict[str, Any]
ANY = "*"
"""The resource of an action that knows none."""


NOTHING: Mapping[str, str] = MappingProxyType({})


class Check(NamedTuple):
    """One thing that a caller must be allowed: an action on a resource, and what conditions can ask about it."""

    action: str
    resource: str = ANY
    conditions: Mapping[str, str] = NOTHING


class Place(NamedTuple):
    """Where a call goes."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """Name a resource of a service here."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def role(self, name: str, path: str = "/") -> str:
        """Name a role of the account."""
        return f"arn:aws:iam::{self.account}:role{path}{name}"


def checks(action: str, asked: Document, place: Place) -> list[Check] | None:
    """List what a caller needs for a call, its own action first; None for calls that Meshift does not make."""
    service, _, operation = action.partition(":")
    rules = _RULES.get(service)
    return rules(action, operation, asked, place) if rules else None


def function_url(function_arn: str) -> list[Check]:
    """List what a caller of a function's URL needs.

    Two rights since October 2025: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    """
    return [
        Check("lambda:InvokeFunctionUrl", function_arn, {"lambda:FunctionUrlAuthType": "AWS_IAM"}),
        Check("lambda:InvokeFunction", function_arn, {"lambda:InvokedViaFunctionUrl": "true"}),
    ]


def _ecs(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    cluster = asked.get("cluster", "default").rpartition("/")[2]

    def named(kind: str, names: list[str], parent: str = "") -> list[Check]:
        arns = [name if name.startswith("arn:") else place.arn("ecs", f"{kind}/{parent}{name}") for name in names]
        return [Check(action, arn) for arn in arns] or [Check(action)]

    if operation in ("DescribeServices", "UpdateService"):
        return named("service", asked.get("services") or [asked["service"]], f"{cluster}/")
    if operation == "DescribeTasks":
        return named("task", asked["tasks"], f"{cluster}/")
    if operation == "DescribeClusters":
        return named("cluster", asked.get("clusters", []))
    if operation != "RegisterTaskDefinition":
        return [Check(action)]
    definition = place.arn("ecs", f"task-definition/{asked['family']}:*")
    needed = [Check(action, definition)]
    if asked.get("tags"):
        needed.append(Check("ecs:TagResource", definition, {"ecs:CreateAction": operation}))
    for role in filter(None, (asked.get("taskRoleArn"), asked.get("executionRoleArn"))):
        arn = role if role.startswith("arn:") else place.role(role)
        needed.append(Check("iam:PassRole", arn, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}))
    return needed


def _events(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    buses = {}
    for entry in asked.get("Entries", ()):
        bus = entry.get("EventBusName", "default")
        arn = bus if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}")
        buses.setdefault((arn, entry["Source"]), Check(action, arn, {"events:source": entry["Source"]}))
    return list(buses.values()) or [Check(action)]


def _iam(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """A role's path is not in the call: RoleArn, where it is known, says it."""
    role = asked.get("PolicySourceArn") or asked.get("RoleArn") or place.role(asked["RoleName"])
    policy = asked.get("PolicyArn")
    return [Check(action, role, {"iam:PolicyARN": policy} if policy else NOTHING)]


def _appmesh(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """A route is also checked against the nodes that it names, a virtual service against what provides it."""
    mesh = f"arn:aws:appmesh:{place.region}:{asked.get('meshOwner') or place.account}:mesh/{asked['meshName']}"
    router = f"{mesh}/virtualRouter/{asked.get('virtualRouterName')}"
    own = {
        "Mesh": mesh,
        "VirtualNode": f"{mesh}/virtualNode/{asked.get('virtualNodeName')}",
        "VirtualService": f"{mesh}/virtualService/{asked.get('virtualServiceName')}",
        "VirtualRouter": router,
        "Route": f"{router}/route/{asked.get('routeName')}",
        "Routes": router,
    }
    verb = next(each for each in ("Describe", "Create", "Update", "List") if operation.startswith(each))
    more = list(_named(asked.get("spec", {}))) if operation.endswith(("Route", "VirtualService")) else []
    return [
        Check(action, arn) for arn in (own.get(operation.removeprefix(verb), mesh), *(mesh + each for each in more))
    ]


def _named(spec: Any) -> Iterator[str]:
    """What a route or a virtual service leads to."""
    if isinstance(spec, dict):
        yield from (
            f"/virtualNode/{name}"
            for name in (spec.get("virtualNode"), spec.get("virtualNodeName"))
            if isinstance(name, str)
        )
        yield from (f"/virtualRouter/{name}" for name in (spec.get("virtualRouterName"),) if name)
    for each in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        yield from _named(each)


def _dynamodb(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    return [Check(action, place.arn("dynamodb", f"table/{asked['TableName']}"))]


def _ssm(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    name = asked["Name"]
    return [Check(action, name if name.startswith("arn:") else place.arn("ssm", f"parameter/{name.lstrip('/')}"))]


def _states(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """SendTaskSuccess: the reference knows no resource, AWS names the state machine that gave the token."""
    return [Check(action, asked.get("stateMachineArn") or asked.get("executionArn") or ANY)]


def _servicediscovery(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    if operation in ("GetService", "GetNamespace"):
        return [Check(action, place.arn("servicediscovery", f"{operation[3:].lower()}/{asked['Id']}"))]
    return [Check(action)]


def _ram(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """ShareName, where it is known, is the name of the share that is changed."""
    arn = asked.get("resourceShareInvitationArn") or asked.get("resourceShareArn")
    if operation == "CreateResourceShare" and asked.get("resourceArns"):
        kinds = {each.split(":")[2] + ":" + each.split(":")[5].partition("/")[0] for each in asked["resourceArns"]}
        return [Check(action, ANY, {"ram:RequestedResourceType": _RAM_TYPES.get(kind, kind)}) for kind in kinds]
    return [Check(action, arn or ANY, {"ram:ResourceShareName": asked.get("ShareName", "")})]


def _organizations(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """OrganizationArn, where it is known, is that of the caller's organization: its accounts' and units' begin so."""
    whole, named = asked.get("OrganizationArn", ""), asked.get("AccountId") or asked.get("ParentId")
    kind = "account" if operation == "DescribeAccount" else "ou"
    return [Check(action, f"{whole.replace(':organization/', f':{kind}/')}/{named}" if whole and named else ANY)]


def _sns(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    return [Check(action, asked["TopicArn"])]


def _sqs(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    account, name = asked["QueueUrl"].rstrip("/").split("/")[-2:]
    return [Check(action, f"arn:aws:sqs:{place.region}:{account}:{name}")]


def _lambda(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    name = asked["FunctionName"]
    action = "lambda:InvokeFunction" if operation == "Invoke" else action
    return [Check(action, name if name.startswith("arn:") else place.arn("lambda", f"function:{name}"))]


def _lattice(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """An association is also checked as one that is made, and VPC Lattice looks at the VPC in the caller's name."""
    conditions = {"vpc-lattice:VpcId": asked["vpcIdentifier"]}
    if operation != "CreateServiceNetworkVpcAssociation":
        return [Check(action, ANY, conditions)]
    made = place.arn("vpc-lattice", "servicenetworkvpcassociation/any")
    network = Check(action, asked["serviceNetworkIdentifier"], conditions)
    return [network, network._replace(resource=made), Check("ec2:DescribeVpcs")]


def _scaling(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    """A target's ARN ends with an id that AWS chooses."""
    known = operation == "RegisterScalableTarget"
    return [Check(action, place.arn("application-autoscaling", "scalable-target/any") if known else ANY)]


def _nothing(action: str, operation: str, asked: Document, place: Place) -> list[Check]:
    return [Check(action)]


_RAM_TYPES = {"ssm:parameter": "ssm:Parameter", "appmesh:mesh": "appmesh:Mesh"}
_RULES = {
    "appmesh": _appmesh,
    "application-autoscaling": _scaling,
    "cloudwatch": _nothing,
    "dynamodb": _dynamodb,
    "ecs": _ecs,
    "events": _events,
    "iam": _iam,
    "lambda": _lambda,
    "organizations": _organizations,
    "ram": _ram,
    "servicediscovery": _servicediscovery,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
    "states": _states,
    "vpc-lattice": _lattice,
}
