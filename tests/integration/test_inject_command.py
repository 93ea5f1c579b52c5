"""`meshift inject`: what a pipeline gets, and what it is told when it asks for nonsense."""

import io
import json

import pytest

from domain.sidecar import is_injected
from gateways.clients import client
from handlers.inject_envoy import handler
from meshift.command import main
from meshift.stack import OUTPUTS, PARAMETERS
from tests.integration.conftest import make_service
from tests.shapes import SUBJECT, TAGS, task_definition
from tests.task_definitions import FOLDER, load
from tests.template import resources, template

TAGGED = ["--tag", "mesh=apps", "--tag", "meshift:virtual-node=serviceBv2"]
APPMESH = ["--set", "ControlPlane=appmesh"]
NODE = "arn:aws:appmesh:us-east-1:111122223333:mesh/apps/virtualNode/orders"
OFFLINE = ["--node", NODE, "--port", "80", *APPMESH]


@pytest.fixture
def orders(tmp_path):
    """A file with a task definition, as a repository has it."""
    return written(tmp_path, load("fargate-smallest"))


def written(folder, document):
    path = folder / "orders.json"
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture
def run(aws, capsys):
    """Run the command; give back what it printed, after checking its exit code."""

    def run(*arguments, code=0):
        assert main(["inject", *arguments]) == code
        run.out, run.err = capsys.readouterr()
        return json.loads(run.out) if run.out else None

    return run


def make_stack(aws, **parameters):
    names = {"ControlPlane": "appmesh", **parameters}
    body = {
        "Parameters": {name: {"Type": "String"} for name in names},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"MeshApiUrl": {"Value": "https://mesh.example/"}},
    }
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in names.items()]
    aws("cloudformation").create_stack(StackName="meshift", TemplateBody=json.dumps(body), Parameters=given)


def test_a_file_in_and_what_can_be_registered_out(run, orders, aws):
    made = run(orders, *OFFLINE)
    assert [each["name"] for each in made["containerDefinitions"]] == ["app", "envoy"]
    registered = aws("ecs").register_task_definition(**made)["taskDefinition"]
    assert is_injected(registered)


def test_a_pipelines_revision_is_found_as_the_stack_wants_it(run, aws, mesh, context, tmp_path):
    make_stack(aws)
    before = {key: value for key, value in task_definition().items() if key not in ("revision", "status")}
    del before["taskDefinitionArn"]
    made = run(written(tmp_path, before), "--stack", "meshift", *TAGGED)
    service = make_service(aws, TAGS, **made)
    assert handler(service.document(subject=SUBJECT), context)["outcome"] == "Present"


@pytest.mark.parametrize("source", ["serviceBv2", "serviceBv2:1", "ARN"])
def test_a_revision_in_ecs_is_read_with_its_tags_and_the_services(run, aws, mesh, service, source):
    make_stack(aws)
    source = service.task_definition if source == "ARN" else source
    made = run(source, "--stack", "meshift", "--service", "apps/serviceBv2")
    assert made["tags"] == [{"key": "team", "value": "b"}]
    assert not {"revision", "status", "taskDefinitionArn", "registeredAt"} & set(made)
    assert {"name": "AppPorts", "value": "80"} in made["proxyConfiguration"]["properties"]


def test_standard_input_takes_what_describe_prints(run, monkeypatch):
    tags = [{"key": "team", "value": "b"}, {"key": "aws:cloudformation:stack-name", "value": "orders"}]
    described = {"taskDefinition": load("as-described"), "tags": tags}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(described)))
    made = run("-", *OFFLINE)
    assert made["tags"] == [{"key": "team", "value": "b"}]
    assert "registeredAt" not in made


def test_check_says_by_its_exit_code_whether_it_is_as_wanted(run, orders, tmp_path):
    assert run(orders, *OFFLINE, "--check", code=1) is None
    assert run.err == "meshift inject: not as wanted: a sidecar is to be added or changed\n"
    made = run(orders, *OFFLINE)
    again = written(tmp_path, made)
    run(again, *OFFLINE, "--check")
    assert run.err == "meshift inject: as wanted\n"
    run(again, *OFFLINE, "--set", "EnvoyImage=mirror.example/envoy:2", "--check", code=1)
    assert run(again, *OFFLINE) == made


def test_fields_of_the_future_pass_through(run, tmp_path):
    before = load("fields-of-the-future")
    made = run(written(tmp_path, before), *OFFLINE)
    assert made["taskShape"] == before["taskShape"]
    assert made["containerDefinitions"][0]["sandbox"] == before["containerDefinitions"][0]["sandbox"]


def test_what_a_person_should_know_is_on_standard_error(run, tmp_path):
    run(written(tmp_path, load("fargate-smallest-memory-taken")), *OFFLINE)
    assert "meshift inject: the task's size was raised from 256 CPU units and 512 MiB to 256" in run.err


def test_the_stacks_parameters_are_taken_and_those_given_here_come_first(run, orders, aws, mesh):
    make_stack(aws, EnvoyImage="mirror.example/envoy:1", Interception="proxy", TracingSidecar="true")
    made = run(orders, "--stack", "meshift", *TAGGED)
    assert [each["image"] for each in made["containerDefinitions"]][1] == "mirror.example/envoy:1"
    assert "proxyConfiguration" not in made
    assert made["containerDefinitions"][2]["name"] == "meshift-collector"
    again = run(
        orders, "--stack", "meshift", *TAGGED, "--set", "EnvoyImage=public", "--set", "Interception=transparent"
    )
    assert again["containerDefinitions"][1]["image"].startswith("public.ecr.aws/appmesh/")
    assert "proxyConfiguration" in again


