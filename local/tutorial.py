"""The tutorial's mesh on local AWS, and what is done to it in the demo and in e2e tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.sidecar.collector import CLASSES, NAMESPACE
from local import deploy
from local.instance import ROOT, Instance, LocalAwsError
from local.settings import OWNER

MESH = "apps"
CLUSTER = "apps"
VIRTUAL_SERVICE = "serviceb.apps.local"
HEADER_ROUTE = "by-header"
QUICK = {
    "steps": [{"weight": 25, "bakeSeconds": 2}, {"weight": 50, "bakeSeconds": 2}],
    "finalBakeSeconds": 2,
    "deadlineSeconds": 120,
    "checkEverySeconds": 1,
    "onNoData": "pass",
}


def wait_for(what: str, observe: Callable[[], Any], seconds: float = 120, every: float = 0.2) -> Any:
    """Ask until the answer is something, and return it. Raises LocalAwsError, saying what never came."""
    end = time.monotonic() + seconds
    while not (seen := observe()):
        if time.monotonic() > end:
            raise LocalAwsError(f"{what}: not seen within {seconds:.0f} seconds")
        time.sleep(every)
    return seen


def unweighted(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a route's spec without its weights."""
    targets = [
        {key: value for key, value in each.items() if key != "weight"}
        for each in spec["http2Route"]["action"]["weightedTargets"]
    ]
    return {**spec, "http2Route": {**spec["http2Route"], "action": {"weightedTargets": targets}}}


