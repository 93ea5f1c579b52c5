"""Promises of the template that no emulator keeps: they are read off the template itself."""

import importlib
import inspect
import json
import re

import pytest

from domain.deployment import COMPLETED, FAILED, IN_PROGRESS
from domain.sharing import INVITATION_LIVES
from domain.task_role import role_checks
from tests.cloud.stack import stack_of
from tests.task_definitions import sidecar
from tests.template import resources, state_machine, statements, template

FUNCTIONS = resources("AWS::Serverless::Function")
ROLES = resources("AWS::IAM::Role")
QUEUES = resources("AWS::SQS::Queue")

# Actions for which AWS knows no resources (service authorization reference); DescribeAlarms shows composite alarms only
# to those who may see all.
UNSCOPED = {
    "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
    "ecs:DescribeTaskDefinition", "ecs:ListTasks", "ecs:ListClusters", "ecs:ListServices", "cloudwatch:DescribeAlarms",
    "application-autoscaling:DescribeScalableTargets", "cloudwatch:GetMetricData", "ram:GetResourceShareInvitations",
    "ram:ListResources", "ram:ListPrincipals", "ram:GetResourceShares", "ram:GetResourceShareAssociations",
    "ram:CreateResourceShare", "organizations:DescribeOrganization", "ec2:DescribeVpcs",
    "vpc-lattice:ListServiceNetworkVpcAssociations",
    "servicediscovery:DiscoverInstances",
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}  # fmt: skip


def actions(statement):
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_file_handler_log_group_and_logical_id_share_one_verb(name):
    properties = FUNCTIONS[name]["Properties"]
    package, module, function = properties["Handler"].split(".")
    assert callable(getattr(importlib.import_module(f"{package}.{module}"), function))
    assert name == "".join(word.title() for word in module.split("_")) + "Function"
    group = template()["Resources"][properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
    assert group["LogGroupName"]["Fn::Sub"].endswith(f"/{module}")


def test_every_function_has_a_role_of_its_own():
    roles = [each["Properties"]["Role"]["Fn::GetAtt"][0] for each in FUNCTIONS.values()]
    assert len(set(roles)) == len(FUNCTIONS)


@pytest.mark.parametrize("name", ROLES)
def test_a_star_stands_only_where_aws_knows_no_resources(name):
    for statement in statements(ROLES[name]):
        assert not any("*" in action for action in actions(statement))
        if statement["Resource"] == "*":
            assert set(actions(statement)) <= UNSCOPED


@pytest.mark.parametrize("name", ROLES)
def test_passing_a_role_is_for_ecs_tasks_only(name):
    for statement in statements(ROLES[name]):
        if "iam:PassRole" in actions(statement):
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_meshift_can_raise_nobodys_rights():
    """It attaches one policy of its own stack, under the operator's path, and changes nothing else in IAM."""
    granted = [s for role in ROLES.values() for s in statements(role) if any("iam:" in a for a in actions(s))]
    by_action = {action: s for s in granted for action in actions(s) if action.startswith("iam:")}
    assert set(by_action) == {"iam:PassRole", "iam:SimulatePrincipalPolicy", "iam:AttachRolePolicy"}
    attach = by_action["iam:AttachRolePolicy"]
    assert attach["Resource"]["Fn::Sub"].endswith(":role${TaskRolePath}*")
    policies = {"Fn::If": ["AttachesScoped", {"Ref": "ScopedEnvoyPolicy"}, {"Ref": "ManagedEnvoyPolicy"}]}
    assert attach["Condition"] == {"ArnEquals": {"iam:PolicyARN": policies}}
    assert set(resources("AWS::IAM::ManagedPolicy")) == {"ScopedEnvoyPolicy", "ManagedEnvoyPolicy"}
    attaches = template()["Conditions"]["AttachesPolicy"]["Fn::Or"]
    for each in attaches:
        either = template()["Conditions"][each["Condition"]]["Fn::And"]
        assert {"Condition": "HasTaskRolePath"} in either, "without a path nothing is attached"


def test_the_policies_for_envoys_let_nobody_invoke_a_function_but_by_its_url():
    for policy in resources("AWS::IAM::ManagedPolicy").values():
        found = [s for s in envoy_statements(policy) if "lambda" in actions(s)[0]]
        assert {action for s in found for action in actions(s)} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
        for statement in found:
            by_url = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
            via_url = {"Bool": {"lambda:InvokedViaFunctionUrl": True}}
            assert statement["Condition"] == (via_url if actions(statement) == ["lambda:InvokeFunction"] else by_url)


def test_the_policies_for_envoys_hold_what_is_verified():
    """What is named as missing is what the policies give: the same actions."""
    verified = {
        action
        for bootstrap in (None, "{}")
        for check in role_checks(
            {"taskDefinitionArn": "arn:aws:ecs:us-east-1:111122223333:task-definition/a:1"},
            sidecar(bootstrap=bootstrap, metrics=True, tracing=True),
            "arn:aws:lambda:us-east-1:111122223333:function:discover",
        )
        for statement in check.needed
        for action in statement.actions
    }
    for policy in resources("AWS::IAM::ManagedPolicy").values():
        assert {action for s in envoy_statements(policy) for action in actions(s)} == verified


def envoy_statements(policy):
    return statements({"Properties": {"Policies": [policy["Properties"]]}})


@pytest.mark.parametrize("name", resources("AWS::Logs::LogGroup"))
def test_logs_are_kept_as_long_as_the_operator_says(name):
    assert template()["Resources"][name]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("name", [name for name in QUEUES if not name.endswith("DeadLetters")])
def test_every_queue_redrives_to_dead_letters_that_raise_an_alarm(name):
    dead = name.removesuffix("Queue") + "DeadLetters"
    assert QUEUES[name]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [dead, "Arn"]}
    alarm = template()["Resources"][f"{dead}Alarm"]["Properties"]
    assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": [dead, "QueueName"]}
    assert alarm["AlarmActions"] == [{"Ref": "NotificationTopic"}]


