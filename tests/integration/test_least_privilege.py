"""What the flows ask of AWS, function by function, is what its role allows: no call is missing, none is too many.

Recorded in process, so conditions (a URL's authentication, a bus's source) are not proven here, nor what Lambda, X-Ray
and SQS do for a function.
"""

from collections import defaultdict
from fnmatch import fnmatchcase

import pytest

from tests.cloud.cloud import batch, in_force
from tests.cloud.stack import stack_of
from tests.cloud.tutorial import deploy, empty
from tests.faults.flows import CANDIDATE, FLOWS, operate
from tests.hosted_mesh import OWNER, REGION

PREFIXES = {"sfn": "states", "eventbridge": "events", "application-auto-scaling": "application-autoscaling"}
PLATFORM = ("logs:", "xray:", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What Lambda itself does in a function's name."""
URL = {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
BESIDE = "authorised with RegisterTaskDefinition, nobody calls it"
METRICS = "policies with metrics or hooks: tests/integration/test_checks.py"
LATE = "when receive_deployment's event came late: tests/integration/test_rollout.py"
CARDS = "meshes of other accounts: tests/e2e"
UNSEEN = {
    "AcceptSharesFunction": {"ram:ListPrincipals": CARDS, "sns:Publish": CARDS, "ssm:GetParameter": CARDS},
    "CheckHealthFunction": {"cloudwatch:GetMetricData": METRICS},
    "FinishRolloutFunction": {"dynamodb:GetItem": CARDS},
    "InjectEnvoyFunction": {"ecs:TagResource": BESIDE, "iam:PassRole": BESIDE, "states:SendTaskSuccess": LATE},
    "JoinMeshFunction": {
        "cloudwatch:GetMetricData": METRICS,
        "lambda:GetFunctionConfiguration": METRICS,
        "servicediscovery:GetNamespace": "services with a registry: tests/integration/test_join_mesh.py",
        "servicediscovery:GetService": "services with a registry: tests/integration/test_join_mesh.py",
    },
    "OperateFunction": {"ram:AcceptResourceShareInvitation": CARDS, "ram:GetResourceShareInvitations": CARDS},
    "PauseRolloutFunction": {"states:SendTaskSuccess": "a signal before its token: tests/integration/test_rollout.py"},
    "ReceiveDeploymentFunction": {
        "dynamodb:DeleteItem": "services that leave: tests/integration/test_removal.py",
    },
    "PlanRolloutFunction": {
        "cloudwatch:GetMetricData": METRICS,
        "lambda:GetFunctionConfiguration": METRICS,
        "states:SendTaskSuccess": LATE,
    },
}
"""What is allowed and not asked for by the flows, and what asks for it."""
GATEWAY = "execute-api:Invoke"
"""An API Gateway in front of the mesh's API, which local AWS has not."""


def actions_of(asked, hosted):
    """The actions that a call needs."""
    if asked.service == "app-mesh":
        return set(URL) if hosted else {f"appmesh:{asked.operation}"}
    return {f"{PREFIXES.get(asked.service, asked.service)}:{asked.operation}"}


def resource_of(asked):
    """The ARN that a call is about, where it is plain to see."""
    known, parameters = f":{REGION}:{OWNER}:", asked.parameters
    if asked.service == "dynamodb":
        return f"arn:aws:dynamodb{known}table/{parameters['TableName']}"
    if asked.service == "ssm":
        return f"arn:aws:ssm{known}parameter{parameters['Name']}"
    if asked.operation in ("DescribeExecution", "GetExecutionHistory"):
        return parameters["executionArn"]
    return parameters.get("TopicArn") or parameters.get("stateMachineArn")


@pytest.fixture(scope="module")
def recorded():
    """All calls of all flows, and of some that fail or are asked for by people; by control plane."""
    found = {True: [], False: []}
    for plane in ("hosted", "appmesh"):
        with in_force(empty(ControlPlane=plane)) as cloud:
            deploy(cloud, "serviceB")
            cloud.run()
        found[cloud.hosted] += [each for each in cloud.asked if each.function]
    for flow in FLOWS:
        cloud = flow.fresh()
        with in_force(cloud):
            flow.act(cloud)
            cloud.run()
            service = next((arn for arn in cloud.ecs.services if arn.endswith(CANDIDATE)), "")
            for signal, more in (
                ("retry", {}),
                ("abort", {}),
                ("start", {"service": service, "cluster": "apps"}),
                ("hand-over", {"virtualNode": CANDIDATE, "service": service, "cluster": "apps"}),
                ("hand-over", {"cluster": "apps"}),
            ):
                operate(cloud, signal, **more)
            cloud.run()
            cloud.wait(4000)
            cloud.invoke("ReceiveDeploymentFunction", batch("DeploymentsQueue", "no event"))
        found[cloud.hosted] += [each for each in cloud.asked if each.function]
    return found


def role_of(cloud_or_stack, function):
    return cloud_or_stack.template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]


@pytest.mark.parametrize("hosted", [True, False])
def test_every_call_of_every_flow_is_allowed_by_its_functions_role(recorded, hosted):
    stack = stack_of(ControlPlane="hosted" if hosted else "appmesh", TrustedAccounts="222222222222")
    refused = set()
    for asked in recorded[hosted]:
        statements = stack.statements(role_of(stack, asked.function))
        for action in actions_of(asked, hosted):
            if not any(covers(each, action, resource_of(asked)) for each in statements):
                refused.add((asked.function, action, resource_of(asked)))
    assert not refused


def covers(statement, action, resource):
    return any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"])) and (
        resource is None or any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
    )


def listed(value):
    return value if isinstance(value, list) else [value]


def test_every_action_that_a_role_allows_is_needed_by_a_flow_or_told_why_not(recorded):
    used, allowed = defaultdict(set), defaultdict(set)
    for hosted, calls in recorded.items():
        stack = stack_of(ControlPlane="hosted" if hosted else "appmesh", TrustedAccounts="222222222222")
        for asked in calls:
            used[asked.function] |= actions_of(asked, hosted)
        for function in {each.function for each in calls}:
            for statement in stack.statements(role_of(stack, function)):
                allowed[function] |= set(listed(statement["Action"]))
    idle = {
        function: {each for each in actions - used[function] if not each.startswith(PLATFORM) and each != GATEWAY}
        for function, actions in allowed.items()
    }
    assert {function: actions for function, actions in idle.items() if actions} == {
        function: set(actions) for function, actions in UNSEEN.items()
    }
