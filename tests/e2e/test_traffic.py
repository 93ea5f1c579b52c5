"""Requests from task to task through real Envoys while rollouts move the weights: nothing fails, and shares are right.

The tasks are those of local AWS's data plane (local/dataplane.py); requests never stop while these tests run.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from functools import partial
from itertools import pairwise

import pytest

from domain.bootstrap import REQUEST_SECONDS
from domain.enrolment import parse_enrolment
from domain.sidecar import inject
from domain.sidecar.collector import LATENCY, NAMESPACE, NATIVE_HISTOGRAMS, REQUESTS
from domain.sidecar.settings import SidecarSettings, sidecar_for
from local import envoys
from local.callers import NOBODY, Callers
from local.settings import REGION
from local.tutorial import Tutorial
from tests.discovery_meshes import backend, dns, listening
from tests.e2e.conftest import wait_for
from tests.e2e.test_dataplane import is_alive
from tests.e2e.test_hosted_mesh import MeshApi

MESH = CLUSTER = "traffic"
SERVICE = "shop.traffic.local"
DARK = "dark"
DARK_SECONDS = 60
"""How long discovery is out of reach for a mesh of its own, while the tests go on in theirs."""
RATE, ENOUGH = 1000, 100_000
"""Requests a second, if the machine can, and how many of them none may fail of."""
POLL_SECONDS = 1
"""DiscoveryPollSeconds of samconfig.toml's local environment."""
BOUND = 2 * POLL_SECONDS + 1
"""From UpdateRoute to the first request on the new weights."""
SLOW = 4
"""What a busy machine may add to that."""
SETTLING = 2 * POLL_SECONDS + REQUEST_SECONDS + 8
"""How long a new target gets no weight (docs/decisions/0007-discovery.md)."""


def tags(name, **more):
    own = {"mesh": MESH, "hostname": f"{name}.traffic.local", "policy": "traffic", **more}
    return {f"meshift:{key}": value for key, value in own.items()}


class Shop:
    """What the tests do to the services and see of them."""

    def __init__(self, aws):
        self.account, self.instance = aws.owner, aws.instance
        self.story = Tutorial(aws.instance)
        self.mesh = MeshApi(aws.instance, aws.owner.outputs["MeshApiUrl"]).client()
        for name in (MESH, DARK):
            self.mesh.create_mesh(meshName=name)
        self.create = partial(self.account.create_service, cluster=CLUSTER)
        self.outcome = self.story.outcome

    def deploy(self, name, image):
        """Deploy another image to a service, as a pipeline does."""
        revision = self.account.register(name, image)
        self.account.client("ecs").update_service(cluster=CLUSTER, service=name, taskDefinition=revision)

    def tasks(self, service):
        """The tasks of a service that the data plane runs with Envoy."""
        tasks = self.instance.control("tasks")["tasks"]
        return [each for each in tasks if each["service"] == service and each["pid"]]

    def route(self):
        return self.mesh.describe_route(meshName=MESH, virtualRouterName=SERVICE, routeName=SERVICE)["route"]

    def weights(self):
        """Each node's weight, and when it was written."""
        route = self.route()
        targets = route["spec"]["http2Route"]["action"]["weightedTargets"]
        written = route["metadata"]["lastUpdatedAt"].timestamp()
        return {each["virtualNode"]: each["weight"] for each in targets}, written

    def follow(self, arn, node, known):
        """Follow a node's weight until its rollout ends: all weights, and when they were written; then the outcome."""
        seen = []

        def ended():
            weights, written = self.weights()
            if [weights[node]] != [weight for weight, _ in seen[-1:]]:
                seen.append((weights[node], written))
            return any(each["status"] != "RUNNING" for each in self.story.executions(arn, known))

        wait_for(ended, 120, 0.2)
        (rollout,) = self.story.executions(arn, known)
        return seen, rollout["output"]


