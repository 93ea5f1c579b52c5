"""Tasks with real Envoys on a local AWS that has no discovery: none becomes healthy, and nothing is left behind."""

import os
import signal
import subprocess
import urllib.request

import pytest

from domain.bootstrap import bootstrap
from domain.enrolment import parse_enrolment
from domain.sidecar import Sidecar, inject
from local.instance import LocalAwsError, running
from local.settings import OWNER, REGION
from tests.e2e.conftest import LocalAws, wait_for
from tests.shapes import TAGS, task_definition

ARN = f"arn:aws:appmesh:{REGION}:{OWNER}:mesh/apps/virtualNode/web"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Local AWS without a stack, with the data plane."""
    with running(tmp_path_factory.mktemp("alone"), deploymentSeconds=0.2, dataPlane=True) as instance:
        yield LocalAws(instance)


def create(aws, name, cluster):
    """Create a service whose revision has Envoy already; gives the process ids of its Envoys."""
    text = bootstrap(ARN, f"{aws.instance.endpoint}/", "lambda", REGION, 1)
    wanted = inject(task_definition(), parse_enrolment(TAGS, "web"), Sidecar("envoy:1", ARN, (8080,), text))
    changed = {key: wanted.task_definition[key] for key in ("containerDefinitions", "proxyConfiguration")}
    revision = aws.owner.register(name, **changed)
    aws.owner.create_service(name, cluster=cluster, taskDefinition=revision)
    return wait_for(lambda: envoys(aws, name))


def envoys(aws, service):
    return [each["pid"] for each in aws.instance.control("tasks")["tasks"] if each["service"] == service]


def is_alive(pid):
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] not in ("", "Z")


def test_a_deployment_waits_for_its_envoys_and_fails_when_they_end(alone):
    (pid,) = create(alone, "web", "web")
    for failed in (1, 2, 3):
        assert rollout(alone) == ("IN_PROGRESS", failed - 1)
        os.kill(pid, signal.SIGKILL)
        if failed < 3:
            (pid,) = wait_for(lambda ended=pid: [each for each in envoys(alone, "web") if each != ended])
    wait_for(lambda: rollout(alone) == ("FAILED", 3))
    wait_for(lambda: not envoys(alone, "web"))


def rollout(aws):
    (deployment,) = aws.owner.service("web", "web")["deployments"]
    return deployment["rolloutState"], deployment["failedTasks"]


def test_envoys_end_with_their_service_and_with_local_aws(alone, tmp_path):
    (scaled,) = create(alone, "scaled", "web")
    alone.owner.client("ecs").update_service(cluster="web", service="scaled", desiredCount=0)
    wait_for(lambda: not is_alive(scaled))
    with running(tmp_path, deploymentSeconds=0.2, dataPlane=True) as instance:
        (pid,) = create(LocalAws(instance), "web", "web")
        assert is_alive(pid)
    wait_for(lambda: not is_alive(pid), 5)


def test_a_task_without_envoy_answers_by_itself_if_its_service_is_enrolled(alone):
    def tasks(service):
        return [each for each in alone.instance.control("tasks")["tasks"] if each["service"] == service]

    enrolled = {"meshift:mesh": "apps", "meshift:hostname": "bare.apps.local"}
    for name, tags in (("bare", enrolled), ("bystander", {"team": "other"})):
        alone.owner.create_service(name, tags, image="shop:7", cluster="web")
        alone.owner.deployed(name, "web")
    (task,) = tasks("bare")
    assert (task["pid"], task["healthy"]) == (None, True)
    with urllib.request.urlopen(f"http://127.0.0.1:{task['application']['8080']}/", timeout=5) as answer:
        assert answer.read() == b"shop:7"
    assert not tasks("bystander")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"dataPlane": "yes"}, "must be true or false"),
        ({"discoveryFails": True}, "must be the name of a mesh"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(alone, wanted, says):
    with pytest.raises(LocalAwsError, match=says):
        alone.settings(**wanted)
