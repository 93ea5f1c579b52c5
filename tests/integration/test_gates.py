"""A rollout that waits: at a gate, for its turn, and what operators can ask of it meanwhile."""

import json

import pytest

from domain.operations import Signal
from gateways.rollout_table import RolloutTable
from gateways.waiting_rollouts import WaitingRollouts
from handlers import check_health, operate, pause_rollout, plan_rollout
from tests.integration.conftest import answered
from tests.shapes import SUBJECT

NAME = SUBJECT["virtualService"]
POLICY = {
    "steps": [{"weight": 25, "gate": {"timeoutSeconds": 60}}],
    "checkEverySeconds": 1,
    "deadlineSeconds": 60,
}
ANN = "arn:aws:sts::123456789012:assumed-role/operators/ann"


@pytest.fixture
def document(aws, service, mesh, running_tasks):
    aws("ssm").put_parameter(Name="/meshift/policies/default", Value=json.dumps(POLICY), Type="String")
    return service.document(subject=SUBJECT, application="fingerprint")


@pytest.fixture
def ask(context):
    def send(signal, **fields):
        body = json.dumps({"mesh": "apps", "virtualService": NAME, "signal": signal, **fields})
        event = {"requestContext": {"authorizer": {"iam": {"userArn": ANN}}}, "body": body}
        answer = operate.handler(event, context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.fixture
def told(aws):
    """What the bus and the people's topic are told."""
    found = {"events": [], "mails": []}

    def put(params, **_):
        found["events"] += [json.loads(each["Detail"]) for each in json.loads(params["body"])["Entries"]]

    def publish(params, **_):
        found["mails"].append({"Subject": params["body"]["Subject"], **json.loads(params["body"]["Message"])})

    hooks = (("events", "before-call.eventbridge.PutEvents", put), ("sns", "before-call.sns.Publish", publish))
    for name, hook, note in hooks:
        aws(name).meta.events.register(hook, note)
    yield found
    for name, hook, note in hooks:
        aws(name).meta.events.unregister(hook, note)


def test_a_gate_waits_with_its_token_and_is_announced_once_with_the_command(aws, document, context, told, ask):
    rollout = {**document, **plan_rollout.handler(document, context)}
    assert rollout["position"]["gate"] == 0
    assert [each["phase"] for each in told["events"]] == ["Planned"]
    pause_rollout.handler({**rollout, "token": "first"}, context)
    later = {**rollout, "position": {**rollout["position"], "gate": 1}}
    pause_rollout.handler({**later, "token": "second"}, context)
    (mail,) = told["mails"]
    assert mail["Subject"] == "Meshift: approval needed, serviceBv2"
    assert mail["approve"] == f"meshift approve apps {NAME}"
    assert mail["withoutAnswer"] == "rollback after 60 seconds"
    assert [each["phase"] for each in told["events"]] == ["Planned", "Waiting For Approval"]
    assert told["events"][-1]["weights"] == {"serviceB": 100, "serviceBv2": 0}
    assert check_health.handler(later, context)["next"] == "Gate"
    woken = []
    with answered(aws("stepfunctions"), "SendTaskSuccess", woken):
        assert ask("approve")[0] == 200
    assert [each["taskToken"] for each in woken] == ["second"]
    assert check_health.handler(later, context)["next"] == "Shift"
    assert RolloutTable("rollouts").claim("apps", NAME)["token"] is None
    status, answer = ask("approve")
    assert (status, "waits at no gate" in answer["message"]) == (400, True)


def wait(document, context, turns=0):
    """A second rollout of the virtual service waits for the first."""
    plan_rollout.handler(document, context)
    second = {**document, "execution": document["execution"] + "-second", "turns": turns}
    assert plan_rollout.handler(second, context)["outcome"] == "Wait"
    return second


def test_a_rollout_that_waits_its_turn_is_listed_until_it_begins(document, context):
    second = wait(document, context)
    (found,) = WaitingRollouts("rollouts").waiting()
    assert (found["mesh"], found["virtualService"], found["execution"]) == ("apps", NAME, second["execution"])
    assert "is in the hands of execution" in found["document"]["reason"]
    RolloutTable("rollouts").release_virtual_router("apps", NAME, document["execution"])
    assert plan_rollout.handler({**second, "turns": 1}, context)["outcome"] == "Planned"
    assert WaitingRollouts("rollouts").waiting() == []


def test_a_rollout_that_waits_and_was_overtaken_ends_and_wakes_nobody(aws, document, context):
    """The newer one waits at its gate for people; what is over must not open it."""
    rollout = {**document, **plan_rollout.handler(document, context)}
    pause_rollout.handler({**rollout, "token": "the token", "reason": "x"}, context)
    older = {**document, "execution": document["execution"] + "-older", "deployment": "ecs-svc/older", "turns": 1}
    woken = []
    with answered(aws("stepfunctions"), "SendTaskSuccess", woken):
        answer = plan_rollout.handler(older, context)
    assert (answer["outcome"], woken) == ("Superseded", [])
    assert answer["reason"] == f"deployment {document['deployment']} took the place of ecs-svc/older"


def test_a_rollout_that_waits_can_be_aborted_and_is_not_tried_again_by_itself(document, context, ask):
    second = wait(document, context)
    assert ask("abort", execution=second["execution"].rpartition(":")[2]) == (
        200,
        {"signal": "abort", "execution": second["execution"]},
    )
    assert ask("resume", execution=second["execution"])[0] == 404, "nothing takes the place of an abort"
    ended = plan_rollout.handler({**second, "turns": 1}, context)
    assert (ended["outcome"], ended["reason"]) == ("Refused", f"aborted by {ANN} before any traffic moved")
    assert WaitingRollouts("rollouts").waiting() == []
    RolloutTable("rollouts").release_virtual_router("apps", NAME, document["execution"])
    assert plan_rollout.handler(second, context)["outcome"] == "Nothing To Do"


def test_what_a_rollout_was_told_while_it_waited_counts_when_it_begins(document, context, ask):
    second = wait(document, context)
    assert ask("promote", execution=second["execution"])[0] == 200
    RolloutTable("rollouts").release_virtual_router("apps", NAME, document["execution"])
    rollout = {**second, "turns": 1}
    rollout |= plan_rollout.handler(rollout, context)
    answer = check_health.handler(rollout, context)
    assert (answer["next"], answer["position"]["step"]) == ("Shift", 1), "past the gate, to the last step"


def test_a_paused_rollout_keeps_waiting_when_it_could_begin(document, context, ask):
    second = wait(document, context)
    RolloutTable("rollouts").release_virtual_router("apps", NAME, document["execution"])
    assert ask("pause")[0] == 200, "the only one that waits need not be named"
    answer = plan_rollout.handler({**second, "turns": 1}, context)
    assert (answer["outcome"], answer["reason"]) == ("Wait", f"paused by {ANN}")
    ask("resume")
    assert plan_rollout.handler({**second, "turns": 2}, context)["outcome"] == "Planned"


def test_one_of_several_that_wait_must_be_named(document, context, ask):
    second = wait(document, context)
    third = {**second, "execution": document["execution"] + "-third"}
    plan_rollout.handler(third, context)
    RolloutTable("rollouts").release_virtual_router("apps", NAME, document["execution"])
    status, answer = ask("abort")
    assert (status, answer["message"]) == (
        400,
        "execution: missing; several rollouts wait: ecs-svc-1-1-second, ecs-svc-1-1-third",
    )


def test_a_rollout_whose_execution_ended_while_it_waited_is_listed_no_more(aws):
    waiting = WaitingRollouts("rollouts")
    waiting.wait("apps", NAME, "an:execution", {"service": "s", "reason": "r"}, -1000)
    assert waiting.waiting() == []
    waiting.give_signal("apps", NAME, "an:execution", Signal("1", "pause", "ann"))
    assert waiting.signal("apps", NAME, "an:execution").name == "pause"
