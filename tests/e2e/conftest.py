"""What the e2e tests stand on: a local AWS of their own with the real stack deployed in both accounts."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from local import deploy
from local.instance import Instance, running
from local.settings import CONSUMER, OWNER

STRANGER = "333333333333"
LOG_LINES = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the tests on local AWS, and of those the ones that send requests."""
    here = Path(__file__).parent
    items.sort(key=lambda item: (item.path.parent != here, item.path.name != "test_traffic.py"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the local AWS's log beside a test that failed on it."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, LocalAws):
                lines = value.instance.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                report.sections.append((f"the end of the log of {name}", "\n".join(lines)))
    return report


def wait_for(observe: Callable[[], Any], seconds: float = 30, every: float = 0.1) -> Any:
    """Call `observe` until it gives something true, and give that; fails with what it gave last."""
    end = time.monotonic() + seconds
    while not (seen := observe()):
        if time.monotonic() > end:
            pytest.fail(f"not observed within {seconds} s; last seen: {seen!r}")
        time.sleep(every)
    return seen


def policy(*statements: dict[str, Any]) -> str:
    """Write a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class Account:
    """One account of a local AWS, with what tests do there again and again."""

    def __init__(self, instance: Instance, number: str) -> None:
        self.instance, self.number = instance, number
        self.client = cache(lambda service: instance.client(service, number))

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The outputs of the stack in this account."""
        return deploy.outputs(self.instance, self.number)

    def register(self, family: str, image: str = "example/app:1", **more: Any) -> str:
        """Register a task definition with one app container on port 8080; gives its ARN."""
        app = {"name": "app", "image": image, "portMappings": [{"containerPort": 8080, "protocol": "tcp"}]}
        wanted = {
            "family": family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [app],
            **more,
        }
        definition = self.client("ecs").register_task_definition(**wanted)["taskDefinition"]
        return definition["taskDefinitionArn"]

    def create_service(
        self,
        name: str,
        tags: dict[str, str] | None = None,
        *,
        image: str = "example/app:1",
        cluster: str = "default",
        desired: int = 1,
        **more: Any,
    ) -> str:
        """Create a service, with a cluster and (unless `taskDefinition` is given) a definition; its ARN."""
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName=cluster)
        breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
        wanted = {
            "cluster": cluster,
            "serviceName": name,
            "taskDefinition": more.get("taskDefinition") or self.register(name, image),
            "desiredCount": desired,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            "deploymentConfiguration": breaker,
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
            **more,
        }
        return ecs.create_service(**wanted)["service"]["serviceArn"]

    def service(self, name: str, cluster: str = "default") -> dict[str, Any]:
        """The service as describe_services has it, with tags."""
        found = self.client("ecs").describe_services(cluster=cluster, services=[name], include=["TAGS"])
        return found["services"][0]

    def deployed(self, name: str, cluster: str = "default", seconds: float = 30) -> dict[str, Any]:
        """Wait until the service's deployment has completed; gives the service."""

        def completed() -> dict[str, Any] | None:
            service = self.service(name, cluster)
            states = [one["rolloutState"] for one in service["deployments"]]
            return service if states == ["COMPLETED"] else None

        return wait_for(completed, seconds)

    def role(self, name: str, *statements: dict[str, Any], path: str = "/") -> str:
        """Make a role for functions, state machines and tasks that allows just this; gives its ARN."""
        services = [f"{service}.amazonaws.com" for service in ("lambda", "states", "ecs-tasks")]
        trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
        return str(arn)

    def inbox(self, name: str) -> tuple[str, str]:
        """Make a queue that topics and rules may send to; gives its URL and its ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        senders = {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}
        statement = {"Effect": "Allow", "Principal": senders, "Action": "sqs:SendMessage", "Resource": arn}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(statement)})
        return url, arn

    def idle(self, role: str) -> list[str]:
        """The actions of those statements of a role of the stack without which all would have gone the same so far.

        Logs and segments are not among them: Lambda and Step Functions write them, local AWS does not.
        """
        roles = self.instance.control("idle", {"account": self.number})
        (statements,) = (each for name, each in roles.items() if f"-{role}-" in name)
        actions = sorted(action for each in statements for action in each)
        return [each for each in actions if not each.startswith(("logs:", "xray:"))]

    def executions(self, name_part: str = "", machine: str | None = None) -> list[dict[str, Any]]:
        """The state machine's executions whose name holds `name_part`, newest first, JSON read."""
        states = self.client("stepfunctions")
        machine = machine or self.outputs["RolloutStateMachineArn"]
        listed = states.list_executions(stateMachineArn=machine)["executions"]
        found = []
        for one in listed:
            if name_part in one["name"]:
                execution = states.describe_execution(executionArn=one["executionArn"])
                for document in ("input", "output"):
                    execution[document] = json.loads(execution.get(document) or "null")
                found.append(execution)
        return found


class LocalAws:
    """An instance seen as its accounts; `stranger` is an account without a stack."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.owner = self.account(OWNER)
        self.consumer = self.account(CONSUMER)
        self.stranger = self.account(STRANGER)
        self.settings, self.emit, self.expire = instance.settings, instance.emit, instance.expire

    def account(self, number: str) -> Account:
        """Any account."""
        return Account(self.instance, number)


@pytest.fixture(scope="session")
def empty_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Local AWS with nothing in it; deployments take 0.4 s."""
    with running(tmp_path_factory.mktemp("empty-aws"), deploymentSeconds=0.4) as instance:
        yield LocalAws(instance)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Local AWS with the stack deployed in the owner's and the consumer's account; deployments take 0.5 s.

    IAM is in force, and nothing that the tests do with the stack may be denied to its roles.
    """
    with running(tmp_path_factory.mktemp("aws"), deploymentSeconds=0.5) as instance:
        deploy.deploy(instance)
        yield LocalAws(instance)
        assert instance.control("denied") == {"denied": []}
