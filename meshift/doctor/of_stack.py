"""Is the stack whole, and do its parts work?"""

from collections.abc import Iterator

from gateways import executions
from gateways.clients import client
from gateways.rollout_table import RolloutTable
from meshift.doctor.findings import MISSING, OK, WARNING, Finding, Ground
from meshift.operate import send

OUTPUTS = (
    "RolloutStateMachineArn", "FleetStateMachineArn", "RolloutTable", "OperateUrl", "NotificationTopicArn",
    "DashboardName",
)  # fmt: skip
OF_HOSTED = ("MeshTable", "MeshApiUrl", "DiscoveryUrl")
_WHOLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_CALL_URL = "allow lambda:InvokeFunctionUrl and, by URL only, lambda:InvokeFunction on it (docs/hosted-mesh.md)"


def whole(ground: Ground) -> Iterator[Finding]:
    """Look at the stack's state and outputs, and at what rollouts cannot do without."""
    stack = ground.stack
    good = stack.status in _WHOLE
    yield Finding(
        OK if good else WARNING, f"stack {stack.name} is {stack.status}", "" if good else "look at its events"
    )
    wanted = (*OUTPUTS, *(OF_HOSTED if ground.settings.hosted else ()))
    lacking = [name for name in wanted if name not in stack.outputs]
    if lacking:
        yield Finding(
            MISSING, f"stack {stack.name} has no output {', '.join(lacking)}", "deploy this version: make deploy"
        )
    machine = client("stepfunctions").describe_state_machine(stateMachineArn=stack.output("RolloutStateMachineArn"))
    yield _is("state machine Rollout", machine["status"], "ACTIVE")
    table = client("dynamodb").describe_table(TableName=stack.output("RolloutTable"))["Table"]
    yield _is("RolloutTable", table["TableStatus"], "ACTIVE")


def operators(ground: Ground) -> Iterator[Finding]:
    """See whether the caller may steer rollouts, by a request that asks for nothing."""
    status, answer = send(ground.stack.output("OperateUrl"), {})
    if status == 400:
        yield Finding(OK, "OperateUrl takes requests with these credentials")
    else:
        said = answer.get("message") or answer.get("Message") or "no reason given"
        yield Finding(MISSING, f"OperateUrl answers {status}: {said}", _CALL_URL)


def rules(ground: Ground) -> Iterator[Finding]:
    """Look whether EventBridge's rules are enabled."""
    found = ground.of_type("AWS::Events::Rule")
    off = []
    for name, rule in sorted(found.items()):
        if client("events").describe_rule(Name=rule.rpartition("|")[2]).get("State") == "DISABLED":
            off.append(name)
            yield Finding(MISSING, f"EventBridge rule {name} is disabled", f"aws events enable-rule --name {rule}")
    if found and not off:
        yield Finding(OK, f"{len(found)} EventBridge rules are enabled")


def dead_letters(ground: Ground) -> Iterator[Finding]:
    """Look whether dead-letter queues are empty."""
    queues = {name: url for name, url in ground.of_type("AWS::SQS::Queue").items() if name.endswith("DeadLetters")}
    full = False
    for name, url in sorted(queues.items()):
        answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        count = int(answer["Attributes"]["ApproximateNumberOfMessages"])
        if count:
            full = True
            to_do = f"aws sqs receive-message --message-attribute-names All --queue-url {url}"
            yield Finding(WARNING, f"dead-letter queue {name} holds {count}", f"read its attribute Cause: {to_do}")
    if queues and not full:
        yield Finding(OK, f"{len(queues)} dead-letter queues are empty")


def people(ground: Ground) -> Iterator[Finding]:
    """Look whether anybody is told when a person is needed."""
    topic = ground.stack.output("NotificationTopicArn")
    found = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    waiting = [each for each in found if each["SubscriptionArn"] == "PendingConfirmation"]
    if not found:
        yield Finding(
            WARNING, "nobody is told when a person is needed", "give NotificationEmail, or subscribe to the topic"
        )
    for each in waiting:
        yield Finding(WARNING, f"{each['Endpoint']} has not confirmed the subscription", "follow the link in the mail")
    if found and not waiting:
        yield Finding(OK, f"{len(found)} subscribed to what people must know")


def left_behind(ground: Ground) -> Iterator[Finding]:
    """Look for claims whose execution has ended."""
    for claim in RolloutTable(ground.settings.rollout_table).claims():
        status = executions.status(claim["execution"])
        if status != "RUNNING":
            what = f"{claim['virtualService']} in mesh {claim['mesh']} is held by an execution that is {status}"
            yield Finding(
                WARNING, what, "recovery looks every five minutes; if it stays, read RecoverRolloutFunction's log"
            )


def _is(what: str, found: str, wanted: str) -> Finding:
    return (
        Finding(OK, f"{what} is {found}") if found == wanted else Finding(MISSING, f"{what} is {found}", "deploy again")
    )
