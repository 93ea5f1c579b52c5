"""What the flows ask of AWS, function by function, is what its role allows: no call is missing, no statement too many.

A call is judged as AWS does it: by all that it needs, on which resources, with which condition keys
(local/authorization.py), against the statements of the function's role, by the evaluator of local AWS. The same is
enforced there, while the e2e tests run.
"""

import json
from collections import defaultdict

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from local.authorization import Place, checks, function_url
from tests.cloud.cloud import batch, in_force
from tests.cloud.others import ORGANIZATION
from tests.cloud.stack import stack_of
from tests.cloud.tutorial import begun, deploy, empty
from tests.faults.flows import CANDIDATE, FLOWS, SHORT, operate
from tests.hosted_mesh import OWNER, REGION

PREFIXES = {"sfn": "states", "eventbridge": "events", "application-auto-scaling": "application-autoscaling"}
PLATFORM = ("logs:", "xray:", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What Lambda itself does in a function's name."""
LATE = "when receive_deployment's event came late: tests/integration/test_rollout.py"
WAVES = "its tasks: tests/e2e/test_fleet.py"
DISTRIBUTED = "what AWS asks of a Distributed Map, which local AWS runs inline: not proven"
UNSEEN = {
    "AcceptSharesFunction": {"iam:CreateServiceLinkedRole": "with the first association of an account: not proven"},
    "BringInFunction": {"dynamodb:UpdateItem": "an attempt that has ended before: tests/integration/test_fleet.py"},
    "FleetStateMachine": {
        "lambda:InvokeFunction": WAVES,
        "states:DescribeExecution": DISTRIBUTED,
        "states:StartExecution": DISTRIBUTED,
        "states:StopExecution": DISTRIBUTED,
    },
    "InjectEnvoyFunction": {"states:SendTaskSuccess": LATE},
    "PauseRolloutFunction": {"states:SendTaskSuccess": "a signal before its token: tests/integration/test_rollout.py"},
    "PlanRolloutFunction": {"states:SendTaskSuccess": LATE},
}
"""What is allowed and not asked for by the flows, and what asks for it."""
HERE = Place(OWNER, REGION)


@pytest.fixture(scope="module")
def recorded():
    """All calls of all flows, and of some that fail or are asked for by people; by the stack that makes them."""
    found = defaultdict(list)
    for plane in ("hosted", "appmesh"):
        with in_force(empty(ControlPlane=plane)) as cloud:
            deploy(cloud, "serviceB")
            cloud.run()
        found[cloud.stack] += [each for each in cloud.asked if each.function]
    with in_force(begun({**SHORT, "cleanUp": "scale-to-zero"}, ControlPlane="appmesh")) as cloud:
        deploy(cloud, CANDIDATE, "app:2")
        cloud.run()
    found[cloud.stack] += [each for each in cloud.asked if each.function]
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
        found[cloud.stack] += [each for each in cloud.asked if each.function]
    return found


@pytest.fixture(scope="module")
def judged(recorded):
    """By stack, function and check: the statements of the function's role that allow it."""
    found = {}
    for here, calls in recorded.items():
        asked = {(each.function, check) for each in calls for check in needed(here, each)}
        statements = {name: statements_of(here, name) for name in {function for function, _ in asked}}
        for function, check in asked:
            found[here, function, check] = [each for each in statements[function] if allows(each, check)]
    return found


def needed(here, asked):
    """What a call needs."""
    if asked.service == "app-mesh" and here.holds("IsHosted"):
        found = function_url(mesh_api_of(asked.parameters.get("meshOwner", OWNER), here))
    else:
        service = "appmesh" if asked.service == "app-mesh" else PREFIXES.get(asked.service, asked.service)
        parameters = asked.parameters
        if asked.operation == "SendTaskSuccess":
            parameters = {**parameters, "stateMachineArn": here.physical("RolloutStateMachine")}
        if service == "organizations":
            whole = f"arn:aws:organizations::999999999999:organization/{ORGANIZATION}"
            parameters = {**parameters, "OrganizationArn": whole}
        found = checks(f"{service}:{asked.operation}", parameters, HERE)
    return [told(each) for each in found]


def mesh_api_of(account, here):
    """The function that hosts an account's meshes."""
    others = f"arn:aws:lambda:{REGION}:{account}:function:meshift-MeshApiFunction-0A1B2C"
    return here.physical("MeshApiFunction", "Arn") if account == OWNER else others


def statements_of(here, function):
    """The statements of a function's role, as texts."""
    role = here.template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
    return [json.dumps(each, sort_keys=True) for each in here.statements(role)]


def beside(here):
    """The statements for meshes of other accounts, which are proven where there are two: tests/e2e/test_shares.py."""
    policy = here.of_type("AWS::IAM::Policy").get("SharedMeshesPolicy")
    found = here.resolved(policy["Properties"]["PolicyDocument"])["Statement"] if policy else []
    return {json.dumps(each, sort_keys=True) for each in found}


def allows(statement, check):
    context = EvalContext(
        principal_arn=f"arn:aws:sts::{OWNER}:assumed-role/role/function",
        principal_type="AssumedRole",
        principal_account=OWNER,
        action=check.action,
        resource_arn=check.resource,
        region=REGION,
        service_context={key.lower(): value for key, value in json.loads(check.conditions).items()},
    )
    document = {"Version": "2012-10-17", "Statement": [json.loads(statement)]}
    return evaluate(context, [parse_policy_document(document)]).decision == "Allow"


def listed(value):
    return value if isinstance(value, list) else [value]


def test_every_call_of_every_flow_is_allowed_by_its_functions_role(judged):
    assert [asked for asked, allowing in judged.items() if not allowing] == []


def test_without_a_statement_of_its_role_a_flow_is_denied_something_or_it_is_told_why_not(judged):
    """For each action of a statement something is asked for that no other statement allows."""
    alone = {
        (function, check.action, *allowed) for (_, function, check), allowed in judged.items() if len(allowed) == 1
    }
    idle = defaultdict(set)
    for here, function in {(here, function) for here, function, _ in judged}:
        for statement in set(statements_of(here, function)) - beside(here):
            for action in listed(json.loads(statement)["Action"]):
                if (function, action, statement) not in alone and not action.startswith(PLATFORM):
                    idle[function].add(action)
    assert idle == {function: set(actions) for function, actions in UNSEEN.items()}


def test_each_resource_that_a_statement_names_is_asked_for(judged):
    asked = defaultdict(set)
    for (_, function, check), allowed in judged.items():
        for statement in allowed:
            asked[function, statement].add(check)
    for (function, statement), some in asked.items():
        for pattern in listed(json.loads(statement)["Resource"]):
            narrow = json.dumps({**json.loads(statement), "Resource": pattern})
            assert any(allows(narrow, check) for check in some), (function, statement, pattern)


@pytest.mark.parametrize(
    ("taken", "denied"),
    [
        ('"iam:PassRole"', "iam:PassRole"),
        ('"events:source"', "events:PutEvents"),
        ('"lambda:InvokedViaFunctionUrl"', "lambda:InvokeFunction"),
    ],
)
def test_a_statement_that_is_taken_away_is_missed(judged, taken, denied):
    missed = {
        check.action for (_, _, check), allowed in judged.items() if not [each for each in allowed if taken not in each]
    }
    assert missed == {denied}


@pytest.mark.parametrize(
    ("policy", "account", "function"),
    [
        ("attach-scoped", OWNER, "DiscoverFunction"),
        ("attach-managed", "222222222222", "meshift-DiscoverFunction-0A1B2C"),
    ],
)
def test_an_envoy_may_poll_by_the_url_and_call_nothing_directly(policy, account, function):
    here = stack_of(TaskRolePolicy=policy, TaskRolePath="/tasks/")
    (document,) = (each["Properties"]["PolicyDocument"] for each in here.of_type("AWS::IAM::ManagedPolicy").values())
    statements = [json.dumps(each) for each in here.resolved(document)["Statement"]]
    polls = function_url(f"arn:aws:lambda:{REGION}:{account}:function:{function}")
    assert [sum(allows(each, told(poll)) for each in statements) for poll in polls] == [1, 1]
    directly = [each._replace(conditions={}) for each in polls]
    assert not any(allows(each, told(call)) for each in statements for call in directly)


def told(check):
    """A check with its conditions as a text, to be told apart."""
    return check._replace(conditions=json.dumps(dict(check.conditions)))