def test_upstream_envoy_is_told_where_its_configuration_is(run, orders):
    hosted = ["--node", NODE, "--port", "80", "--set", "ControlPlane=hosted"]
    made = run(orders, *hosted, "--set", "DiscoveryUrl=https://discovery.example/")
    assert "discovery.example" in made["containerDefinitions"][1]["command"][3]
    run(orders, *hosted, code=2)
    assert "no discovery URL" in run.err


USAGE = [
    (["none.json", *OFFLINE], "none.json cannot be read: No such file or directory"),
    ([str(FOLDER / "arm64.yaml"), *OFFLINE], "arm64.yaml is no JSON: Expecting value"),
    (["FILE"], "which mesh? give --stack NAME, or --node ARN and its --port"),
    (["FILE", *APPMESH, "--tag", "virtual-node=a"], "no tag meshift:mesh"),
    (["FILE", *APPMESH, "--tag", "mesh=apps"], "which virtual node? give --tag virtual-node=NAME"),
    (["FILE", *OFFLINE, "--tag", "containr=app"], "did you mean meshift:container?"),
    (["FILE", *OFFLINE, "--service", "a/b", "--tag", "mesh=b"], "--service and --tag: tags come from one of them"),
    (["FILE", *APPMESH, "--service", "orders"], "that is not CLUSTER/NAME"),
    (["FILE", "--node", "orders", "--port", "80"], "--node orders: that is not the ARN of a virtual node"),
    (["FILE", *TAGGED, *APPMESH, "--port", "80"], "--port is for --node"),
    (
        ["FILE", *OFFLINE, "--set", "Envoy=x"],
        "--set Envoy: no such parameter or output; known are ControlPlane",
    ),
    (["FILE", *OFFLINE, "--set", "Interception=iptables"], "Interception: 'iptables' is not one of transparent, proxy"),
    (["FILE", *OFFLINE, "--set", "DiscoveryPollSeconds=soon"], "DiscoveryPollSeconds: 'soon' is not a number"),
    (["FILE", *TAGGED, "--set", "ControlPlane=hosted"], "no mesh API: give --stack NAME"),
    (["FILE", *OFFLINE, "--profile", "nobody"], "The config profile (nobody) could not be found"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_usage_and_bad_input_are_one_line_and_exit_code_2(run, orders, arguments, message):
    run(*[orders if each == "FILE" else each for each in arguments], code=2)
    assert message in run.err
    assert run.err.startswith("meshift inject: ")
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is no task definition but a JSON list"),
        ({"family": "a", "containerDefinitions": [{"name": "a", "portMappings": "80"}]}, "Invalid type for parameter"),
        ({"family": "a", "cpu": 256, "containerDefinitions": []}, "Invalid type for parameter cpu"),
        ({"family": "a", "containerDefinitions": [{"name": "a", "dependsOn": None}]}, "Invalid type for parameter"),
    ],
)
def test_what_is_no_task_definition_is_bad_input(run, tmp_path, document, message):
    run(written(tmp_path, document), *OFFLINE, code=2)
    assert message in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing-like-it", *OFFLINE], "Unable to describe task definition"),
        (["FILE", "--stack", "nowhere", *TAGGED], "there is no stack nowhere in us-east-1"),
        (["FILE", *APPMESH, "--service", "apps/nobody"], "cluster apps does not exist"),
        (["FILE", *APPMESH, "--tag", "mesh=nowhere", "--tag", "virtual-node=a"], "mesh nowhere has no virtual node a"),
    ],
)
def test_what_does_not_exist_is_one_line_and_exit_code_1(run, orders, arguments, message):
    run(*[orders if each == "FILE" else each for each in arguments], code=1)
    assert message in run.err
    assert run.err.count("\n") == 1


def test_a_refusal_is_one_line_and_exit_code_1(run, tmp_path):
    run(written(tmp_path, load("windows")), *OFFLINE, code=1)
    assert run.err == (
        "meshift inject: task definition orders runs on WINDOWS_SERVER_2022_CORE; Envoy's redirection needs LINUX\n"
    )


def test_another_stack_is_bad_input(run, orders):
    body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    client("cloudformation").create_stack(StackName="other", TemplateBody=body)
    run(orders, "--stack", "other", *TAGGED, code=2)
    assert "that stack is not Meshift's" in run.err


def test_help_and_unknown_options_leave_as_argparse_does(capsys):
    for arguments, code in ((["--help"], 0), (["a", "--port", "x"], 2), (["a", "--set", "x"], 2)):
        with pytest.raises(SystemExit) as left:
            main(["inject", *arguments])
        assert left.value.code == code
    assert "'x' is not a port" in capsys.readouterr().err


def test_the_command_reads_all_parameters_that_say_what_a_sidecar_is():
    assert set(PARAMETERS) <= set(template()["Parameters"])
    assert set(OUTPUTS) <= set(template()["Outputs"])
    given = resources("AWS::Serverless::Function")["InjectEnvoyFunction"]["Properties"]["Environment"]["Variables"]
    named = {variable: value["Ref"] for variable, value in given.items() if "Ref" in value and "ROLE" not in variable}
    assert {parameter: PARAMETERS.get(parameter) for parameter in named.values()} == {
        parameter: variable for variable, parameter in named.items()
    }