@pytest.mark.parametrize("name", resources("AWS::Events::Rule"))
def test_every_rule_delivers_to_a_queue_and_keeps_what_it_cannot_deliver(name):
    (target,) = template()["Resources"][name]["Properties"]["Targets"]
    queue = target["Arn"]["Fn::GetAtt"][0]
    assert queue in QUEUES
    assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] in QUEUES
    policy = template()["Resources"][queue.removesuffix("Queue") + "QueuesPolicy"]["Properties"]
    sources = policy["PolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert {"Fn::GetAtt": [name, "Arn"]} in sources


@pytest.mark.parametrize("name", [name for name, each in FUNCTIONS.items() if each["Properties"].get("Events")])
def test_functions_that_read_a_queue_answer_in_part_and_leave_time_to_retry(name):
    timeout = template()["Globals"]["Function"]["Timeout"]
    for event in FUNCTIONS[name]["Properties"]["Events"].values():
        assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        queue = QUEUES[event["Properties"]["Queue"]["Fn::GetAtt"][0]]["Properties"]
        assert queue["VisibilityTimeout"] >= 6 * timeout


def test_the_table_is_kept_and_can_be_restored():
    table = template()["Resources"]["RolloutTable"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


def names_in(value):
    """All that is referred to in a part of the template."""
    text = json.dumps(value)
    return set(re.findall(r'"Ref": "(\w+)"', text)) | set(re.findall(r"\$\{(\w+)\}", text))


PINNED = "InjectEnvoy", "PlanRollout", "ShiftTraffic", "CheckHealth", "PauseRollout", "CleanUp", "FinishRollout"


def test_a_running_execution_keeps_the_version_it_started_with():
    machine = template()["Resources"]["RolloutStateMachine"]["Properties"]
    pinned = {ref["Ref"].split(".")[0] for ref in machine["DefinitionSubstitutions"].values() if "Ref" in ref}
    assert pinned == {f"{name}Function" for name in PINNED}
    for name in pinned:
        assert FUNCTIONS[name]["Properties"]["AutoPublishAlias"]
        assert FUNCTIONS[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "AutoPublishAlias" in FUNCTIONS[name]["Properties"]])
def test_a_changed_parameter_makes_a_new_version(name):
    """SAM makes one when the code changes, not when a parameter does: the version's description must."""
    properties = FUNCTIONS[name]["Properties"]
    used = names_in(properties.get("Environment", {})) & set(template()["Parameters"])
    assert used | {"PythonRuntime"} <= names_in(properties["VersionDescription"])


def test_functions_that_events_invoke_are_not_held_on_an_old_version():
    for function in FUNCTIONS.values():
        if function["Properties"].get("Events"):
            assert "AutoPublishAlias" not in function["Properties"]


def test_the_state_machine_may_invoke_what_it_names_and_nothing_else():
    machine = template()["Resources"]["RolloutStateMachine"]["Properties"]
    named = machine["DefinitionSubstitutions"].values()
    versions = {f"${{{each['Ref'].removesuffix('.Version')}.Arn}}:*" for each in named if "Ref" in each}
    latest = {each["Fn::GetAtt"][0] for each in named if "Fn::GetAtt" in each}
    (invoke,) = [s for s in statements(ROLES["RolloutStateMachineRole"]) if actions(s) == ["lambda:InvokeFunction"]]
    assert {each["Fn::Sub"] for each in invoke["Resource"] if "Fn::Sub" in each} == versions
    assert {each["Fn::GetAtt"][0] for each in invoke["Resource"] if "Fn::GetAtt" in each} == latest


def test_the_state_machine_ends_before_its_longest_policy_could_be_cut_off():
    from domain.policy import _LONGEST_SECONDS

    assert state_machine()["TimeoutSeconds"] > _LONGEST_SECONDS


def test_nobody_may_invoke_the_mesh_api_but_through_its_url():
    """Whoever invokes it directly could write the request context, and with it the caller, by himself.

    AWS takes the condition with lambda:InvokeFunction only; the other action needs no such care, it is the URL's own.
    """
    granted = [s for role in ROLES.values() for s in statements(role)]
    granted = [s for s in granted if s["Resource"] == {"Fn::GetAtt": ["MeshApiFunction", "Arn"]}]
    assert {action for s in granted for action in actions(s)} == {"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"}
    for statement in granted:
        if actions(statement) == ["lambda:InvokeFunction"]:
            assert statement["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": True}}
        else:
            assert statement["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    assert not resources("AWS::Lambda::Permission"), "other accounts are let in by their owner, see the README"
    invoking = [s for role in ROLES.values() for s in statements(role) if "Invoke" in json.dumps(s["Action"])]
    names = [json.dumps(s["Resource"]) for s in invoking]
    assert len([name for name in names if "MeshApiFunction" in name]) == len(granted), "in one form, which is checked"


def test_discovery_only_reads_the_mesh_table():
    (granted,) = [s for s in statements(ROLES["DiscoverRole"]) if s["Resource"] == {"Fn::GetAtt": ["MeshTable", "Arn"]}]
    assert set(actions(granted)) == {"dynamodb:GetItem", "dynamodb:Query"}
    assert FUNCTIONS["DiscoverFunction"]["Properties"]["FunctionUrlConfig"]["AuthType"] == "AWS_IAM"


def test_discovery_reserves_concurrency_only_when_it_is_told_to():
    """A new account has none to spare, and a deployment that reserves some fails there."""
    reserved = FUNCTIONS["DiscoverFunction"]["Properties"]["ReservedConcurrentExecutions"]
    assert reserved["Fn::If"] == ["ReservesDiscovery", {"Ref": "DiscoveryConcurrency"}, {"Ref": "AWS::NoValue"}]
    assert template()["Parameters"]["DiscoveryConcurrency"]["Default"] == 0


def test_a_poll_costs_no_trace_and_no_line_of_the_platform():
    properties = FUNCTIONS["DiscoverFunction"]["Properties"]
    assert properties["Tracing"] == "PassThrough"
    assert properties["LoggingConfig"]["SystemLogLevel"] == "WARN"


def test_the_mesh_is_kept_with_its_table_when_the_stack_goes():
    for name in ("MeshTable", "OwnMesh"):
        resource = template()["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_every_environment_variable_is_read_by_the_settings():
    import inspect

    import settings

    source = inspect.getsource(settings)
    given = set(template()["Globals"]["Function"]["Environment"]["Variables"])
    for function in FUNCTIONS.values():
        given |= set(function["Properties"].get("Environment", {}).get("Variables", {}))
    for name in given - {"POWERTOOLS_LOG_LEVEL"}:
        assert f'"{name}"' in source, f"nobody reads {name}"


def test_the_default_policy_of_the_stack_is_a_policy():
    from domain.policy import parse_policy

    policy = parse_policy(template()["Resources"]["DefaultPolicy"]["Properties"]["Value"])
    assert [step.weight for step in policy.steps] == [10, 50, 100]


def test_every_deployment_event_that_means_something_reaches_the_function():
    pattern = template()["Resources"]["DeploymentRule"]["Properties"]["EventPattern"]
    assert set(pattern["detail"]["eventName"]) == {IN_PROGRESS, COMPLETED, FAILED}


def source(module):
    return inspect.getsource(importlib.import_module(module))


def with_imports(module):
    """A handler's source, with that of the handlers' modules that it imports."""
    imported = re.findall(r"^from (handlers\.\w+) import", source(module), re.MULTILINE)
    return source(module) + "".join(map(with_imports, imported))


def speakers(read):
    """The roles of the functions in whose source a mesh is spoken to."""
    handlers = {
        each["Properties"]["Role"]["Fn::GetAtt"][0]: each["Properties"]["Handler"] for each in FUNCTIONS.values()
    }
    return {role for role, handler in handlers.items() if "Mesh.of(" in read(handler.rpartition(".")[0])}


def test_who_speaks_to_meshes_may_speak_to_those_of_other_accounts():
    """And to no other function of theirs: by its URL only."""
    policy = template()["Resources"]["SharedMeshesPolicy"]["Properties"]
    assert speakers(source) <= {each["Ref"] for each in policy["Roles"]} <= speakers(with_imports)
    for statement in policy["PolicyDocument"]["Statement"]:
        if statement["Action"].startswith("lambda:"):
            assert statement["Resource"]["Fn::Sub"].endswith(":*:function:*-MeshApiFunction-*")
            assert set(statement["Condition"]) - {"StringEquals", "Bool"} == {"StringNotEquals"}
        assert statement["Condition"]["StringNotEquals"] == {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}


def test_an_invitation_alarms_people_while_there_is_time_to_accept_it():
    alarm = template()["Resources"]["OldShareAlarm"]["Properties"]
    assert 0 < alarm["Threshold"] < INVITATION_LIVES.total_seconds() - alarm["Period"]
    assert alarm["AlarmActions"] == [{"Ref": "NotificationTopic"}]


def test_who_lets_others_in_opens_no_url_to_everybody():
    (adding,) = [s for s in statements(ROLES["ShareMeshRole"]) if "lambda:AddPermission" in actions(s)]
    assert adding["Condition"] == {"StringEqualsIfExists": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    assert {each["Fn::GetAtt"][0] for each in adding["Resource"]} == {"MeshApiFunction", "DiscoverFunction"}
    adders = [name for name, role in ROLES.items() if "lambda:AddPermission" in str(statements(role))]
    assert adders == ["ShareMeshRole"]


def test_who_shares_a_card_may_write_the_policy_of_cards_only_and_share_nothing_but_parameters():
    (policy,) = [s for s in statements(ROLES["ShareMeshRole"]) if "ssm:PutResourcePolicy" in actions(s)]
    assert set(actions(policy)) == {"ssm:GetResourcePolicies", "ssm:PutResourcePolicy", "ssm:DeleteResourcePolicy"}
    assert policy["Resource"]["Fn::Sub"].endswith(":${AWS::AccountId}:parameter/meshift/meshes/*")
    (making,) = [s for s in statements(ROLES["ShareMeshRole"]) if "ram:CreateResourceShare" in actions(s)]
    assert making["Condition"] == {"StringEquals": {"ram:RequestedResourceType": "ssm:Parameter"}}


def test_vpcs_are_associated_only_where_they_are_named_and_only_those():
    without, named = stack_of(), stack_of(ServiceNetworkVpcs="vpc-12345678,vpc-0123456789abcdef0")
    assert not any("vpc-lattice" in str(each) for each in without.statements("AcceptSharesRole"))
    assert named.functions["AcceptSharesFunction"]["Environment"]["SERVICE_NETWORK_VPCS"].startswith("vpc-12345678,")
    only = {"StringEquals": {"vpc-lattice:VpcId": ["vpc-12345678", "vpc-0123456789abcdef0"]}}
    lattice = [each for each in named.statements("AcceptSharesRole") if "vpc-lattice:" in str(each["Action"])]
    assert [each["Condition"] for each in lattice] == [only, only]
    others = [name for name, role in ROLES.items() if "vpc-lattice" in str(statements(role))]
    assert others == []