@pytest.fixture(scope="module")
def shop(aws):
    """A mesh with a caller and a service, on real Envoys."""
    aws.settings(dataPlane=True)
    made = Shop(aws)
    made.story.write_policy(
        "traffic", steps=[{"weight": 25, "bakeSeconds": SETTLING}, {"weight": 50, "bakeSeconds": 6}]
    )
    caller = made.create("caller", tags("caller", backends=SERVICE), image="caller:1")
    first = made.create("shop1", tags("shop1", **{"virtual-service": SERVICE, "protocol": "http2"}), image="shop:1")
    made.create("dark1", tags("dark1", mesh=DARK, **{"virtual-service": SERVICE, "protocol": "http2"}), image="dark:1")
    made.create("dark-caller", tags("dark-caller", mesh=DARK, backends=SERVICE), image="caller:1")
    for arn in (caller, first):
        made.outcome(arn, "Redeployed", "Refused")
    made.outcome(first, "Nothing To Do", "Refused", known=1)
    wait_for(lambda: [each["healthy"] for each in made.tasks("caller")] == [True], 90)
    made.first = first
    yield made
    aws.settings(dataPlane=False)
    for service in ("caller", "shop1", "shop2", "dark1", "dark-caller"):
        made.account.client("ecs").update_service(cluster=CLUSTER, service=service, desiredCount=0)
    wait_for(lambda: not made.instance.control("tasks")["tasks"])


def calling(shop, caller, version, rate):
    """Callers of the service in a task's own network, who were answered."""
    ((port,),) = wait_for(lambda: [[each["egress"]["8080"]] for each in shop.tasks(caller) if each["healthy"]], 90)
    callers = Callers([port], SERVICE, rate, every=0.1)
    wait_for(lambda: callers.since(0)[0][version] > 100, 60)
    return callers


@pytest.fixture(scope="module")
def load(shop):
    """Requests to the service, all through."""
    callers = calling(shop, "caller", "shop:1", RATE)
    yield callers
    callers.stop()


@pytest.fixture(scope="module", autouse=True)
def outage(shop):
    """Discovery is out of reach for the mesh of its own, and requests go on there: they, and since when."""
    callers = calling(shop, "dark-caller", "dark:1", 100)
    shop.instance.settings(discoveryFails=DARK)
    yield callers, time.time()
    shop.instance.settings(discoveryFails="")
    callers.stop()


@pytest.fixture(scope="module")
def promoted(shop, load):
    """shop2 is deployed, and a rollout moves the traffic to it."""
    arn = shop.create("shop2", tags("shop2", **{"virtual-service": SERVICE, "protocol": "http2"}), image="shop:2")
    shop.outcome(arn, "Redeployed", "Refused")
    return shop.follow(arn, "shop2", 1)


@pytest.fixture(scope="module")
def rolled_back(shop, load, promoted):
    """A bad version of shop1, which carries nothing, is deployed; half of its answers are 500."""
    checks = [{"envoy": "errorRate", "above": 0.05}, {"envoy": "p99", "above": 5, "dryRun": True}]
    shop.story.write_policy("traffic", steps=[{"weight": 25, "bakeSeconds": 20}], checks=checks)
    shop.deploy("shop1", "shop:bad")
    shop.outcome(shop.first, "Redeployed", "Refused", known=2)
    return shop.follow(shop.first, "shop1", 3)


def share(load, version, since, until):
    """The share of requests that a version answered, and how many there were."""
    counts, _ = load.since(since, until)
    return counts[version] / max(1, counts.total()), counts.total()


def test_a_task_answers_through_two_envoys_with_the_bootstrap_that_was_injected(shop, load):
    (task,) = shop.tasks("shop1")
    revision = shop.account.service("shop1", CLUSTER)["taskDefinition"]
    injected = shop.account.client("ecs").describe_task_definition(taskDefinition=revision)["taskDefinition"]
    (envoy,) = [each for each in injected["containerDefinitions"] if each["name"] == "envoy"]
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(task["pid"])], capture_output=True, text=True, check=True
    )
    expected = envoy["command"][3].replace('"port_value":9901', f'"port_value":{task["admin"]}')
    assert f"--config-yaml {expected} " in shown.stdout


