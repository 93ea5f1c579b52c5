"""Documents in AWS's own shapes, for tests that need one to change."""

import copy
import json
from pathlib import Path

EVENTS = Path(__file__).parents[1] / "events"
OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
SERVICE = f"arn:aws:ecs:us-east-1:{OWNER}:service/apps/serviceBv2"
TASK_DEFINITION = f"arn:aws:ecs:us-east-1:{OWNER}:task-definition/serviceBv2:1"

TAGS = {
    "meshift:mesh": "apps",
    "meshift:virtual-service": "serviceb.apps.local",
    "meshift:hostname": "serviceb.apps.local",
}

SUBJECT = {
    "mesh": "apps",
    "meshOwner": None,
    "virtualService": "serviceb.apps.local",
    "virtualRouter": "serviceb.apps.local",
    "virtualNode": "serviceBv2",
    "policy": "default",
}

_TASK_DEFINITION = {
    "taskDefinitionArn": TASK_DEFINITION,
    "family": "serviceBv2",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "512",
    "memory": "1024",
    "taskRoleArn": f"arn:aws:iam::{OWNER}:role/serviceB",
    "executionRoleArn": f"arn:aws:iam::{OWNER}:role/execution",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "serviceb:2",
            "essential": True,
            "memory": 512,
            "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
            "environment": [{"name": "COLOUR", "value": "green"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/apps", "awslogs-region": "us-east-1"},
            },
            "secrets": [],
        }
    ],
    "volumes": [],
    "revision": 1,
    "status": "ACTIVE",
    "enableFaultInjection": True,
}

_SPEC = {
    "priority": 7,
    "http2Route": {
        "match": {"prefix": "/", "method": "GET", "headers": [{"name": "x-canary", "match": {"exact": "yes"}}]},
        "action": {
            "weightedTargets": [
                {"virtualNode": "serviceB", "weight": 100, "port": 80},
                {"virtualNode": "serviceBv2", "weight": 0, "port": 80},
            ]
        },
        "retryPolicy": {
            "maxRetries": 5,
            "perRetryTimeout": {"unit": "s", "value": 10},
            "httpRetryEvents": ["server-error"],
        },
        "timeout": {"idle": {"unit": "s", "value": 30}},
    },
}


def event(name):
    return json.loads((EVENTS / f"{name}.json").read_text())


def task_definition(**changes):
    return {**copy.deepcopy(_TASK_DEFINITION), **changes}


def route_spec():
    return copy.deepcopy(_SPEC)


def service(**changes):
    return {
        "serviceArn": SERVICE,
        "serviceName": "serviceBv2",
        "status": "ACTIVE",
        "desiredCount": 2,
        "deployments": [
            {
                "id": "ecs-svc/2394811370187363041",
                "status": "PRIMARY",
                "taskDefinition": TASK_DEFINITION,
                "rolloutState": "COMPLETED",
            }
        ],
        **changes,
    }


def tasks(count=2, task_definition=TASK_DEFINITION, health="HEALTHY"):
    return [
        {
            "lastStatus": "RUNNING",
            "taskDefinitionArn": task_definition,
            "containers": [{"name": "app", "healthStatus": "UNKNOWN"}, {"name": "envoy", "healthStatus": health}],
        }
        for _ in range(count)
    ]