class Tutorial:
    """One account's mesh `apps`, its services and its rollouts, through AWS's own APIs."""

    def __init__(self, aws: Instance, account: str = OWNER) -> None:
        """Make the clients once: boto3 takes its time for each."""
        session = aws.session(account)
        self.ecs, self.mesh, self.states = (session.client(name) for name in ("ecs", "appmesh", "stepfunctions"))
        self.ssm, self.cloudwatch = session.client("ssm"), session.client("cloudwatch")
        self._ended: dict[str, dict[str, Any]] = {}
        self.dynamodb, self.environment = session.client("dynamodb"), aws.environment(account)
        outputs = deploy.outputs(aws, account)
        self.machine, self.table = outputs["RolloutStateMachineArn"], outputs["RolloutTable"]

    def make_header_route(self) -> None:
        """Make a route by hand, as an operator does: requests with a header, their own retries, all on serviceB."""
        targets = [{"virtualNode": "serviceB", "weight": 100}, {"virtualNode": "serviceBv2", "weight": 0}]
        spec = {
            "priority": 1,
            "http2Route": {
                "match": {"prefix": "/", "headers": [{"name": "x-beta", "match": {"exact": "yes"}}]},
                "action": {"weightedTargets": targets},
                "retryPolicy": {
                    "maxRetries": 5,
                    "perRetryTimeout": {"unit": "s", "value": 10},
                    "httpRetryEvents": ["server-error"],
                },
            },
        }
        self.mesh.create_route(meshName=MESH, virtualRouterName=VIRTUAL_SERVICE, routeName=HEADER_ROUTE, spec=spec)

    def write_policy(self, name: str, **changes: Any) -> None:
        """Write a rollout policy."""
        text = json.dumps({**QUICK, **changes})
        self.ssm.put_parameter(Name=f"/meshift/policies/{name}", Value=text, Type="String", Overwrite=True)

    def make_alarm(self, name: str, service: str) -> None:
        """Make an alarm on 5xx answers of a service."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Demo",
            MetricName="Http5xx",
            Dimensions=[{"Name": "Service", "Value": service}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=5,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )

    def alarm_on_errors(self, name: str, node: str, mesh: str = MESH) -> None:
        """Make an alarm on what Envoys count: more than five answers of a virtual node that are server errors."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace=NAMESPACE,
            MetricName=CLASSES,
            Dimensions=[
                {"Name": "mesh", "Value": mesh},
                {"Name": "node", "Value": node},
                {"Name": "envoy_response_code_class", "Value": "5"},
            ],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=5,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )

    def alarm_rings(self, name: str) -> float:
        """Wait until an alarm rings; returns when that was seen, in seconds since the epoch."""

        def state() -> bool:
            (alarm,) = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
            return bool(alarm["StateValue"] == "ALARM")

        wait_for(f"alarm {name} rings", state, every=0.1)
        return time.time()

    def answer_5xx(self, service: str, count: int) -> None:
        """Publish what a service that answers 5xx publishes."""
        data = {"MetricName": "Http5xx", "Dimensions": [{"Name": "Service", "Value": service}], "Value": count}
        self.cloudwatch.put_metric_data(Namespace="Demo", MetricData=[data])

    def register(self, family: str, image: str, **changes: Any) -> str:
        """Register a revision with one application container on port 80; returns its ARN."""
        wanted = {
            "family": family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{"name": "app", "image": image, "portMappings": [{"containerPort": 80}]}],
            **changes,
        }
        return str(self.ecs.register_task_definition(**wanted)["taskDefinition"]["taskDefinitionArn"])

    def create_service(self, name: str, image: str, tags: dict[str, str], **changes: Any) -> str:
        """Deploy a new service; returns its ARN."""
        self.ecs.create_cluster(clusterName=CLUSTER)
        service = self.ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=self.register(name, image, **changes),
            desiredCount=2,
            tags=[{"key": key, "value": value} for key, value in tags.items()],
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )["service"]
        return str(service["serviceArn"])

    def deploy_image(self, name: str, image: str) -> str:
        """Deploy another image to a service, as a pipeline does: a new revision without Envoy; returns its ARN."""
        revision = self.register(name, image)
        self.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=revision)
        return revision

    def service(self, name: str) -> dict[str, Any]:
        """Return a service as DescribeServices gives it."""
        return dict(self.ecs.describe_services(cluster=CLUSTER, services=[name], include=["TAGS"])["services"][0])

    def task_definition(self, name: str) -> dict[str, Any]:
        """Return the revision that a service is to run."""
        arn = self.service(name)["taskDefinition"]
        return dict(self.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"])

    def containers(self, name: str) -> list[str]:
        """Return the names of a service's containers."""
        return [container["name"] for container in self.task_definition(name)["containerDefinitions"]]

    def route(self, name: str = VIRTUAL_SERVICE) -> dict[str, Any]:
        """Return a route's spec."""
        route = self.mesh.describe_route(meshName=MESH, virtualRouterName=VIRTUAL_SERVICE, routeName=name)["route"]
        return dict(route["spec"])

    def weights(self, name: str = VIRTUAL_SERVICE) -> dict[str, int]:
        """Return a route's weights by node; none while there is no route."""
        try:
            spec = self.route(name)
        except self.mesh.exceptions.NotFoundException:
            return {}
        return {each["virtualNode"]: each["weight"] for each in spec["http2Route"]["action"]["weightedTargets"]}

    def set_weights(self, weights: dict[str, int]) -> None:
        """Set the weights of the virtual service's own route, as somebody does by hand."""
        spec = self.route()
        for target in spec["http2Route"]["action"]["weightedTargets"]:
            target["weight"] = weights[target["virtualNode"]]
        names = {"meshName": MESH, "virtualRouterName": VIRTUAL_SERVICE, "routeName": VIRTUAL_SERVICE}
        self.mesh.update_route(**names, spec=spec)

    def node(self, name: str) -> dict[str, Any]:
        """Return a virtual node's spec."""
        return dict(self.mesh.describe_virtual_node(meshName=MESH, virtualNodeName=name)["virtualNode"]["spec"])

    def operate(self, *arguments: str) -> tuple[int, str]:
        """Run the operators' command with this account's credentials; its exit code and what it printed."""
        command = [sys.executable, "-m", "meshift", *arguments, "--json"]
        ran = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        return ran.returncode, ran.stdout or ran.stderr

    def waits_at_gate(self) -> bool:
        """Say whether the virtual service's rollout can be approved: the token of its gate is kept with its claim."""
        key = {"pk": {"S": "claims"}, "sk": {"S": f"virtualRouter#{MESH}#{VIRTUAL_SERVICE}"}}
        claim = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})
        waits = json.loads(claim["waits"]["S"]) if "waits" in claim else {}
        return waits.get("gate") is not None

    def executions(self, service_arn: str, known: int = 0) -> list[dict[str, Any]]:
        """Return a service's executions, oldest first, with input and output read; the first `known` left out."""
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        found = []
        for listed in sorted((e for page in pages for e in page["executions"]), key=lambda each: each["startDate"]):
            execution = self._ended.get(listed["executionArn"]) or self._described(listed["executionArn"])
            if execution["input"]["service"] == service_arn:
                found.append(execution)
        return found[known:]

    def _described(self, execution_arn: str) -> dict[str, Any]:
        """Describe an execution; one that has ended stays as it is, and is asked for once."""
        execution = dict(self.states.describe_execution(executionArn=execution_arn))
        execution["input"] = json.loads(execution["input"])
        execution["output"] = json.loads(execution.get("output") or "null")
        if execution["status"] != "RUNNING":
            self._ended[execution_arn] = execution
        return execution

    def state_of(self, service_arn: str) -> str | None:
        """Return the state that a service's running execution is in."""
        for each in self.executions(service_arn):
            if each["status"] == "RUNNING":
                pages = self.states.get_execution_history(executionArn=each["executionArn"], reverseOrder=True)
                names = [
                    e["stateEnteredEventDetails"]["name"] for e in pages["events"] if "stateEnteredEventDetails" in e
                ]
                return str(names[0]) if names else None
        return None

    def history(self, what: str) -> list[dict[str, Any]]:
        """Return the lines of one kind in the virtual service's history, oldest first."""
        return [document for _, kind, document in self.happenings() if kind == what]

    def happenings(self) -> list[tuple[float, str, dict[str, Any]]]:
        """Return the virtual service's history, oldest first: of each line seconds since the epoch, kind, document."""
        history = f"virtualService#{MESH}#{VIRTUAL_SERVICE}"
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={
                ":pk": {"S": history},
                ":sk": {"S": "history#"},
            },
        )
        lines = [(item["sk"]["S"].split("#"), item["document"]["S"]) for page in pages for item in page["Items"]]
        return [(datetime.fromisoformat(when).timestamp(), what, json.loads(text)) for (_, when, what), text in lines]

    def outcome(self, service_arn: str, *among: str, known: int = 0, seconds: float = 120) -> dict[str, Any]:
        """Wait until one of a service's executions has ended in one of these outcomes; returns its output."""

        def ended() -> Any:
            outputs = [each["output"] for each in self.executions(service_arn, known)]
            return next((output for output in outputs if output and output["outcome"] in among), None)

        return dict(wait_for(f"{' or '.join(among)} of {service_arn.rpartition('/')[2]}", ended, seconds))