def test_envoy_answers_the_collectors_scrape_with_native_histograms(shop, load):
    """No other format has them; the header is what the collector's receiver sends for PrometheusProto."""
    (task,) = shop.tasks("caller")
    parameters = urllib.parse.urlencode(NATIVE_HISTOGRAMS["params"], doseq=True)
    accept = (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.2,*/*;q=0.1"
    )
    url = f"http://127.0.0.1:{task['admin']}/stats/prometheus?{parameters}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"accept": accept}), timeout=5) as answer:
        assert answer.headers["content-type"].startswith("application/vnd.google.protobuf")
        families = answer.read()
    assert LATENCY.encode() in families
    assert f"{MESH}/virtualNode/shop1/8080/http2".encode() in families


def test_ecs_says_that_envoy_is_healthy_because_its_check_passed(shop, load):
    ecs = shop.account.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName="shop1")["taskArns"]
    (task,) = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    health = {each["name"]: each["healthStatus"] for each in task["containers"]}
    assert health == {"app": "UNKNOWN", "envoy": "HEALTHY"}


def test_traffic_follows_the_weights_of_a_rollout_within_statistical_error(load, promoted):
    seen, output = promoted
    assert output["outcome"] == "Promoted"
    assert [weight for weight, _ in seen] == [0, 25, 50, 100]
    for (weight, _), (_, ends) in pairwise(seen[1:]):
        # At the end of a step all callers have its weights.
        observed, requests = share(load, "shop:2", ends - 2.5, ends)
        expected = weight / 100
        assert requests > 200
        assert abs(observed - expected) < 4 * (expected * (1 - expected) / requests) ** 0.5 + 0.01
    (_, written) = seen[-1]
    time.sleep(max(0.0, written + BOUND + SLOW - time.time()))
    assert share(load, "shop:2", time.time() - 0.5, time.time())[0] == 1


def test_a_bad_version_is_rolled_back_by_what_envoys_counted(load, rolled_back):
    seen, output = rolled_back
    assert output["outcome"] == "Rolled Back"
    assert output["reason"].startswith("errorRate: ")
    assert "to shop1 failed" in output["reason"]
    assert [weight for weight, _ in seen[:2]] == [0, 25]
    counts, errors = load.since(0)
    assert counts["shop:bad"] > 0
    assert 0.3 < errors["shop:bad"] / counts["shop:bad"] < 0.7
    time.sleep(BOUND + SLOW)
    before = time.time()
    time.sleep(1)
    assert load.since(before)[0].keys() == {"shop:2"}


def test_envoys_latency_was_compared_in_a_dry_run(shop, rolled_back):
    (running,) = shop.story.executions(shop.first, 3)
    history = shop.story.dynamodb.query(
        TableName=shop.story.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"virtualService#{MESH}#{SERVICE}"}},
    )["Items"]
    lines = [json.loads(each["document"]["S"]) for each in history if each["sk"]["S"].endswith("#check")]
    (told, *_) = [each for each in reversed(lines) if each["name"] == "p99" and each["verdict"] != "no data"]
    assert told["dryRun"]
    assert re.search(r"p99: \d+ of \d+ requests.* to shop1 took longer than \d+", told["reason"])
    assert running["output"]["outcome"] == "Rolled Back"


def test_the_first_request_on_new_weights_comes_within_two_polls_and_a_second(load, rolled_back):
    (_, written) = next(each for each in rolled_back[0] if each[0] == 25)
    first = next(each["at"] for each in load.samples if "shop:bad" in each["counts"])
    assert 0 <= first - written <= BOUND + SLOW


def test_a_node_that_nobody_knew_gets_traffic_without_a_failure(shop, load, rolled_back):
    spec = shop.mesh.describe_virtual_node(meshName=MESH, virtualNodeName="shop2")["virtualNode"]["spec"]
    shop.mesh.create_virtual_node(meshName=MESH, virtualNodeName="fresh", spec=spec)
    route = shop.route()["spec"]
    targets = [{"virtualNode": name, "weight": 50, "port": 8080} for name in ("shop2", "fresh")]
    changed = {**route, "http2Route": {**route["http2Route"], "action": {"weightedTargets": targets}}}
    began = time.time()
    shop.mesh.update_route(meshName=MESH, virtualRouterName=SERVICE, routeName=SERVICE, spec=changed)
    called = partial(counted, shop, "fresh")
    wait_for(called, SETTLING + BOUND + SLOW, 0.5)
    time.sleep(1)
    assert not load.since(began)[1]


def counted(shop, node):
    """How many requests the caller's Envoy sent to a node, by CloudWatch."""
    now = time.time()
    found = shop.story.cloudwatch.get_metric_statistics(
        Namespace=NAMESPACE, MetricName=REQUESTS, Statistics=["Sum"], Period=60, StartTime=now - 600,
        EndTime=now + 60, Dimensions=[{"Name": "mesh", "Value": MESH}, {"Name": "node", "Value": node}],
    )  # fmt: skip
    return sum(point["Sum"] for point in found["Datapoints"])


def test_requests_go_on_for_a_minute_while_discovery_is_out_of_reach(shop, rolled_back, outage):
    callers, began = outage
    time.sleep(max(0.0, began + DARK_SECONDS - time.time()))
    counts, errors = callers.since(began)
    assert set(counts) == {"dark:1"}
    assert counts.total() > 10 * DARK_SECONDS
    assert not errors
    for (task,) in (shop.tasks("dark1"), shop.tasks("dark-caller")):
        assert task["healthy"]
        assert envoys.ask(task["admin"], "/stats?format=json&filter=cds.update_failure")["stats"][0]["value"] > 10


@pytest.fixture(scope="module")
def proxied(shop):
    """A task with the sidecar of `Interception=proxy` that calls the service: its containers by name, and the task."""
    spec = {"listeners": [listening(8080, "http")], "serviceDiscovery": dns("proxied"), "backends": [backend(SERVICE)]}
    node = shop.mesh.create_virtual_node(meshName=MESH, virtualNodeName="proxied", spec=spec)["virtualNode"]
    url = shop.account.outputs["DiscoveryUrl"]
    settings = SidecarSettings(REGION, True, None, "proxy", False, False, url, POLL_SECONDS, "lambda", False)
    ecs = shop.account.client("ecs")
    bare = ecs.describe_task_definition(taskDefinition=shop.account.register("proxied"))["taskDefinition"]
    made = inject(bare, parse_enrolment(tags("proxied"), "proxied"), sidecar_for(node, settings)).task_definition
    assert "proxyConfiguration" not in made
    shop.create(
        "proxied", taskDefinition=shop.account.register("proxied", containerDefinitions=made["containerDefinitions"])
    )
    (task,) = wait_for(lambda: [each for each in shop.tasks("proxied") if each["healthy"]])
    yield {each["name"]: each for each in made["containerDefinitions"]}, task
    ecs.update_service(cluster=CLUSTER, service="proxied", desiredCount=0)


def test_an_application_that_is_told_of_its_proxy_reaches_the_service_through_its_envoy(proxied):
    containers, task = proxied
    told = {each["name"]: each["value"] for each in containers["app"]["environment"]}
    assert told["HTTP_PROXY"] == "http://127.0.0.1:15001"
    here = {name: value.replace(":15001", f":{task['egress']['15001']}") for name, value in told.items()}
    code = f"import urllib.request as r; print(r.urlopen('http://{SERVICE}:8080/', timeout=10).headers['x-version'])"
    run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run(env=here).stdout.strip() in ("shop:1", "shop:2", "shop:bad")
    assert run(env={}).returncode != 0, "there is another way than the proxy"
    name = "http.egress.downstream_rq_2xx"
    (counted,) = [
        each
        for each in envoys.ask(task["admin"], f"/stats?format=json&filter={name}")["stats"]
        if each.get("name") == name
    ]
    assert counted["value"] == 1


def test_a_task_that_stops_ends_its_application_before_its_envoy(shop, proxied):
    containers, task = proxied
    # ECS stops containers in the order that is the reverse of this one.
    assert containers["app"]["dependsOn"] == [{"containerName": "envoy", "condition": "HEALTHY"}]
    port = task["application"]["8080"]
    assert envoys.listens(port)
    shop.account.client("ecs").update_service(cluster=CLUSTER, service="proxied", desiredCount=0)
    wait_for(lambda: not is_alive(task["pid"]), every=0.01)
    assert not envoys.listens(port)


def test_a_task_whose_envoy_ends_is_replaced(shop, load, rolled_back):
    (task,) = shop.tasks("shop1")
    os.kill(task["pid"], signal.SIGKILL)

    def replaced():
        return [each["healthy"] for each in shop.tasks("shop1") if each["task"] != task["task"]] == [True]

    wait_for(replaced, 30)


def test_no_request_failed_but_those_that_the_bad_version_failed(load, rolled_back, record_testsuite_property):
    wait_for(lambda: load.since(0)[0].total() > ENOUGH, 120, 0.5)
    counts, errors = load.since(0)
    record_testsuite_property("requests", counts.total())
    assert set(errors) <= {"shop:bad"}
    assert counts[NOBODY] == 0
