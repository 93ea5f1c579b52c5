"""The command on moto: signals end in the operate handler, and what is told is what is there."""

import json
import os
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateways.clients import client
from gateways.remembered import Remembered
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers import operate
from meshift.command import COMMANDS, main
from meshift.doctor.of_stack import OF_HOSTED, OUTPUTS
from tests.integration.conftest import answered
from tests.ram import card
from tests.shapes import OWNER, SUBJECT
from tests.template import template

CLAIM = "apps", SUBJECT["virtualService"], "arn:aws:states:us-east-1:123456789012:execution:rollout:ecs-svc-1-1"
WHERE = CLAIM[:2]
PLAN = {
    "candidate": "serviceBv2",
    "virtualRouter": SUBJECT["virtualRouter"],
    "routes": [SUBJECT["virtualService"]],
    "before": {SUBJECT["virtualService"]: {"serviceB": 100, "serviceBv2": 0}},
    "steps": [
        {"weights": {SUBJECT["virtualService"]: {"serviceB": 0, "serviceBv2": 100}}, "slices": 4, "waitSeconds": 15}
    ],
    "failureLimit": 1,
    "deadlineSeconds": 600,
}
POSITION = {"step": 0, "slice": 1, "failures": 0, "elapsedSeconds": 15}


@pytest.fixture
def url(aws, context):
    """The operate handler behind a URL; the caller is whose key signed."""

    class Asked(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            key = self.headers["authorization"].partition("Credential=")[2].partition("/")[0]
            iam = (
                {"userArn": f"arn:aws:iam::123456789012:user/{key}"}
                if "/lambda/aws4_request" in str(self.headers)
                else {}
            )
            answer = operate.handler({"requestContext": {"authorizer": {"iam": iam}}, "body": body}, context)
            self.send_response(answer["statusCode"])
            self.end_headers()
            self.wfile.write(answer["body"].encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Asked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def stack(aws, url):
    """A stack that says where all this is; moto's App Mesh has no endpoint of its own."""
    topic = os.environ["TOPIC_ARN"]
    outputs = {"OperateUrl": url, "RolloutTable": "rollouts", "RolloutStateMachineArn": os.environ["STATE_MACHINE_ARN"]}
    outputs |= {"NotificationTopicArn": topic, "DashboardName": "meshift", "FleetStateMachineArn": "fleet"}
    body = {
        "Parameters": {"ControlPlane": {"Type": "String"}, "MeshName": {"Type": "String"}},
        "Resources": {
            "DeploymentsDeadLetters": {"Type": "AWS::SQS::Queue"},
            "Sweep": {
                "Type": "AWS::Events::Rule",
                "Properties": {"Name": "sweep", "ScheduleExpression": "rate(1 hour)"},
            },
        },
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    given = {"ControlPlane": "appmesh", "MeshName": "apps"}
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
    aws("cloudformation").create_stack(StackName="meshift", TemplateBody=json.dumps(body), Parameters=parameters)
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value='{"steps": []}', Type="String")
    return aws("cloudformation")


@pytest.fixture
def rollout(aws, service):
    """A rollout that holds its virtual service."""
    table = RolloutTable("rollouts")
    table.claim_virtual_router(*CLAIM, SUBJECT["virtualService"])
    about = {"service": service.arn, "cluster": "apps", "deployment": service.deployment}
    table.keep_plan(*CLAIM, {**about, "application": "x", "subject": SUBJECT, "plan": PLAN})
    table.record(*CLAIM, "plan", PLAN)
    return table


@pytest.fixture
def run(capsys):
    """Run the command; what it printed, after a look at its exit code."""

    def run(*arguments, code=0):
        assert main(arguments) == code
        run.out, run.err = capsys.readouterr()
        return run.out

    return run


def caller():
    """Who asks, as the URL above tells it."""
    return f"arn:aws:iam::123456789012:user/{os.environ['AWS_ACCESS_KEY_ID']}"


PLANNED = {"plan": PLAN, "position": POSITION, "reason": ""}


def executing(aws, status="RUNNING", state="Bake", document=PLANNED, **output):
    """Let Step Functions tell of an execution that moto does not run."""
    entered = {"name": state, "input": json.dumps(document)}
    event = {"id": 1, "timestamp": 4102444800, "type": "WaitStateEntered", "stateEnteredEventDetails": entered}
    found = {"executionArn": CLAIM[2], "stateMachineArn": "m", "status": status, "startDate": 1, **output}
    answers = ExitStack()
    answers.enter_context(answered(aws("stepfunctions"), "GetExecutionHistory", [], {"events": [event]}))
    answers.enter_context(answered(aws("stepfunctions"), "DescribeExecution", [], found))
    return answers


@pytest.mark.parametrize(
    ("command", "signal"),
    [("pause", "pause"), ("resume", "resume"), ("abort", "abort"), ("skip", "skip-wait"), ("promote", "promote")],
)
def test_a_signal_reaches_the_rollout_with_who_asked(stack, rollout, run, command, signal):
    run(command, *WHERE)
    assert run.out == f"signal: {signal}\nexecution: {CLAIM[2]}\n"
    left = rollout.claim(*WHERE)["signal"]
    assert (left.name, left.by) == (signal, caller())


def test_a_service_is_started_and_names_are_handed_over(stack, service, run):
    started = json.loads(run("start", "apps", "serviceBv2", "--json"))
    assert started["execution"].endswith(service.deployment.replace("/", "-") + "-1")
    run("hand-over", "apps", "--virtual-node", "serviceB", "--cluster", "apps", "--service", "serviceBv2")
    assert f"to: {service.arn}" in run.out


def test_the_url_may_be_given_where_cloudformation_may_not_be_asked(url, rollout, run):
    run("pause", *WHERE, "--url", url)
    assert rollout.claim(*WHERE)["signal"].name == "pause"


REFUSED = [
    (["pause", "apps", "nobody"], "meshift pause: refused (404): no rollout of nobody in mesh apps is at work"),
    (["pause", "a@b", "nobody"], "meshift pause: refused (400): mesh: 'a@b' is not a mesh's name, or NAME@ACCOUNT"),
    (
        ["retry", "apps", "nobody"],
        "meshift retry: refused (404): nobody in mesh apps has had no rollout that could be ",
    ),
    (["history", "apps", "nobody"], "meshift history: nothing is known of a rollout of nobody in mesh apps"),
    (["watch", "apps", "nobody"], "meshift watch: no such rollout is at work"),
    (["mesh", "map", "nowhere"], "meshift mesh: There are no meshes with the name nowhere"),
    (["policy", "check", "nothing"], "meshift policy: there is no rollout policy nothing (SSM parameter /meshift/"),
    (
        ["status", "--stack", "nowhere"],
        "meshift status: there is no stack nowhere in us-east-1; give --stack or --region",
    ),
    (["pause", *WHERE, "--url", "http://127.0.0.1:9/"], "meshift pause: Could not connect to the endpoint URL"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_is_refused_or_not_there_is_one_line_and_exit_code_1(stack, run, arguments, message):
    run(*arguments, code=1)
    assert run.err.startswith(message)
    assert (run.err.count("\n"), run.out) == (1, "")


def test_another_stack_is_bad_input(aws, run):
    body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    aws("cloudformation").create_stack(StackName="other", TemplateBody=body)
    run("status", "--stack", "other", code=2)
    assert run.err == "meshift status: --stack other: that stack is not Meshift's, it has no parameter ControlPlane\n"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("import", "inject")])
def test_an_unknown_profile_is_one_line_and_exit_code_2(run, command):
    words = {
        "policy": ["check", "x"], "mesh": ["map"], "status": [], "watch": [], "doctor": [], "accept-share": ["arn"],
        "fleet": ["plan"],
        "hand-over": ["apps", "--virtual-service", "x", "--cluster", "apps"],
    }  # fmt: skip
    run(command, *words.get(command, ["a", "b"]), "--profile", "nobody", code=2)
    assert run.err == f"meshift {command}: The config profile (nobody) could not be found\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: meshift {command} ")


def test_what_is_no_command_leaves_as_argparse_does(capsys):
    for words in ([], ["stop"], ["pause", "apps"], ["policy"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2


def test_status_shows_the_step_the_weights_and_what_is_left(aws, stack, mesh, rollout, run):
    with executing(aws):
        shown = run("status")
        found = json.loads(run("status", "--json"))
    assert "apps serviceb.apps.local → serviceBv2\n  step 1 of 1 bakes, check 2 of 4, 45 s to go" in shown
    assert "  serviceB   100 ██████████████████████████████\n" in shown
    assert "\x1b" not in shown
    (only,) = found
    assert (only["step"], only["state"], only["secondsToGo"], only["deadlineSecondsLeft"]) == (1, "Bake", 45, 585)
    assert only["weights"] == {"serviceb.apps.local": {"serviceB": 100, "serviceBv2": 0}}


def test_what_waits_for_its_turn_is_shown_after_what_is_at_work(aws, stack, rollout, run):
    later = CLAIM[2].replace("-1-1", "-2-1")
    reason = "serviceb.apps.local is in the hands of execution ecs-svc-1-1"
    about = {"service": "s", "cluster": "apps", "deployment": "ecs-svc/2", "reason": reason}
    WaitingRollouts("rollouts").wait(*WHERE, later, about, 30)
    with executing(aws, state="Wait Its Turn", document={"reason": reason}):
        first, second = json.loads(run("status", "--json"))
        assert f"  waits: {reason}\n" in run("status")
    assert (first["execution"], first["waits"]) == (CLAIM[2], False)
    assert (second["execution"], second["waits"]) == (later, True)
    with executing(aws):  # its turn has come
        assert [each["waits"] for each in json.loads(run("status", "--json"))] == [False, False]


def test_an_approval_without_a_gate_is_refused(stack, rollout, run):
    run("approve", *WHERE, code=1)
    assert run.err == "meshift approve: refused (400): signal: the rollout of serviceb.apps.local waits at no gate\n"


def test_a_signal_may_name_the_execution_that_is_meant(stack, rollout, run):
    run("pause", *WHERE, "--execution", "ecs-svc-9-1", code=1)
    assert "no rollout of serviceb.apps.local in mesh apps is at work" in run.err
    run("pause", *WHERE, "--execution", "ecs-svc-1-1")


def test_status_is_of_what_is_named_and_says_when_there_is_nothing(aws, stack, rollout, run):
    with executing(aws):
        assert json.loads(run("status", "shop", "--json")) == []
        assert run("status", "apps", "nobody") == "nothing is at work\n"
        assert len(json.loads(run("status", *WHERE, "--json"))) == 1


def test_watch_ends_with_the_rollout_and_its_outcome(aws, stack, rollout, run):
    with executing(aws, "SUCCEEDED", output=json.dumps({"outcome": "Promoted", "reason": "it carries everything"})):
        assert run("watch") == "Promoted: it carries everything\n"
    with executing(aws, "SUCCEEDED", output=json.dumps({"outcome": "Rolled Back", "reason": "in alarm: x"})):
        assert run("watch", *WHERE, code=1) == "Rolled Back: in alarm: x\n"
    with executing(aws, "ABORTED", cause="looks wrong"):
        assert run("watch", code=1) == "Aborted: looks wrong\n"


def test_watch_wants_to_know_which_of_several(aws, stack, rollout, run):
    rollout.claim_virtual_router("apps", "other.apps.local", CLAIM[2], "other.apps.local")
    with executing(aws):
        run("watch", code=2)
    assert "several are at work, name one: apps other.apps.local (ecs-svc-1-1); apps serviceb" in run.err


def test_history_has_who_asked_for_what(stack, rollout, run):
    run("pause", *WHERE)
    plan, signal = json.loads(run("history", *WHERE, "--json"))
    assert (plan["what"], plan["why"]) == ("plan", "1 steps to serviceBv2")
    assert (signal["why"], signal["who"]) == ("pause", caller())
    assert "serviceb.apps.local: serviceB 100, serviceBv2 0" in run("history", *WHERE)


def test_a_policy_is_checked_by_file_and_by_name(stack, run, tmp_path):
    path = tmp_path / "canary.json"
    path.write_text('{"steps": [{"weight": 25, "bakeSeconds": 90}], "checks": [{"alarm": "a"}]}')
    found = json.loads(run("policy", "check", str(path), "--json"))
    assert [(each["at"], each["weight"]) for each in found["timeline"]] == [(0, 25), (90, 100)]
    assert found["cost"]["transitions"] == 6 + 2 * 2 + 4 * 3 + 4
    assert "25 % █████" in run("policy", "check", str(path))
    assert run("policy", "check", "default").startswith("/meshift/policies/default\n")
    gate = '{"timeoutSeconds": 3600}'
    path.write_text(f'{{"steps": [{{"weight": 25, "gate": {gate}}}], "cleanUp": "scale-to-zero"}}')
    shown = run("policy", "check", str(path))
    assert "waits for `meshift approve`, up to 1 h, then rollback" in shown
    assert "the services whose traffic was taken are scaled to zero" in shown
    path.write_text('{"steps": [{"weight": 150}]}')
    run("policy", "check", str(path), code=1)
    assert run.err == "meshift policy: steps[0].weight: 150 is not a whole number from 1 to 100\n"


def test_a_mesh_is_drawn_as_text_and_into_a_file(stack, tutorial, run, capsys, tmp_path):
    def connect(*_):
        return tutorial

    path = tmp_path / "apps.svg"
    assert main(["mesh", "map"], connect=connect) == 0
    shown = capsys.readouterr().out
    assert "serviceb.apps.local: virtual router serviceb\n  route all: http2 /\n    serviceB    75 " in shown
    assert "virtual nodes\n  serviceA    → serviceb.apps.local\n" in shown
    assert main(["mesh", "map", "apps", "--svg", str(path)], connect=connect) == 0
    assert path.read_text().startswith("<svg xmlns=")
    assert main(["mesh", "map", "--json"], connect=connect) == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["name"] == "serviceb.apps.local"
    assert main(["mesh", "map", "--svg", str(tmp_path / "none" / "x.svg")], connect=connect) == 2
    assert "x.svg cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.fixture
def in_hosted(aws, stack):
    """A stack that hosts its meshes itself, and knows the mesh of another account."""
    outputs = {each["OutputKey"]: {"Value": each["OutputValue"]} for each in stack.describe_stacks(
        StackName="meshift")["Stacks"][0]["Outputs"]}  # fmt: skip
    body = {
        "Parameters": {"ControlPlane": {"Type": "String"}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {**outputs, "MeshApiUrl": {"Value": "https://own.lambda-url.us-east-1.on.aws/"}},
    }
    parameters = [{"ParameterKey": "ControlPlane", "ParameterValue": "hosted"}]
    aws("cloudformation").create_stack(StackName="hosted", TemplateBody=json.dumps(body), Parameters=parameters)
    theirs = card(url="https://theirs.lambda-url.us-east-1.on.aws/")
    Remembered("rollouts").remember_card(f"apps@{OWNER}", theirs)


def test_the_map_of_another_accounts_mesh_is_asked_where_its_card_says(in_hosted, tutorial, run, capsys, monkeypatch):
    """Whatever AWS's usual variable says of one's own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_APP_MESH", "https://variable.lambda-url.us-east-1.on.aws/")
    asked = []

    def connect(url, signing_name, *_):
        asked.append((url, signing_name))
        return tutorial

    assert main(["mesh", "map", f"apps@{OWNER}", "--stack", "hosted"], connect=connect) == 0
    assert f"mesh apps@{OWNER}\n\nserviceb.apps.local" in capsys.readouterr().out
    assert asked == [("https://theirs.lambda-url.us-east-1.on.aws/", "lambda")]
    for own in ("apps", "apps@123456789012"):
        main(["mesh", "map", own, "--stack", "hosted"], connect=connect)
    assert asked[1:] == [("https://variable.lambda-url.us-east-1.on.aws/", "lambda")] * 2
    capsys.readouterr()
    run("mesh", "map", f"other@{OWNER}", "--stack", "hosted", code=1)
    assert f"mesh other@{OWNER} is not shared with this account" in run.err


def test_consumers_are_told_of_hosted_meshes_only(stack, run):
    run("mesh", "consumers", code=2)
    assert "hosts no meshes (ControlPlane is appmesh)" in run.err


ENABLE = ("mesh", "enable-organization-sharing")


@pytest.fixture
def enabled(aws):
    """How often RAM was asked to share inside the organization."""
    asked = []
    aws("ram").meta.events.register(
        "before-call.ram.EnableSharingWithAwsOrganization", note := lambda **_: asked.append(1)
    )
    yield asked
    aws("ram").meta.events.unregister("before-call.ram.EnableSharingWithAwsOrganization", note)


def test_sharing_inside_the_organization_is_enabled_by_its_management_account_and_twice_is_once(aws, run, enabled):
    organization = aws("organizations").create_organization(FeatureSet="ALL")["Organization"]["Id"]
    assert f"inside {organization}. Nothing was changed; repeat with --yes." in run(*ENABLE)
    assert enabled == []
    for _ in range(2):
        assert run(*ENABLE, "--yes") == f"AWS RAM shares inside {organization} without invitations\n"
    assert len(enabled) == 2
    found = json.loads(run(*ENABLE, "--yes", "--json"))
    assert found == {"organization": organization, "managementAccount": "123456789012", "done": True}


def test_a_member_account_is_told_which_one_may(aws, run, enabled):
    organization = {"Organization": {"Id": "o-abcdefghij", "MasterAccountId": OWNER}}
    with answered(aws("organizations"), "DescribeOrganization", [], organization):
        run(*ENABLE, "--yes", code=1)
    assert f"123456789012 is a member of o-abcdefghij; this is for its management account, {OWNER}" in run.err
    assert enabled == []


def test_an_account_in_no_organization_enables_nothing(aws, run, enabled):
    run(*ENABLE, "--yes", code=1)
    assert "account 123456789012 is in no organization" in run.err
    assert enabled == []


def test_what_ram_does_not_do_is_said(aws, run):
    aws("organizations").create_organization(FeatureSet="ALL")
    with answered(aws("ram"), "EnableSharingWithAwsOrganization", [], {"returnValue": False}):
        run(*ENABLE, "--yes", code=1)
    assert "did not enable sharing" in run.err


def levels(run):
    return {each["what"]: each["level"] for each in json.loads(run.out)}


def test_doctor_wants_every_output_of_the_template():
    assert {*OUTPUTS, *OF_HOSTED} == set(template()["Outputs"])


def test_doctor_finds_nothing_missing_where_all_is_there(aws, stack, mesh, run):
    aws("sns").subscribe(TopicArn=os.environ["TOPIC_ARN"], Protocol="email", Endpoint="ann@example.com")
    run("doctor", "--json")
    found = levels(run)
    assert found["mesh apps is there"] == found["policy default: 1 steps"] == "ok"
    assert found["OperateUrl takes requests with these credentials"] == found["1 EventBridge rules are enabled"] == "ok"
    assert found["1 dead-letter queues are empty"] == "ok"
    assert "missing" not in found.values()


def test_doctor_says_what_is_missing_and_what_to_do(aws, stack, run):
    aws("ssm").put_parameter(Name="/meshift/policies/odd", Value='{"steps": [{"weight": 0}]}', Type="String")
    text = '{"steps": [], "checks": [{"alarm": "nowhere-5xx"}]}'
    aws("ssm").put_parameter(Name="/meshift/policies/silent", Value=text, Type="String")
    aws("events").disable_rule(Name="sweep")
    (dead,) = [url for url in client("sqs").list_queues()["QueueUrls"] if "DeploymentsDeadLetters" in url]
    aws("sqs").send_message(QueueUrl=dead, MessageBody="{}")
    run("doctor", "--json", code=1)
    found = levels(run)
    assert found["there is no mesh apps, or these credentials may not see it"] == "missing"
    assert found["policy odd: steps[0].weight: 0 is not a whole number from 1 to 100"] == "missing"
    assert found["policy silent names alarms that do not exist: nowhere-5xx"] == "missing"
    assert found["EventBridge rule Sweep is disabled"] == "missing"
    assert found["dead-letter queue DeploymentsDeadLetters holds 1"] == "warning"
    assert found["nobody is told when a person is needed"] == "warning"
    shown = run("doctor", code=1)
    assert "missing  there is no mesh apps" in shown
    assert "         → aws appmesh create-mesh --mesh-name apps" in shown


def test_doctor_names_services_that_were_refused_last_time_and_why(aws, stack, mesh, service, run):
    name = client("stepfunctions").start_execution(
        stateMachineArn=os.environ["STATE_MACHINE_ARN"], name="a", input=json.dumps({"service": service.arn})
    )["executionArn"]
    output = json.dumps({"outcome": "Refused", "reason": "tag meshift:protocol: 'soap'"})
    answer = {
        "executionArn": name,
        "status": "SUCCEEDED",
        "output": output,
        "input": json.dumps({"service": service.arn}),
    }
    with answered(aws("stepfunctions"), "DescribeExecution", [], {**answer, "stateMachineArn": "m", "startDate": 1}):
        run("doctor", "--json")
    (found,) = [each for each in json.loads(run.out) if "was refused" in each["what"]]
    assert found["what"] == "apps/serviceBv2 was refused: tag meshift:protocol: 'soap'"
    assert found["to_do"] == "mend it, then: meshift start apps serviceBv2"


def test_without_a_stack_doctor_says_so(aws, run):
    run("doctor", code=1)
    assert "missing  there is no stack meshift in us-east-1" in run.out
