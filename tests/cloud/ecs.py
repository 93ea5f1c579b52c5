"""Amazon ECS: services whose deployments take time, may fail and are rolled back, and say so in events."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.cloud.clock import Clock
from tests.cloud.dynamodb import copied, refusal
from tests.hosted_mesh import OWNER, REGION

Document = dict[str, Any]
SECONDS = 60
"""How long a deployment takes."""
ARN = f"arn:aws:ecs:{REGION}:{OWNER}"


class Ecs:
    """One cluster's services; operations by their boto3 names."""

    def __init__(self, clock: Clock, emit: Callable[[Document], None], cluster: str = "apps") -> None:
        self.clock, self.emit, self.cluster = clock, emit, cluster
        self.services: dict[str, Document] = {}
        self.revisions: dict[str, Document] = {}
        self.sick: set[str] = set()
        """Services whose Envoys are unhealthy."""
        self.broken: set[str] = set()
        """Images that never start: their deployments fail and are rolled back."""

    # -- what people do

    def register(self, task_definition: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> str:
        listed = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        request = {**task_definition, **({"tags": listed} if tags else {})}
        return str(self.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"])

    def create(self, name: str, revision: str, tags: Mapping[str, str], desired: int = 2) -> str:
        arn = f"{ARN}:service/{self.cluster}/{name}"
        self.services[arn] = {
            "serviceArn": arn,
            "serviceName": name,
            "clusterArn": f"{ARN}:cluster/{self.cluster}",
            "status": "ACTIVE",
            "desiredCount": desired,
            "runningCount": 0,
            "schedulingStrategy": "REPLICA",
            "launchType": "FARGATE",
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
            "deployments": [],
            "serviceRegistries": [],
            "deploymentController": {"type": "ECS"},
            "running": None,
        }
        self.deploy(arn, revision)
        return arn

    def deploy(self, arn: str, revision: str, reason: str = "") -> str:
        """Begin a deployment; its tasks run when it completes, those of the one before until then."""
        service = self.services[arn]
        number = service["number"] = service.get("number", 0) + 1
        name = f"ecs-svc/{abs(hash_of(arn)) % 10**9:09}{number:010}"
        fresh = {"id": name, "status": "PRIMARY", "taskDefinition": revision, "rolloutState": "IN_PROGRESS"}
        service["deployments"] = [fresh] + [
            {**each, "status": "ACTIVE"} for each in service["deployments"] if each["rolloutState"] == "COMPLETED"
        ]
        self.tell(arn, "IN_PROGRESS", name, reason or f"ECS deployment {name} in progress.")
        self.clock.later(SECONDS, lambda: self._settle(arn, name))
        return name

    def tell(self, arn: str, what: str, deployment: str, reason: str = "") -> None:
        self.emit(
            {
                "version": "0",
                "id": f"{deployment}-{what}",
                "detail-type": "ECS Deployment State Change",
                "source": "aws.ecs",
                "account": OWNER,
                "region": REGION,
                "resources": [arn],
                "detail": {"eventName": f"SERVICE_DEPLOYMENT_{what}", "deploymentId": deployment, "reason": reason},
            }
        )

    def scale(self, arn: str, desired: int) -> None:
        self.services[arn]["desiredCount"] = desired

    def answering(self, arn: str) -> int:
        """How many tasks run without an unhealthy container."""
        return sum(all(each["healthStatus"] != "UNHEALTHY" for each in task["containers"]) for task in self._tasks(arn))

    def primary(self, arn: str) -> Document:
        return next(each for each in self.services[arn]["deployments"] if each["status"] == "PRIMARY")

    def _settle(self, arn: str, name: str) -> None:
        service = self.services.get(arn)
        if service is None or self.primary(arn)["id"] != name:
            return
        current = self.primary(arn)
        images = {each["image"] for each in self.revisions[current["taskDefinition"]]["containerDefinitions"]}
        if images & self.broken and service["running"] is not None:
            current["rolloutState"] = "FAILED"
            self.tell(arn, "FAILED", name, f"ECS deployment {name} failed: tasks failed to start.")
            self.deploy(arn, service["running"], f"ECS deployment circuit breaker: rolling back to {name}")
            return
        current["rolloutState"] = "COMPLETED"
        service["running"] = current["taskDefinition"]
        service["deployments"] = [current]
        self.tell(arn, "COMPLETED", name, f"ECS deployment {name} completed.")

    def _tasks(self, arn: str) -> list[Document]:
        service = self.services[arn]
        if service["running"] is None or service["status"] != "ACTIVE":
            return []
        revision = self.revisions[service["running"]]
        health = "UNHEALTHY" if arn in self.sick else "HEALTHY"
        containers = [
            {"name": each["name"], "healthStatus": health if each["name"] == "envoy" else "UNKNOWN"}
            for each in revision["containerDefinitions"]
        ]
        return [
            {
                "taskArn": f"{ARN}:task/{self.cluster}/{service['serviceName']}-{number}",
                "lastStatus": "RUNNING",
                "taskDefinitionArn": service["running"],
                "containers": containers,
            }
            for number in range(service["desiredCount"])
        ]

    # -- what Meshift asks

    def describe_services(self, services: list[str], **_: Any) -> Document:
        found = [self._service(each) for each in services]
        known = [self._shown(each) for each in found if each is not None]
        return {"services": known, "failures": []}

    def describe_clusters(self, clusters: list[str], **_: Any) -> Document:
        return {"clusters": [{"clusterArn": f"{ARN}:cluster/{name.rpartition('/')[2]}"} for name in clusters]}

    def list_services(self, **_: Any) -> Document:
        return {"serviceArns": list(self.services)}

    def list_clusters(self, **_: Any) -> Document:
        return {"clusterArns": [f"{ARN}:cluster/{self.cluster}"]}

    def describe_task_definition(self, taskDefinition: str, **_: Any) -> Document:
        if taskDefinition not in self.revisions:
            raise refusal("ClientException", "DescribeTaskDefinition", "Unable to describe task definition.")
        revision = copied(self.revisions[taskDefinition])
        return {"tags": revision.pop("tags", []), "taskDefinition": revision}

    def register_task_definition(self, **request: Any) -> Document:
        family = request["family"]
        number = 1 + sum(each["family"] == family for each in self.revisions.values())
        arn = f"{ARN}:task-definition/{family}:{number}"
        made = {**copied(request), "taskDefinitionArn": arn, "revision": number, "status": "ACTIVE"}
        self.revisions[arn] = made
        return self.describe_task_definition(arn)

    def update_service(self, service: str, **request: Any) -> Document:
        found = self._service(service)
        if found is None:
            raise refusal("ServiceNotFoundException", "UpdateService")
        if request.get("desiredCount") is not None:
            self.scale(found["serviceArn"], request["desiredCount"])
        if request.get("taskDefinition") not in (None, self.primary(found["serviceArn"])["taskDefinition"]):
            self.deploy(found["serviceArn"], request["taskDefinition"])
        return {"service": self._shown(found)}

    def list_tasks(self, serviceName: str, **_: Any) -> Document:
        found = self._service(serviceName)
        return {"taskArns": [task["taskArn"] for task in self._tasks(found["serviceArn"])] if found else []}

    def describe_tasks(self, tasks: list[str], **_: Any) -> Document:
        known = {task["taskArn"]: task for arn in self.services for task in self._tasks(arn)}
        return {"tasks": [copied(known[arn]) for arn in tasks if arn in known], "failures": []}

    def _service(self, name: str) -> Document | None:
        return next(
            (each for each in self.services.values() if name in (each["serviceArn"], each["serviceName"])), None
        )

    def _shown(self, service: Document) -> Document:
        shown = copied({key: value for key, value in service.items() if key not in ("running", "number")})
        return {**shown, "runningCount": len(self._tasks(service["serviceArn"]))}


def hash_of(text: str) -> int:
    """A number of a text, the same in every process."""
    number = 0
    for each in text.encode():
        number = (number * 131 + each) % (2**61 - 1)
    return number
